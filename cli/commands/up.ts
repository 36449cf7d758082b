import { refresh as engineRefresh, up as engineUp } from "../../engine";
import { confirm } from "../ask";
import { embeddedUrns } from "../embedded-state";
import { chooseEngine } from "../engine-choice";
import type { EngineName } from "../engine-choice";
import { withEngineErrors } from "../engine-errors";
import { exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { requireNotFenced } from "../fenced";
import { checkHosts } from "../hosts";
import type { HostReport } from "../hosts";
import { interruptible } from "../interrupt";
import { urnsToMend } from "../mend";
import { requirePassphrase } from "../passphrase";
import { engineOptions, planEnvironment } from "../plan-environment";
import { loadEnvironment, stackFile } from "../project";
import type { LoadedEnvironment } from "../project";
import { pulumiUrns, runPulumi } from "../pulumi";
import { renderHostReport } from "../render/drift";
import { renderPlan } from "../render/plan";
import { progressOf, renderOutcome } from "../render/run";
import { readSecrets } from "../secrets";
import type { Terminal } from "../terminal";
import { driftExit, requireReachable } from "./drift";

interface UpOptions {
  yes?: boolean;
  engine?: string;
  json?: boolean;
  refresh?: boolean;
}

/**
 * `rackwright up`: checks the hosts of an environment that is up already, plans, asks, makes it so, and checks the
 * hosts again. 0 everything is as wanted, 1 a step failed or something needs hands, 2 bad input, 3 a server did not answer.
 */
export async function up(terminal: Terminal, name: string, options: UpOptions): Promise<ExitCode> {
  const loaded = loadEnvironment(name);
  const choice = chooseEngine(name, options.engine);
  terminal.err(`Engine: ${choice.engine} (${choice.reason}).\n`);
  const secrets = await readSecrets(loaded);
  const known = choice.engine === "pulumi" ? await pulumiUrns(name) : embeddedUrns(name);
  return interruptible(terminal, async (signal, cancelSignal) => {
    // k3s that is not installed yet has no nodes.
    if (known.size > 0 || loaded.environment.cluster.distribution === "existing") await requireNotFenced(loaded, secrets);
    const before = known.size === 0 ? undefined : await check(terminal, loaded, secrets, signal);
    if (before !== undefined) {
      requireReachable(before);
      if (before.checks.some(({ findings }) => findings.length > 0)) terminal.err(renderHostReport(before, terminal.style));
    }
    const replace = urnsToMend(name, before?.checks ?? [], known);
    const requireServers = async (): Promise<void> => {
      if (before === undefined) requireReachable(await check(terminal, loaded, secrets, signal));
    };
    const run = { terminal, loaded, secrets, known, replace, options, signal, cancelSignal, requireServers };
    const done = choice.engine === "pulumi" ? await withPulumi(run) : await withEmbedded(run);
    if (done.code !== exitCodes.well) return done.code;
    const after = await check(terminal, loaded, secrets, signal);
    report(terminal, { environment: name, engine: choice.engine, ...done.result, hosts: after }, after, options);
    return driftExit(after);
  });
}

interface Run {
  terminal: Terminal;
  loaded: LoadedEnvironment;
  secrets: Record<string, string>;
  /** What is in the state. */
  known: ReadonlySet<string>;
  replace: string[];
  options: UpOptions;
  signal: AbortSignal;
  cancelSignal: AbortSignal;
  /** On the first `up`, says which servers do not answer before anything is created. */
  requireServers: () => Promise<void>;
}

interface Done {
  code: ExitCode;
  /** For `--json`. */
  result: object;
}

async function check(terminal: Terminal, loaded: LoadedEnvironment, secrets: Record<string, string>, signal: AbortSignal): Promise<HostReport> {
  const report = await checkHosts(loaded.environment, secrets["rackwright:sshPrivateKey"], terminal.progress, signal);
  terminal.progress.done();
  return report;
}

async function withPulumi({ loaded, replace, options, requireServers }: Run): Promise<Done> {
  await requireServers();
  const selected = await runPulumi(["stack", "select", "--create", loaded.name]);
  if (selected !== exitCodes.well) return { code: selected, result: {} };
  const code = await runPulumi([
    "up",
    ...["--stack", loaded.name],
    ...["--config-file", stackFile(loaded.name)],
    ...["--policy-pack", "policies"],
    ...(options.refresh === true ? ["--refresh"] : []),
    ...(options.yes === true ? ["--yes", "--skip-preview"] : []),
    ...replace.flatMap((urn) => ["--replace", urn]),
  ]);
  return { code, result: {} };
}

async function withEmbedded({ terminal, loaded, secrets, known, replace, options, signal, cancelSignal, requireServers }: Run): Promise<Done> {
  const passphrase = requirePassphrase("the state keeps connections to servers as secrets");
  const given = { secrets, replace, passphrase, signal, cancelSignal };
  if (options.refresh === true && known.size > 0) {
    terminal.progress.doing(`reading what ${loaded.name} has`);
    const found = await withEngineErrors(() => engineRefresh(engineOptions(loaded, given)));
    terminal.progress.done();
    if (!found.ok) {
      terminal.err(renderOutcome(found, terminal.style));
      return { code: exitCodes.finding, result: { changes: found.changes } };
    }
  }
  terminal.progress.doing(`planning ${loaded.name}`);
  const plan = await withEngineErrors(() => planEnvironment(loaded, given));
  terminal.progress.done();
  terminal.err(renderPlan(plan, loaded.environment, terminal, true));
  if (!plan.ok) return { code: exitCodes.finding, result: { plan } };
  const changing = plan.resources.some(({ op }) => op !== "same");
  if (changing && !(await confirm(`Make ${loaded.name} so?`, options.yes === true))) return { code: exitCodes.finding, result: {} };

  await requireServers();
  const progress = progressOf(terminal);
  const result = await withEngineErrors(() => engineUp({ ...engineOptions(loaded, given), onEvent: progress }));
  terminal.progress.done();
  terminal.err(renderOutcome(result, terminal.style));
  return { code: result.ok ? exitCodes.well : exitCodes.finding, result: { changes: result.changes, durationSeconds: result.durationSeconds } };
}

function report(terminal: Terminal, document: { environment: string; engine: EngineName; hosts: HostReport }, hosts: HostReport, options: UpOptions): void {
  terminal.out(options.json === true ? `${JSON.stringify(document, null, 2)}\n` : renderHostReport(hosts, terminal.style));
}
