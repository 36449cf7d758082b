import { withEngineErrors } from "../engine-errors";
import { exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { interruptible } from "../interrupt";
import { passphrase } from "../passphrase";
import { planEnvironment } from "../plan-environment";
import type { EnvironmentPlan } from "../plan-environment";
import { environmentNames, loadEnvironment } from "../project";
import { renderPlan } from "../render/plan";
import { secretPlaceholders } from "../secrets";
import type { Terminal } from "../terminal";

/** Each plan is two processes besides this one; more at once only wait for each other on small machines. */
const plansAtOnce = 2;

/** `rackwright plan`: 0 nothing speaks against it, 1 a rule is violated or the program failed, 2 bad input. */
export async function plan(terminal: Terminal, name: string | undefined, options: { json?: boolean }): Promise<ExitCode> {
  const names = name === undefined ? environmentNames() : [name];
  const loaded = names.map(loadEnvironment);
  const given = passphrase();
  const plans = await interruptible(terminal, async (signal) => {
    const results = new Map<string, EnvironmentPlan>();
    const waiting = [...loaded];
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift()) {
        terminal.progress.doing(`planning ${next.name}`);
        const planning = { secrets: secretPlaceholders(next), signal, ...(given === undefined ? {} : { passphrase: given }) };
        results.set(next.name, await withEngineErrors(() => planEnvironment(next, planning)));
      }
    };
    await Promise.all(Array.from({ length: plansAtOnce }, worker));
    return names.flatMap((each) => results.get(each) ?? []);
  });
  terminal.progress.done();
  if (options.json === true) terminal.out(`${JSON.stringify({ environments: plans }, null, 2)}\n`);
  else terminal.out(plans.flatMap((each) => loaded.filter((environment) => environment.name === each.environment).map(({ environment }) => renderPlan(each, environment, terminal, name !== undefined))).join("\n"));
  return plans.length === names.length && plans.every(({ ok }) => ok) ? exitCodes.well : exitCodes.finding;
}
