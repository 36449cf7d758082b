import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import * as path from "node:path";
import { SECRETS } from "../../components/environment";
import { destroy, up } from "../../engine";
import type { EngineResult } from "../../engine";
import { rehearseHosts } from "../../rehearsal/hosts";
import type { EngineOutcome, HostEngine } from "../../rehearsal/hosts";
import { RehearsalError } from "../../rehearsal/process";
import type { Rack } from "../../rehearsal/rack";
import { urnsIn } from "../embedded-state";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { checkHosts } from "../hosts";
import type { HostReport } from "../hosts";
import { interruptible } from "../interrupt";
import { urnsToMend } from "../mend";
import { engineOptions } from "../plan-environment";
import { loadEnvironment, projectRoot } from "../project";
import type { LoadedEnvironment } from "../project";
import { renderVerdict } from "../render/verdict";
import type { Progress, Terminal } from "../terminal";

/** `rackwright rehearse --hosts`: 0 the verdict is good, 1 it is not, 2 bad input, 3 what it needs could not be had. */
export async function rehearse(terminal: Terminal, name: string, options: { hosts?: boolean; json?: boolean }): Promise<ExitCode> {
  if (options.hosts !== true) throw new CliError("say what to rehearse: --hosts is what there is today. Example: rackwright rehearse dev-test --hosts", exitCodes.badInput);
  const loaded = loadEnvironment(name);
  const workDir = path.join(projectRoot, ".rackwright");
  mkdirSync(workDir, { recursive: true });
  const stateDir = mkdtempSync(path.join(workDir, "rehearsal-state-"));
  const started = Date.now();
  const say = (line: string): void => {
    terminal.progress.done();
    terminal.err(`${String(Math.round((Date.now() - started) / 1000)).padStart(4)} s  ${line}\n`);
  };
  try {
    const verdict = await interruptible(terminal, (signal) =>
      rehearseHosts(loaded.environment, {
        name,
        workDir,
        onProgress: say,
        signal,
        engine: (rack) => Promise.resolve(engineFor(loaded, rack, path.join(stateDir, "state.json"), terminal.progress)),
      }),
    );
    terminal.out(options.json === true ? `${JSON.stringify(verdict, null, 2)}\n` : renderVerdict(verdict, terminal.style));
    return verdict.ok ? exitCodes.well : exitCodes.finding;
  } catch (error) {
    if (error instanceof RehearsalError) throw new CliError(error.message, error.kind === "unreachable" ? exitCodes.unreachable : exitCodes.finding);
    throw error;
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}

/** The embedded engine on the rack's environment, with a state and a passphrase that live as long as the rehearsal. */
function engineFor(loaded: LoadedEnvironment, rack: Pick<Rack, "environment" | "privateKey">, stateFile: string, progress: Progress): HostEngine {
  const emulated: LoadedEnvironment = {
    ...loaded,
    environment: rack.environment,
    config: { "rackwright:environment": JSON.stringify(rack.environment) },
    secureKeys: [],
  };
  const secrets = { [SECRETS.sshPrivateKey]: rack.privateKey };
  const common = { ...engineOptions(emulated, { secrets, passphrase: randomBytes(24).toString("base64") }), stateFile };
  let report: HostReport = { checks: [], unreachable: [] };
  return {
    up: async ({ mend }) => {
      const chosen = report.checks.filter(({ step }) => mend.includes(step));
      return outcome(await up({ ...common, replace: urnsToMend(loaded.name, chosen, urnsIn(stateFile)) }));
    },
    drift: async () => {
      report = await checkHosts(rack.environment, rack.privateKey, progress);
      progress.done();
      return [
        ...report.unreachable.map(({ server, reason }) => ({ server, step: server, id: "unreachable", message: reason, mendable: false })),
        ...report.checks.flatMap(({ server, step, findings }) => findings.map((finding) => ({ server, step, ...finding }))),
      ];
    },
    destroy: async () => outcome(await destroy(common)),
  };
}

function outcome(result: EngineResult): EngineOutcome {
  return { ok: result.ok, changes: result.changes, messages: result.diagnostics.map(({ message }) => message.trim()) };
}
