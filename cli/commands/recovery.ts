import { recoveryStatus } from "../../components/recovery/status";
import { exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { interruptible } from "../interrupt";
import { loadEnvironment } from "../project";
import { readRecoveryFacts } from "../recovery-facts";
import { readRehearsals } from "../recovery-record";
import { renderRecovery } from "../render/recovery-status";
import { readSecrets } from "../secrets";
import type { Terminal } from "../terminal";

/** `rackwright recovery status`: 0 every level is well, 1 a target is missed or nobody knows, 3 a server did not answer. */
export async function recoveryStatusCommand(terminal: Terminal, name: string, options: { json?: boolean }): Promise<ExitCode> {
  const loaded = loadEnvironment(name);
  const rehearsals = readRehearsals(name);
  const secrets = await readSecrets(loaded);
  const { facts, unreachable } = await interruptible(terminal, (signal) => readRecoveryFacts(loaded.environment, secrets["rackwright:sshPrivateKey"], terminal.progress, signal));
  terminal.progress.done();
  const levels = recoveryStatus(loaded.environment, facts, rehearsals, Math.floor(Date.now() / 1000));
  terminal.out(options.json === true ? `${JSON.stringify({ environment: name, levels, unreachable }, null, 2)}\n` : renderRecovery(levels, unreachable, Date.now() / 1000, terminal));
  if (unreachable.length > 0) return exitCodes.unreachable;
  return levels.every(({ verdict }) => verdict === "well" || verdict === "off") ? exitCodes.well : exitCodes.finding;
}
