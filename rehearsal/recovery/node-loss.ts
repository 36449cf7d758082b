import { needsLeaderWorkerSet } from "../../components/cluster/leader-worker-set";
import type { Environment } from "../../components/environment/schema";
import { standbyBudget, type FailureBudget } from "../../components/recovery/standby/budget";
import { planSite } from "../../components/site/plan";
import { clusterStandIns } from "../cluster";
import { RehearsalError } from "../process";
import type { StandIn } from "../standins";
import { ClusterSide, type ClusterSideOptions, type FollowedService } from "./cluster-side";

/** The one fault that a control plane without kubelets can show: all others are noticed by the kubelet or by kube-proxy. */
export const nodeLossFault = "node-crash";

export interface NodeLossOptions extends ClusterSideOptions {
  /** Of the environment. */
  name: string;
  runs: number;
}

/** One node that fell silent. */
export interface NodeLossRun {
  /** Counted from 1. */
  run: number;
  ok: boolean;
  /** From the last heartbeat's end to the Service without the node's endpoint. */
  endpointGoneSeconds: number;
  /** From then until a ready endpoint is on another server. */
  replacementReadySeconds: number;
}

/** A switch that Kubernetes alone makes, as far as a control plane shows it. */
export interface NodeLossReport {
  environment: string;
  ok: boolean;
  service: string;
  server: string;
  switchWithinSeconds: number;
  /** What the budget says of the same failure. Its line `detect` is what was measured. */
  budget: FailureBudget;
  /** Lines of the budget that nobody measured, together. */
  notMeasuredSeconds: number;
  runs: NodeLossRun[];
  standIns: StandIn[];
  notes: string[];
  seconds: number;
}

/**
 * Brings an environment whose standby is Kubernetes' own up on a real control plane, ends the heartbeats of the active
 * replica's node, and measures until the Service has lost its endpoint.
 * @throws RehearsalError where the environment has no such standby, or it does not come up.
 */
export async function rehearseNodeLoss(environment: Environment, options: NodeLossOptions): Promise<NodeLossReport> {
  const started = Date.now();
  const { name, runs, onProgress: say, signal } = options;
  const { service, server } = followed(environment, name);
  const budget = standbyBudget(environment, undefined).find(({ failure }) => failure === nodeLossFault);
  if (budget === undefined) throw new RehearsalError(`There is no budget for ${nodeLossFault}.`);
  const notMeasuredSeconds = budget.lines.filter(({ step }) => step !== "detect").reduce((sum, { seconds }) => sum + seconds, 0);
  const { switchWithinSeconds } = environment.recovery.standby;
  const cluster = await ClusterSide.start(environment, service, options);
  try {
    const results: NodeLossRun[] = [];
    for (let run = 1; run <= runs; run++) {
      say(`The node ${server} falls silent, run ${run} of ${runs}`);
      const faultAt = Date.now();
      await cluster.crash(server);
      const seen = await cluster.endpointLeaves(server, faultAt, signal);
      const ok = Math.max(seen.endpointGoneSeconds, seen.replacementReadySeconds) + notMeasuredSeconds <= switchWithinSeconds;
      results.push({ run, ok, ...seen });
      say(`${ok ? "ok" : "FAILED"}  out of the Service after ${seen.endpointGoneSeconds.toFixed(1)} s`);
      if (run < runs) await cluster.boot(server);
    }
    return {
      environment: name, ok: results.every(({ ok }) => ok), service: service.name, server, switchWithinSeconds, budget, notMeasuredSeconds, runs: results,
      standIns: clusterStandIns(environment),
      notes: [
        `No kube-proxy and no client was there: ${notMeasuredSeconds} s of the budget are for them (${budget.lines.filter(({ step, seconds }) => step !== "detect" && seconds > 0).map(({ reason }) => reason).join("; ")}).`,
        "An engine that ends or hangs is noticed by the kubelet's probes, which KWOK does not make: only the crash of a node can be rehearsed.",
        `Nodes are kept alive by leases of 4 s, where a kubelet's are ${environment.cluster.distribution === "k3s" ? "20" : "40"} s; the control plane takes ${cluster.memoryMiB()} MiB.`,
      ],
      seconds: Math.round((Date.now() - started) / 1000),
    };
  } finally {
    await cluster.stop();
  }
}

/** The first service with a standby, and the server of its active replica. @throws RehearsalError with the reason where there is none */
function followed(environment: Environment, name: string): { service: FollowedService; server: string } {
  const { workloads, findings } = planSite(environment);
  if (findings.length > 0) throw new RehearsalError(`${name} cannot be planned; \`rackwright plan ${name}\` says why.`);
  const service = Object.values(workloads.services).find((each) => each.workloads.some(({ role }) => role === "standby"));
  const server = service?.workloads.find(({ role }) => role === "active")?.servers[0];
  if (service === undefined || server === undefined) throw new RehearsalError(`${name} has no service with a standby: give one standbyReplicas.`);
  if (needsLeaderWorkerSet(workloads) && service.workloads.some(({ servers }) => servers.length > 1)) throw new RehearsalError(`${service.name} has replicas that span servers, whose pods a rehearsal of faults does not follow.`);
  return { service: { name: service.name, targets: service.workloads.map((workload) => ({ name: workload.name, server: workload.servers[0] ?? "" })) }, server };
}
