import { writeFileSync } from "node:fs";
import { parse } from "yaml";
import { needsLeaderWorkerSet } from "../../components/cluster/leader-worker-set";
import { namespaces } from "../../components/cluster/names";
import type { Environment } from "../../components/environment/schema";
import type { WorkloadPlan } from "../../components/inference";
import { planSite } from "../../components/site/plan";
import type { ClusterEngine } from "../cluster";
import { startControlPlane, type ControlPlane } from "../control-plane/control-plane";
import { answerIngresses } from "../control-plane/ingress";
import { runLeaderWorkerSets } from "../control-plane/leader-worker-set";
import { nodeShape } from "../control-plane/nodes";
import { programs } from "../control-plane/programs";
import { messagesOf } from "../outcome";
import { ensurePrograms } from "../packages";
import { pause, RehearsalError } from "../process";
import { Checks, type Verdict } from "../verdict";
import { AlertChecks } from "./alert-checks";
import { clusterState, type ClusterObjects, type PodObject } from "./cluster-state";
import { filesInCluster, plannedFiles, type GeneratedFiles } from "./generated";
import { healthySite } from "./healthy";
import { Namespaces } from "./namespaces";
import { debianPrometheus, monitoringPrograms } from "./programs";
import { clusterRoutes, hostRoutes, type Routes } from "./routes";
import { everything, Scenario, type AlertRule } from "./scenario";
import { alertStandIns } from "./stand-ins";
import { startStand } from "./stand";
import type { ClusterState } from "./state";
import { Webhook } from "./webhook";

export interface AlertsRehearsalOptions {
  /** Of the environment. */
  name: string;
  workDir: string;
  /** Every duration is divided by it. 1 is real time. */
  pace: number;
  onProgress?: (line: string) => void;
  signal?: AbortSignal;
  /** Makes the engine for a control plane, of an environment that was changed for the rehearsal. */
  engine: (plane: Pick<ControlPlane, "kubeconfig">, environment: Environment) => ClusterEngine;
}

/** What runs beside Prometheus: the cluster, or nothing. */
interface Below {
  files: GeneratedFiles;
  routes: Routes;
  cluster: ClusterState | undefined;
  prometheus: string;
  kubeconfigFile?: string;
}

/**
 * Runs an environment's monitoring as it was generated, breaks things, and looks whether and when the alerts reach those who
 * are to be told.
 * @throws RehearsalError where it cannot run here, or its parts do not come up.
 */
