import { allRules } from "../../policies/site-rules";
import { withEngineErrors } from "../engine-errors";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { interruptible } from "../interrupt";
import { passphrase } from "../passphrase";
import { planEnvironment, type EnvironmentPlan } from "../plan-environment";
import { loadEnvironment, type LoadedEnvironment } from "../project";
import { replaceFile, writableFile } from "../replace-file";
import { reportData } from "../report/data/report-data";
import { reportPage } from "../report/page";
import { secretPlaceholders } from "../secrets";
import type { Terminal } from "../terminal";

interface ReportOptions {
  /** A file, or `-` for the standard output. */
  out: string;
  json?: boolean;
}

const standardOutput = "-";

/** The plan without what would decrypt it; undefined where it was interrupted. */
async function planned(terminal: Terminal, loaded: LoadedEnvironment): Promise<EnvironmentPlan | undefined> {
  const given = passphrase();
  return interruptible(terminal, async (signal) => {
    terminal.progress.doing(`planning ${loaded.name}`);
    const plan = await withEngineErrors(() => planEnvironment(loaded, { secrets: secretPlaceholders(loaded), signal, ...(given === undefined ? {} : { passphrase: given }) }));
    terminal.progress.done();
    return signal.aborted ? undefined : plan;
  });
}

/** `rackwright report`: 0 nothing speaks against the environment, 1 a rule is violated or the program failed (the report says it, and is written), 2 bad input. */
export async function report(terminal: Terminal, name: string, options: ReportOptions): Promise<ExitCode> {
  if (options.json === true && options.out === standardOutput) throw new CliError("--json: the standard output gets the page. Name a file in --out.", exitCodes.badInput);
  const loaded = loadEnvironment(name);
  const file = options.out === standardOutput ? undefined : writableFile("--out", options.out);
  const plan = await planned(terminal, loaded);
  if (plan === undefined) {
    terminal.err("Interrupted: no report was written.\n");
    return exitCodes.finding;
  }
  const data = reportData({ environment: loaded.environment, plan, rules: allRules(), madeAt: new Date() });
  const page = reportPage(data);
  if (file === undefined) terminal.out(page);
  else {
    replaceFile("--out", file, page);
    const bytes = Buffer.byteLength(page);
    if (options.json === true) terminal.out(`${JSON.stringify({ file, bytes, ok: plan.ok, report: data }, null, 2)}\n`);
    else terminal.out(`${options.out}: ${Math.ceil(bytes / 1024)} KiB, ${data.verdict.text.toLowerCase()}. Open it in a browser, or print it: it needs nothing else.\n`);
  }
  return plan.ok ? exitCodes.well : exitCodes.finding;
}
