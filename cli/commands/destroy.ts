import { destroy as engineDestroy } from "../../engine";
import { confirm } from "../ask";
import { embeddedUrns } from "../embedded-state";
import { chooseEngine } from "../engine-choice";
import { withEngineErrors } from "../engine-errors";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { interruptible } from "../interrupt";
import { requirePassphrase } from "../passphrase";
import { engineOptions } from "../plan-environment";
import { loadEnvironment } from "../project";
import { progressOf, renderOutcome } from "../render/run";
import { readSecrets } from "../secrets";
import type { Terminal } from "../terminal";

/** `rackwright destroy`: deletes what is in the cluster and forgets the rest; hosts keep everything. */
export async function destroy(terminal: Terminal, name: string, options: { yes?: boolean; json?: boolean }): Promise<ExitCode> {
  const loaded = loadEnvironment(name);
  const choice = chooseEngine(name, undefined);
  if (choice.engine === "pulumi") throw new CliError(`the state of ${name} is kept by pulumi (${choice.reason}). Run: pulumi destroy -s ${name}`, exitCodes.badInput);
  const resources = embeddedUrns(name).size;
  if (resources === 0) throw new CliError(`${name} is not up: the embedded engine holds no state of it.`, exitCodes.badInput);
  const secrets = await readSecrets(loaded);
  const passphrase = requirePassphrase("the state keeps connections to servers as secrets");
  const running = [...Object.keys(loaded.environment.services), ...Object.keys(loaded.environment.training)];
  const ends = running.length === 0 ? "" : ` What is in the cluster is deleted: ${running.join(", ")} ${running.length === 1 ? "ends" : "end"}.`;
  terminal.err(`${resources} resources of ${name} leave the state.${ends} The hosts stay as they are: no drive is wiped, no file system unmounted, no package removed.\n`);
  if (!(await confirm(`Take ${name} down?`, options.yes === true))) return exitCodes.finding;
  return interruptible(terminal, async (signal, cancelSignal) => {
    const result = await withEngineErrors(() => engineDestroy({ ...engineOptions(loaded, { secrets, passphrase, signal, cancelSignal }), onEvent: progressOf(terminal) }));
    terminal.progress.done();
    terminal.err(renderOutcome(result, terminal.style));
    if (options.json === true) terminal.out(`${JSON.stringify({ environment: name, ok: result.ok, changes: result.changes, durationSeconds: result.durationSeconds })}\n`);
    return result.ok ? exitCodes.well : exitCodes.finding;
  });
}