export async function rehearseAlerts(environment: Environment, options: AlertsRehearsalOptions): Promise<Verdict> {
  const started = Date.now();
  const say = (line: string): void => options.onProgress?.(line);
  const { signal } = options;
  if (!environment.monitoring.enabled) throw new RehearsalError(`${options.name} has no monitoring: monitoring.enabled is false.`);
  const inCluster = environment.cluster.distribution !== "none";
  if (environment.monitoring.mode === "operator" && inCluster) throw new RehearsalError(`${options.name} leaves Prometheus to the cluster's operator (monitoring.mode), which a rehearsal has not. Rehearse with monitoring.mode: standalone; the rules are the same.`);
  const { workloads, findings } = planSite(environment);
  if (findings.length > 0) throw new RehearsalError(`${options.name} cannot be placed; \`rackwright plan ${options.name}\` says why.`);
  await Namespaces.check("--alerts");
  await ensurePrograms("A rehearsal of alerts", [...monitoringPrograms, ...(inCluster ? [] : [debianPrometheus])], say);
  await Namespaces.removeLeftOver();
  const checks = new Checks(say, signal);
  const webhook = await Webhook.listen();
  const closers: (() => Promise<void> | void)[] = [() => webhook.close()];
  try {
    const changed = withWebhooks(environment, webhook);
    const below = inCluster ? await startCluster(changed, workloads, options, (close) => closers.push(close)) : onHosts(changed, workloads);
    const state = { now: healthySite(changed, workloads, below.cluster, Date.now() / 1000) };
    say("Starting Prometheus, Alertmanager and the exporters");
    const stand = await startStand({ ...options, environment: changed, ...below, state });
    closers.push(() => stand.stop());
    const rules = rulesIn(below.files.rules);
    const scenario = new Scenario(stand, webhook, state, rules, signal);
    const look = new AlertChecks(checks, scenario, { environment: changed, workloads, rules });
    const notMade = await look.all();
    return {
      environment: options.name,
      ok: checks.ok && notMade.length === 0,
      servers: Object.keys(environment.servers),
      leftOut: [],
      checks: checks.list,
      notMade,
      standIns: alertStandIns(environment, stand),
      notes: look.notes(),
      seconds: Math.round((Date.now() - started) / 1000),
    };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** The site's receivers, each at an address of this machine, and one that is told of everything. Nobody else is disturbed. */
export function withWebhooks(environment: Environment, webhook: Pick<Webhook, "url">): Environment {
  const { smtp: _, ...monitoring } = environment.monitoring;
  const receivers = Object.fromEntries([
    ...Object.entries(monitoring.receivers).map(([name, { minimumSeverity }]) => [name, { kind: "webhook" as const, url: webhook.url(name), minimumSeverity }] as const),
    [everything, { kind: "webhook" as const, url: webhook.url(everything), minimumSeverity: "info" as const }],
  ]);
  return { ...environment, monitoring: { ...monitoring, receivers } };
}

/** Alerts in a file of rules, by name. */
export function rulesIn(text: string): Map<string, AlertRule> {
  const { groups } = parse(text) as { groups: { rules: (AlertRule | { record: string })[] }[] };
  return new Map(groups.flatMap(({ rules }) => rules.flatMap((rule) => ("alert" in rule ? [[rule.alert, rule] as const] : []))));
}

function onHosts(environment: Environment, workloads: WorkloadPlan): Below {
  return { files: plannedFiles(environment, workloads), routes: hostRoutes(environment), cluster: undefined, prometheus: debianPrometheus.program };
}

const account = { namespace: namespaces.monitoring, name: "prometheus" } as const;
const tokenSeconds = 7200;

async function startCluster(environment: Environment, workloads: WorkloadPlan, { workDir, onProgress, signal, engine }: AlertsRehearsalOptions, onStop: (close: () => Promise<void> | void) => void): Promise<Below> {
  const say = (line: string): void => onProgress?.(line);
  const { prometheus } = await programs(["prometheus"], { onProgress, signal });
  say("Starting the control plane");
  const plane = await startControlPlane({ workDir, onProgress: say, signal, serviceCidr: environment.cluster.serviceCidr });
  onStop(() => plane.stop());
  onStop(answerIngresses(plane));
  if (needsLeaderWorkerSet(workloads)) {
    const over = new AbortController();
    onStop(() => over.abort());
    await runLeaderWorkerSets(plane, { onProgress: say, signal: over.signal });
  }
  await plane.addNode(...Object.keys(environment.servers).map((name) => nodeShape(environment, name)));
  say("Bringing the site up on it");
  const outcome = await engine(plane, environment).up();
  if (!outcome.ok) throw new RehearsalError(`up failed:\n${messagesOf(outcome)}`);
  const objects = await settledObjects(plane, signal);
  const token = (await plane.call<{ status: { token: string } }>("POST", `/api/v1/namespaces/${account.namespace}/serviceaccounts/${account.name}/token`, { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: tokenSeconds } }))?.status.token;
  if (token === undefined) throw new RehearsalError(`After \`up\` the cluster has no account ${account.name} in ${account.namespace}.`);
  const kubeconfigFile = `${plane.kubeconfigFile}-prometheus`;
  writeFileSync(kubeconfigFile, withToken(plane.kubeconfig, token), { mode: 0o600 });
  return { files: await filesInCluster(plane, environment), routes: clusterRoutes(environment, objects.pods), cluster: clusterState(objects, Date.now() / 1000), prometheus, kubeconfigFile };
}

/** The same API server with the rights of another account. */
function withToken(kubeconfig: string, token: string): string {
  const config = JSON.parse(kubeconfig) as { users: { name: string; user: { token: string } }[] };
  return JSON.stringify({ ...config, users: config.users.map(({ name }) => ({ name, user: { token } })) });
}

const settledWithinSeconds = 60;

/** Once every pod has a node and an address. @throws RehearsalError naming those that have not */
async function settledObjects(plane: Pick<ControlPlane, "call">, signal: AbortSignal | undefined): Promise<ClusterObjects> {
  const until = Date.now() + settledWithinSeconds * 1000;
  for (;;) {
    const objects = await objectsOf(plane);
    const waiting = objects.pods.filter(({ status }) => status?.podIP === undefined || status.phase === "Pending");
    if (waiting.length === 0 && objects.pods.length > 0) return objects;
    if (Date.now() > until) throw new RehearsalError(`Pods do not start: ${waiting.map(({ metadata }) => metadata.name).join(", ")}`);
    await pause(200, signal);
  }
}

async function objectsOf(plane: Pick<ControlPlane, "call">): Promise<ClusterObjects> {
  const list = async <T>(path: string): Promise<T[]> => (await plane.call<{ items: T[] }>("GET", path))?.items ?? [];
  return {
    nodes: await list("/api/v1/nodes"),
    pods: await list<PodObject>("/api/v1/pods"),
    deployments: await list("/apis/apps/v1/deployments"),
    jobs: await list("/apis/batch/v1/jobs"),
    claims: await list("/api/v1/persistentvolumeclaims"),
  };
}
