import { needsLeaderWorkerSet } from "../../components/cluster/leader-worker-set";
import type { Environment } from "../../components/environment/schema";
import type { BalancedService, BalancerPlan } from "../../components/recovery/standby/plan";
import { planStandby } from "../../components/recovery/standby/plan";
import { planSite } from "../../components/site/plan";
import { clusterStandIns } from "../cluster";
import { Namespaces } from "../monitoring/namespaces";
import { ensurePrograms } from "../packages";
import { RehearsalError } from "../process";
import type { StandIn } from "../standins";
import { ClusterSide, type ClusterSideOptions } from "./cluster-side";
import { runScenario, type FaultRun } from "./run";
import type { Scenario } from "./scenarios";
import { Stand, standPrograms } from "./stand";

export interface FaultsOptions extends Omit<ClusterSideOptions, "engine"> {
  /** Of the environment. */
  name: string;
  scenarios: readonly Scenario[];
  /** Of each scenario. */
  runs: number;
  /** Makes the engine for a control plane. @default - no control plane is started, and the pods are not there */
  engine?: ClusterSideOptions["engine"];
}

/** What came out of a rehearsal of faults: every run, not the best. */
export interface FaultsReport {
  environment: string;
  ok: boolean;
  service: string;
  virtualAddress: string;
  balancers: string[];
  scenarios: Pick<Scenario, "name" | "title" | "limitSeconds">[];
  runs: FaultRun[];
  standIns: StandIn[];
  notes: string[];
  seconds: number;
}

/**
 * Runs an environment's balancers as they were generated, breaks things, and measures at a client how long no good answer
 * comes.
 * @throws RehearsalError where the environment has no such standby, or it cannot run here.
 */
export async function rehearseFaults(environment: Environment, options: FaultsOptions): Promise<FaultsReport> {
  const started = Date.now();
  const { name, scenarios, runs, onProgress: say, signal, engine } = options;
  const { plan, service } = balancedBy(environment, name);
  await Namespaces.check("--fault");
  await ensurePrograms("A rehearsal of faults", standPrograms, say);
  const withCluster = engine !== undefined && environment.cluster.distribution !== "none" && scenarios.some(({ clusterLimitSeconds }) => clusterLimitSeconds !== undefined);
  const cluster = withCluster ? await ClusterSide.start(environment, service, { ...options, engine }) : undefined;
  try {
    say("Starting HAProxy and keepalived on their servers, engines and a client");
    const stand = await Stand.start(plan, service, signal);
    try {
      const results: FaultRun[] = [];
      for (const scenario of scenarios) {
        for (let run = 1; run <= runs; run++) {
          if (signal?.aborted === true) throw new RehearsalError("The rehearsal was stopped.");
          const result = await runScenario(stand, scenario, run, cluster, signal);
          results.push(result);
          say(told(result, runs));
        }
      }
      return {
        environment: name,
        ok: results.every(({ ok }) => ok),
        service: service.name,
        virtualAddress: plan.virtualAddress,
        balancers: plan.balancers.map(({ server }) => server),
        scenarios: scenarios.map(({ name: scenario, title, limitSeconds }) => ({ name: scenario, title, limitSeconds })),
        runs: results,
        standIns: [...standIns(environment), ...(cluster === undefined ? [] : clusterStandIns(environment))],
        notes: notesOf(environment, cluster),
        seconds: Math.round((Date.now() - started) / 1000),
      };
    } finally {
      await stand.stop();
    }
  } finally {
    await cluster?.stop();
  }
}

/** The first service that balancers could switch. @throws RehearsalError with the reason where there is none */
export function balancedBy(environment: Environment, name: string): { plan: BalancerPlan; service: BalancedService } {
  const { workloads, findings } = planSite(environment);
  if (findings.length > 0) throw new RehearsalError(`${name} cannot be planned; \`rackwright plan ${name}\` says why.`);
  const plan = planStandby(environment, workloads)?.balancer;
  if (plan === undefined) throw new RehearsalError(`${name} has no balancers whose switch could be rehearsed: recovery.standby.mode is ${environment.recovery.standby.mode}. Write mode: keepalived.`);
  const service = plan.services.find(({ targets }) => targets.some(({ role }) => role === "standby"));
  if (service === undefined) throw new RehearsalError(`${name} has no service with a standby: give one standbyReplicas.`);
  if (environment.cluster.distribution !== "none" && needsLeaderWorkerSet(workloads) && service.targets.some(({ name: target }) => (workloads.services[service.name]?.workloads.find((workload) => workload.name === target)?.servers.length ?? 1) > 1)) {
    throw new RehearsalError(`${service.name} has replicas that span servers, whose pods a rehearsal of faults does not follow.`);
  }
  return { plan, service };
}

function told({ scenario, run, ok, problems, clients, address, cluster }: FaultRun, runs: number): string {
  const moved = address.holders.length > 1 ? `, the address moved to ${address.holders.at(-1) ?? ""}` : "";
  const kubernetes = cluster === undefined ? "" : `, out of the Service after ${cluster.endpointGoneSeconds.toFixed(1)} s`;
  return `${ok ? "ok" : "FAILED"}  ${scenario}, run ${run} of ${runs}: no good answer for ${clients.outageSeconds.toFixed(1)} s, last error after ${clients.lastErrorSeconds.toFixed(1)} s${moved}${kubernetes}${ok ? "" : `: ${problems.join("; ")}`}`;
}

function standIns({ cluster }: Environment): StandIn[] {
  return [
    { what: "network namespaces of this machine, joined by a bridge", standsInFor: "servers and their switch" },
    { what: "a program that answers its health check and each request at once", standsInFor: "the engines; HAProxy and keepalived are real, with the generated configuration" },
    { what: "a loop that starts HAProxy and keepalived again, and takes the address off first", standsInFor: "systemd with the drop-ins of the step standby" },
    ...(cluster.distribution === "none" ? [] : [{ what: "engines that listen on their server's address and node port", standsInFor: "kube-proxy, which leads the node port to the pod" }]),
  ];
}

function notesOf(environment: Environment, cluster: ClusterSide | undefined): string[] {
  if (cluster === undefined) return [];
  return [
    "The replacement is the standby, whose pod is ready all the time: workloads are pinned to their servers, so that the Deployment of the crashed one has no other place and waits for its server.",
    `The control plane takes ${cluster.memoryMiB()} MiB; nodes are kept alive by leases of 4 s, where the generated kubelet's are ${environment.cluster.distribution === "k3s" ? "20" : "40"} s.`,
  ];
}
