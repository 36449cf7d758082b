import { activity, makeIdle, partsOf } from "./healthy";
import type { PodState, SiteState } from "./state";

/** One thing that goes wrong at a site, and the alert that says so. */
export interface Fault {
  title: string;
  alert: string;
  /** Of the alert, besides its severity. */
  labels: Readonly<Record<string, string>>;
  /** Others that are right to fire as well. */
  alsoFires?: readonly string[];
  inject: (state: SiteState, now: number) => void;
}

export const roleLabel = "rackwright.dev/role";
const serviceLabel = "rackwright.dev/service";

export const serviceOf = ({ labels }: PodState): string => labels[serviceLabel] ?? "";

/** Pods of services that answer requests and hold GPUs, the first of each service. */
export function workingPods({ servers, cluster }: SiteState): PodState[] {
  const working = (cluster?.pods ?? []).filter((pod) => pod.engine !== undefined && pod.engine.engine !== "tensorrt-llm" && pod.labels[roleLabel] === "active" && partsOf(servers, pod).length > 0);
  return working.filter((pod, index) => working.findIndex((other) => serviceOf(other) === serviceOf(pod)) === index);
}

/** The pod with that name as the state has it now. */
export function podNamed({ cluster }: SiteState, { namespace, name }: PodState): PodState | undefined {
  return cluster?.pods.find((pod) => pod.namespace === namespace && pod.name === name);
}

/** Percent of its time that a GPU works in {@link lowUtilization}. */
const lowPercent = 10;

/** Guide 5.1: a GPU that has work and hardly runs. */
export function lowUtilization(healthy: SiteState): Fault | undefined {
  const [pod] = workingPods(healthy);
  if (pod === undefined) return undefined;
  return {
    title: `${serviceOf(pod)} has requests in flight, and its GPU on ${pod.server} works ${lowPercent} % of the time`,
    alert: "GpuUtilizationLow",
    labels: { server: pod.server, service: serviceOf(pod) },
    inject: (state) => partsOf(state.servers, pod).forEach((part) => (part.active = lowPercent / 100)),
  };
}

/** Guide 5.1: torch's reserved memory in pieces. */
export function fragmentation(healthy: SiteState, percent: number): Fault | undefined {
  const pod = workingPods(healthy).find(({ allocator }) => allocator !== undefined);
  if (pod === undefined) return undefined;
  return {
    title: `${percent} % of the memory that ${serviceOf(pod)} has reserved on ${pod.server} is in unused pieces`,
    alert: "MemoryFragmentationHigh",
    labels: { server: pod.server, service: serviceOf(pod) },
    inject: (state) => {
      const allocator = podNamed(state, pod)?.allocator;
      if (allocator !== undefined) allocator.fragmentation = percent / 100;
    },
  };
}

/** What is no fault: a service that nobody asks, and a server that was drained. */
export function quietChanges(healthy: SiteState): { title: string; inject: Fault["inject"] }[] {
  const [busy] = workingPods(healthy);
  const gpuServers = Object.values(healthy.servers).filter(({ gpus }) => gpus.length > 0);
  const drained = gpuServers.findLast(({ name }) => name !== busy?.server);
  return [
    ...(busy === undefined
      ? []
      : [{
          title: `${serviceOf(busy)} on ${busy.server} has no requests and its GPUs are idle`,
          inject: (state: SiteState, now: number) => {
            const pod = podNamed(state, busy);
            if (pod !== undefined) makeIdle(state.servers, pod, now);
          },
        }]),
    ...(drained === undefined ? [] : [{ title: `${drained.name} is drained`, inject: (state: SiteState) => drain(state, drained.name) }]),
  ];
}

/** Pods go, but for those that every node has; nothing holds the GPUs. */
function drain({ servers, cluster }: SiteState, server: string): void {
  for (const { parts } of servers[server]?.gpus ?? []) {
    for (const part of parts) {
      delete part.holder;
      part.active = activity.idle;
    }
  }
  if (cluster === undefined) return;
  for (const node of cluster.nodes) if (node.name === server) node.unschedulable = true;
  cluster.pods = cluster.pods.filter((pod) => pod.server !== server || pod.engine === undefined);
}

/** Every GPU of one server too hot: one notification, for they have one cause. */
export function hotServer(healthy: SiteState): (Fault & { gpus: number }) | undefined {
  const server = Object.values(healthy.servers).find(({ gpus }) => gpus.length > 1);
  if (server === undefined) return undefined;
  return {
    title: `all ${server.gpus.length} GPUs of ${server.name} are at 92 °C`,
    alert: "GpuTemperatureHigh",
    labels: { server: server.name },
    gpus: server.gpus.length,
    inject: (state) => state.servers[server.name]?.gpus.forEach((gpu) => (gpu.celsius = 92)),
  };
}

/** Kubernetes takes a node for lost. */
export function lostNode({ cluster }: SiteState): Fault | undefined {
  const name = cluster?.nodes.at(-1)?.name;
  if (name === undefined) return undefined;
  return {
    title: `the node ${name} is not ready`,
    alert: "NodeNotReady",
    labels: { server: name },
    inject: (state) => state.cluster?.nodes.forEach((node) => (node.name === name ? (node.conditions["Ready"] = "Unknown") : undefined)),
  };
}

/** A member of an array of a tier has failed. */
export function failedMember(healthy: SiteState): Fault | undefined {
  const found = Object.values(healthy.servers).flatMap((server) => server.tiers.map((tier) => ({ server: server.name, tier }))).find(({ tier }) => tier.array !== undefined && tier.tier !== "hot");
  if (found?.tier.array === undefined) return undefined;
  const { server, tier } = found;
  return {
    title: `a member of ${found.tier.array.name} on ${server} has failed`,
    alert: "ArrayDegraded",
    labels: { server, tier: tier.tier, array: found.tier.array.name },
    alsoFires: ["ArrayMemberMissing", "ArrayDriveFaulty"],
    inject: (state) => {
      const array = state.servers[server]?.tiers.find((each) => each.tier === tier.tier)?.array;
      if (array !== undefined) Object.assign(array, { state: "degraded", working: array.expected - 1 } satisfies Partial<typeof array>);
    },
  };
}
