import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import * as path from "node:path";
import { rehearseColdStart } from "../../rehearsal/cold-start";
import { rehearseCluster } from "../../rehearsal/cluster";
import { rehearseOnExistingCluster } from "../../rehearsal/existing-cluster";
import { rehearseAlerts } from "../../rehearsal/monitoring/alerts";
import { rehearseHosts } from "../../rehearsal/hosts";
import { rehearseHotTierLost } from "../../rehearsal/hot-tier";
import { RehearsalError } from "../../rehearsal/process";
import { joinVerdicts, type Verdict } from "../../rehearsal/verdict";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { interruptible } from "../interrupt";
import { loadEnvironment, projectRoot } from "../project";
import { clusterEngine, hostEngine, plannedObjects } from "../rehearsal-engines";
import { recordRehearsal } from "../recovery-record";
import { renderVerdict } from "../render/verdict";
import { rehearseFault } from "./rehearse-faults";
import type { Terminal } from "../terminal";

/** `rackwright rehearse`: 0 the verdict is good, 1 it is not, 2 bad input, 3 what it needs could not be had. */
export async function rehearse(terminal: Terminal, name: string, options: { hosts?: boolean; cluster?: boolean; alerts?: boolean; coldStart?: boolean; hotTierLost?: boolean; pace?: string; fault?: string; faults?: string; runs?: string; kubeconfig?: string; json?: boolean }): Promise<ExitCode> {
  const loaded = loadEnvironment(name);
  const { environment } = loaded;
  const hasCluster = environment.cluster.distribution !== "none";
  if (options.cluster === true && !hasCluster) throw new CliError(`stacks/Pulumi.${name}.yaml: cluster.distribution is none, so there is no cluster to rehearse. Say k3s or existing there, or rehearse --hosts.`, exitCodes.badInput);
  if (options.kubeconfig !== undefined) {
    if (!hasCluster || (options.hosts === true && options.cluster !== true)) throw new CliError("--kubeconfig is for rehearsals of the cluster: leave it out, or say --cluster.", exitCodes.badInput);
    if (!existsSync(options.kubeconfig)) throw new CliError(`--kubeconfig: there is no file ${options.kubeconfig}.`, exitCodes.badInput);
  }
  if (options.pace !== undefined && options.alerts !== true) throw new CliError("--pace is for rehearsals of alerts: leave it out, or say --alerts.", exitCodes.badInput);
  const pace = paceOf(options.pace);
  const fault = options.fault ?? options.faults;
  if (options.runs !== undefined && fault === undefined) throw new CliError("--runs is for rehearsals of faults: leave it out, or say --fault.", exitCodes.badInput);
  const chosen = options.hosts === true || options.cluster === true || options.alerts === true || options.coldStart === true || options.hotTierLost === true;
  const hosts = options.hosts === true || !chosen;
  const cluster = options.cluster === true || (!chosen && hasCluster);

  const workDir = path.join(projectRoot, ".rackwright");
  mkdirSync(workDir, { recursive: true });
  const stateDir = mkdtempSync(path.join(workDir, "rehearsal-state-"));
  const started = Date.now();
  const say = (line: string): void => {
    terminal.progress.done();
    terminal.err(`${String(Math.round((Date.now() - started) / 1000)).padStart(4)} s  ${line}\n`);
  };
  try {
    if (fault !== undefined) {
      if (chosen || options.kubeconfig !== undefined || (options.fault !== undefined && options.faults !== undefined)) throw new CliError("--fault is a rehearsal of its own: leave the others out.", exitCodes.badInput);
      return await rehearseFault(terminal, loaded, { fault, ...(options.runs === undefined ? {} : { runs: options.runs }), ...(options.json === undefined ? {} : { json: options.json }) }, say);
    }
    const verdict = await interruptible(terminal, async (signal, cancelSignal) => {
      const common = { name, workDir, onProgress: say, signal };
      const verdicts: Verdict[] = [];
      // The cluster first: it takes seconds, and what it finds need not wait for servers to boot.
      if (cluster && options.kubeconfig !== undefined) {
        const objects = () => plannedObjects(loaded, path.join(stateDir, "preview.json"), signal);
        verdicts.push(await rehearseOnExistingCluster(environment, { ...common, kubeconfigFile: options.kubeconfig, objects }));
      } else if (cluster) verdicts.push(await rehearseCluster(environment, { ...common, engine: (plane) => clusterEngine(loaded, plane, path.join(stateDir, "cluster.json"), { signal, cancelSignal }) }));
      if (options.alerts === true) verdicts.push(await rehearseAlerts(environment, { ...common, pace, engine: (plane, changed) => clusterEngine({ ...loaded, environment: changed }, plane, path.join(stateDir, "alerts.json"), { signal, cancelSignal }) }));
      if (hosts) verdicts.push(await rehearseHosts(environment, { ...common, engine: (rack) => Promise.resolve(hostEngine(loaded, rack, path.join(stateDir, "hosts.json"), terminal.progress)) }));
      if (options.coldStart === true) verdicts.push(await rehearseColdStart(environment, { ...common, root: projectRoot, onEnd: (verdict, { seconds }) => recordRehearsal(name, "coldStart", { at: Math.floor(Date.now() / 1000), ok: verdict.ok, seconds: verdict.ok ? seconds : verdict.seconds, how: "one emulated server, killed once on the way" }) }));
      if (options.hotTierLost === true) verdicts.push(await rehearseHotTierLost(environment, common));
      return joinVerdicts(verdicts);
    });
    terminal.out(options.json === true ? `${JSON.stringify(verdict, null, 2)}\n` : renderVerdict(verdict, terminal.style));
    return verdict.ok ? exitCodes.well : exitCodes.finding;
  } catch (error) {
    if (error instanceof RehearsalError) throw new CliError(error.message, error.kind === "unreachable" ? exitCodes.unreachable : exitCodes.finding);
    throw error;
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}

/** Fifteen minutes become fifteen seconds. */
const defaultPace = 60;

function paceOf(text: string | undefined): number {
  const pace = text === undefined ? defaultPace : Number(text);
  if (!Number.isFinite(pace) || pace < 1 || pace > 120) throw new CliError(`--pace ${text ?? ""} is not allowed: a number from 1 (real time) to 120.`, exitCodes.badInput);
  return pace;
}
