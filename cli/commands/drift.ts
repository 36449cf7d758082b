import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { checkHosts, isWell } from "../hosts";
import type { HostReport } from "../hosts";
import { interruptible } from "../interrupt";
import { loadEnvironment } from "../project";
import { renderHostReport } from "../render/drift";
import { readSecrets } from "../secrets";
import type { Terminal } from "../terminal";

/** `rackwright drift`: 0 nothing differs, 1 something does, 3 a server did not answer. */
export async function drift(terminal: Terminal, name: string, options: { json?: boolean }): Promise<ExitCode> {
  const loaded = loadEnvironment(name);
  const secrets = await readSecrets(loaded);
  const report = await interruptible(terminal, (signal) => checkHosts(loaded.environment, secrets["rackwright:sshPrivateKey"], terminal.progress, signal));
  terminal.progress.done();
  terminal.out(options.json === true ? `${JSON.stringify({ environment: name, ...report }, null, 2)}\n` : renderHostReport(report, terminal.style));
  return driftExit(report);
}

/** @returns the exit code that a report stands for. */
export function driftExit(report: HostReport): ExitCode {
  if (report.unreachable.length > 0) return exitCodes.unreachable;
  return isWell(report) ? exitCodes.well : exitCodes.finding;
}

/** @throws CliError with exit code 3 that names every server that did not answer. */
export function requireReachable(report: HostReport): void {
  if (report.unreachable.length === 0) return;
  const lines = report.unreachable.map(({ server, address, reason }) => `  ${server} (${address}): ${reason}`);
  throw new CliError(`these servers did not answer, so nothing was changed:\n${lines.join("\n")}`, exitCodes.unreachable);
}
