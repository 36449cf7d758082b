import { needsLeaderWorkerSet } from "../components/cluster/leader-worker-set";
import { namespacesOf } from "../components/cluster/namespaces";
import { planSite } from "../components/site/plan";
import type { Environment } from "../components/environment/schema";
import { ClusterChecks, type MadeObject } from "./cluster-checks";
import { startControlPlane, type ControlPlane } from "./control-plane/control-plane";
import { answerIngresses } from "./control-plane/ingress";
import { runLeaderWorkerSets } from "./control-plane/leader-worker-set";
import { nodeShape } from "./control-plane/nodes";
import { changesOf, messagesOf, quiet, type EngineOutcome } from "./outcome";
import { RehearsalError } from "./process";
import type { StandIn } from "./standins";
import { Checks, must, type Verdict } from "./verdict";

/** The product under rehearsal, as its commands do it. */
export interface ClusterEngine {
  up(): Promise<EngineOutcome>;
  /** What another `up` would do. */
  preview(): Promise<EngineOutcome>;
  destroy(): Promise<EngineOutcome>;
  /** What is in the state of kind Kubernetes. */
  objects(): readonly MadeObject[];
}

export interface ClusterRehearsalOptions {
  /** Of the environment. */
  name: string;
  workDir: string;
  onProgress?: (line: string) => void;
  signal?: AbortSignal;
  /** Makes the engine for a control plane. */
  engine: (plane: Pick<ControlPlane, "kubeconfig">) => ClusterEngine;
}

/**
 * Brings the cluster side of an environment up on a real control plane, with a node for each server, and looks whether
 * everything is accepted, admitted and placed as planned; then takes it down.
 * @throws RehearsalError where the environment has no cluster, or the control plane does not come up.
 */
export async function rehearseCluster(environment: Environment, options: ClusterRehearsalOptions): Promise<Verdict> {
  const started = Date.now();
  const say = (line: string): void => options.onProgress?.(line);
  if (environment.cluster.distribution === "none") throw new RehearsalError(`${options.name} has no cluster: cluster.distribution is none.`);
  const { workloads, findings } = planSite(environment);
  if (findings.length > 0) throw new RehearsalError(`${options.name} cannot be placed; \`rackwright plan ${options.name}\` says why.`);
  const checks = new Checks(say, options.signal);
  say("Starting the control plane");
  const plane = await startControlPlane({ workDir: options.workDir, onProgress: say, signal: options.signal, serviceCidr: environment.cluster.serviceCidr });
  const endIngresses = answerIngresses(plane);
  const over = new AbortController();
  try {
    if (needsLeaderWorkerSet(workloads)) await runLeaderWorkerSets(plane, { onProgress: say, signal: over.signal });
    const servers = Object.keys(environment.servers);
    say(`The API server answers after ${((Date.now() - started) / 1000).toFixed(1)} s; adding ${servers.length} nodes`);
    await plane.addNode(...servers.map((name) => nodeShape(environment, name)));
    const look = new ClusterChecks(plane, workloads, namespacesOf(environment), options.signal);
    const nodesBefore = await look.nodes();
    const engine = options.engine(plane);
    let objects: readonly MadeObject[] = [];
    const steps: { name: string; run: () => Promise<boolean> }[] = [
      {
        name: "up",
        run: () =>
          checks.make("up makes everything in the cluster, and everything becomes ready", async () => {
            const outcome = await engine.up();
            must(outcome.ok, `up failed:\n${messagesOf(outcome)}`);
            objects = engine.objects();
            return changesOf(outcome);
          }),
      },
      {
        name: "the running cluster",
        run: async () => {
          const seen = [
            await checks.make("every object is accepted with strict field validation", () => look.accepted(objects)),
            await checks.make("no pod waits for a node", () => look.settled()),
            await checks.make("pods pass the stated pod security level", () => look.podSecurity()),
            await checks.make("every pod is on the server that the planner said", () => look.placement()),
            await checks.make("traffic is denied by default in every namespace", () => look.closed()),
            await checks.make("a second up would change nothing", async () => {
              const outcome = await engine.preview();
              must(outcome.ok, `the preview failed:\n${messagesOf(outcome)}`);
              const loud = Object.entries(outcome.changes).filter(([operation, count]) => !quiet.has(operation) && (count ?? 0) > 0);
              must(loud.length === 0, `it would do ${changesOf(outcome)}`);
              return changesOf(outcome);
            }),
          ];
          say(`The control plane takes ${plane.memoryMiB()} MiB`);
          return seen.every((ok) => ok);
        },
      },
      {
        name: "destroy",
        run: () =>
          checks.make("destroy leaves nothing behind", async () => {
            const outcome = await engine.destroy();
            must(outcome.ok, `destroy failed:\n${messagesOf(outcome)}`);
            return look.gone(objects, nodesBefore);
          }),
      },
    ];
    let notMade: string[] = [];
    for (const [index, step] of steps.entries()) {
      // What is looked at on a running cluster may fail; taking it down is still worth a look.
      if ((await step.run()) || index > 0) continue;
      notMade = steps.slice(index + 1).map((later) => later.name);
      break;
    }
    return {
      environment: options.name,
      ok: checks.ok && notMade.length === 0,
      servers,
      leftOut: [],
      checks: checks.list,
      notMade,
      standIns: [...clusterStandIns(environment), ...(needsLeaderWorkerSet(workloads) ? [{ what: "the LeaderWorkerSet controller 0.9.0 as a process of this machine", standsInFor: "its pods" }] : [])],
      seconds: Math.round((Date.now() - started) / 1000),
    };
  } finally {
    over.abort();
    endIngresses();
    await plane.stop();
  }
}

/** What stands in for the real thing in a cluster rehearsal. */
export function clusterStandIns({ cluster, services }: Environment): StandIn[] {
  return [
    { what: "KWOK 0.7.0, one process a node", standsInFor: "kubelets, container runtime and device plugins: no image was pulled, no container ran, no GPU was there, and probes and jobs succeed at once" },
    { what: "etcd 3.6.5, kube-apiserver, kube-controller-manager and kube-scheduler v1.35.4 as processes on loopback", standsInFor: cluster.distribution === "k3s" ? "k3s, which puts the same programs into one" : "the cluster that exists" },
    { what: "commands that succeed at once", standsInFor: "all steps on the hosts, k3s's installation among them; `rehearse --hosts` has those of the hosts" },
    { what: "nothing", standsInFor: "DNS, network policies at work (they were accepted, no traffic was filtered) and the reconciling of operators' own resources" },
    ...(Object.values(services).some(({ hostname }) => hostname !== undefined) ? [{ what: "an address for documentation", standsInFor: "the ingress controller" }] : []),
  ];
}
