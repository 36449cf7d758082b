import { activity, makeIdle, partsOf } from "./healthy";
import { turned, type EngineState, type GpuState, type PodState, type ServerState, type SiteState } from "./state";

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

const day = 86_400;
const roleLabel = "rackwright.dev/role";
const serviceLabel = "rackwright.dev/service";

const serviceOf = ({ labels }: PodState): string => labels[serviceLabel] ?? "";

/** Pods of services that answer requests and hold GPUs, the first of each service. */
function workingPods({ servers, cluster }: SiteState): PodState[] {
  const working = (cluster?.pods ?? []).filter((pod) => pod.engine !== undefined && pod.engine.engine !== "tensorrt-llm" && pod.labels[roleLabel] === "active" && partsOf(servers, pod).length > 0);
  return working.filter((pod, index) => working.findIndex((other) => serviceOf(other) === serviceOf(pod)) === index);
}

/** The pod with that name as the state has it now. */
function podNamed({ cluster }: SiteState, { namespace, name }: PodState): PodState | undefined {
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
  const [pod] = workingPods(healthy);
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

/** Not ready for whatever reason. */
function notReady(state: SiteState, pod: PodState): void {
  const found = podNamed(state, pod);
  if (found !== undefined) found.ready = false;
}

function* gpuFaults({ servers }: SiteState): Generator<Fault> {
  const server = Object.values(servers).findLast(({ gpus }) => gpus.length > 0);
  if (server === undefined) return;
  const { name } = server;
  const on = (index: number, change: (gpu: GpuState, now: number) => void): Fault["inject"] => (state, now) => {
    const gpu = state.servers[name]?.gpus[index % server.gpus.length];
    if (gpu !== undefined) change(gpu, now);
  };
  const labels = (index: number): Fault["labels"] => ({ server: name, gpu: String(index % server.gpus.length) });
  yield { title: `XID 79 on ${name}`, alert: "GpuXid", labels: { ...labels(0), xid: "79" }, inject: on(0, (gpu) => Object.assign(gpu, { lastXid: 79, xids: { 79: 1 } })) };
  yield { title: `a GPU of ${name} is slowed down by its temperature`, alert: "GpuThermalThrottling", labels: labels(1), inject: on(1, (gpu, now) => Object.assign(gpu, { thermalViolationNanoseconds: turned(gpu.thermalViolationNanoseconds, 5e8, now), clockEvents: { hw_thermal_slowdown: 12 } } satisfies Partial<GpuState>)) };
  // The others above are about the first two.
  if (server.gpus.length > 2) yield { title: `a GPU of ${name} is gone`, alert: "GpuMissing", labels: { server: name }, inject: (state) => void state.servers[name]?.gpus.pop() };
  if (server.gpus[0]?.ecc === true) {
    yield { title: `an uncorrectable ECC error on ${name}`, alert: "GpuEccDoubleBit", labels: labels(0), inject: on(0, (gpu) => (gpu.doubleBitErrors.value += 1)) };
    yield { title: `no spare row is left on a GPU of ${name}`, alert: "GpuRowRemapFailure", labels: labels(1), inject: on(1, (gpu) => (gpu.rowRemapFailure = 1)) };
  }
  if (server.gpus[0]?.nvlink === true) yield { title: `NVLink errors on ${name}`, alert: "GpuNvlinkErrors", labels: labels(0), inject: on(0, (gpu, now) => (gpu.nvlinkRecoveries = turned(gpu.nvlinkRecoveries, 2, now))) };
}

function* serverFaults({ servers }: SiteState): Generator<Fault> {
  const [server] = Object.values(servers);
  if (server === undefined) return;
  const { name } = server;
  const on = (change: (server: ServerState, now: number) => void): Fault["inject"] => (state, now) => {
    const found = state.servers[name];
    if (found !== undefined) change(found, now);
  };
  const tier = server.tiers.find(({ tier: each }) => each !== "hot");
  if (tier !== undefined) {
    const inject = on(({ tiers }) => tiers.forEach((each) => (each.tier === tier.tier ? (each.availableBytes = each.sizeBytes * 0.01) : undefined)));
    yield { title: `the ${tier.tier} tier of ${name} is full`, alert: "TierFull", labels: { server: name, mountpoint: tier.mount }, alsoFires: ["TierNearlyFull", "MeasurementsStorageFilling"], inject };
  }
  const drive = server.drives.find((each) => each.tier !== undefined);
  if (drive !== undefined) yield { title: `${drive.id} says that it fails`, alert: "DriveFailing", labels: { server: name, drive: drive.id }, inject: on(({ drives }) => drives.forEach((each) => (each.id === drive.id ? (each.healthy = false) : undefined))) };
  const nic = server.nics[0];
  if (nic !== undefined) yield { title: `${nic.device} of ${name} has no link`, alert: "NetworkLinkDown", labels: { server: name, device: nic.device }, inject: on(({ nics }) => nics.forEach((each) => (each.device === nic.device ? (each.up = false) : undefined))) };
  yield { title: `the clock of ${name} is not synchronised`, alert: "ClockNotSynchronised", labels: { server: name }, inject: on((each) => (each.clockSynchronised = false)) };
  yield { title: `${name} has hardly any memory left`, alert: "HostMemoryLow", labels: { server: name }, inject: on((each) => (each.availableMemoryBytes = each.memoryBytes * 0.01)) };
  if (server.backups.length > 0) yield { title: "the last backup is three days old", alert: "BackupOverdue", labels: { what: server.backups[0]?.what ?? "" }, inject: on(({ backups }, now) => backups.forEach((each) => (each.at = now - 3 * day))) };
  if (server.rdmaPorts.length > 0) yield { title: `the RDMA port of ${name} is down`, alert: "RdmaPortDown", labels: { server: name }, inject: on(({ rdmaPorts }) => rdmaPorts.forEach((each) => (each.stateId = 1))) };
}

function* serviceFaults(healthy: SiteState): Generator<Fault> {
  const pods = healthy.cluster?.pods ?? [];
  const standby = pods.find((pod) => pod.engine !== undefined && pod.labels[roleLabel] === "standby");
  if (standby !== undefined) yield { title: `${serviceOf(standby)} has no ready standby`, alert: "StandbyMissing", labels: { service: serviceOf(standby) }, inject: (state) => notReady(state, standby) };
  const working = workingPods(healthy);
  const last = working.at(-1);
  if (last !== undefined) {
    const same = pods.filter((pod) => pod.engine !== undefined && pod.labels[roleLabel] === "active" && serviceOf(pod) === serviceOf(last));
    const alone = same.length === 1;
    yield { title: `a replica of ${serviceOf(last)} is not ready`, alert: alone ? "ServiceDown" : "ReplicasMissing", labels: { service: serviceOf(last) }, alsoFires: ["ReplicasMissing"], inject: (state) => notReady(state, last) };
  }
  const [first] = working;
  const withEngine = (change: (engine: EngineState, now: number) => void): Fault["inject"] => (state, now) => {
    const engine = first === undefined ? undefined : podNamed(state, first)?.engine;
    if (engine !== undefined) change(engine, now);
  };
  if (first?.engine !== undefined && ["vllm", "sglang", "triton"].includes(first.engine.engine)) {
    const alsoFires = ["KvCacheFull"];
    yield { title: `requests queue up at ${serviceOf(first)}`, alert: "RequestQueueLong", labels: { service: serviceOf(first) }, alsoFires, inject: withEngine((engine) => (engine.waiting = 1000)) };
  }
  if (first?.allocator !== undefined) {
    const inject: Fault["inject"] = (state, now) => {
      const allocator = podNamed(state, first)?.allocator;
      if (allocator !== undefined) allocator.outOfMemory = turned(allocator.outOfMemory, 1, now);
    };
    yield { title: `${serviceOf(first)} runs out of GPU memory`, alert: "GpuOutOfMemory", labels: { service: serviceOf(first), server: first.server }, inject };
  }
}

function* siteFaults({ servers, meterWatts }: SiteState, watched: ReadonlySet<string>): Generator<Fault> {
  if (watched.has("PueHigh")) yield { title: "the site draws three times what its servers do", alert: "PueHigh", labels: {}, inject: (state) => (state.meterWatts = meterWatts * 2.5) };
  const training = Object.values(servers).find(({ checkpoints }) => checkpoints.length > 0);
  const [checkpoint] = training?.checkpoints ?? [];
  if (training !== undefined && checkpoint !== undefined) {
    const inject: Fault["inject"] = (state, now) => Object.values(state.servers).forEach(({ checkpoints }) => checkpoints.forEach((each) => (each.name === checkpoint.name ? (each.at = now - 30 * day) : undefined)));
    yield { title: `the last checkpoint of ${checkpoint.name} is old`, alert: "CheckpointOverdue", labels: { name: checkpoint.name }, inject };
  }
}

/**
 * Faults that touch nothing of each other, so that they may come together.
 * @param watched names of the site's alerts: what it does not watch is left out
 */
export function manyFaults(healthy: SiteState, watched: ReadonlySet<string>): Fault[] {
  return [...gpuFaults(healthy), ...serverFaults(healthy), ...serviceFaults(healthy), ...siteFaults(healthy, watched)].filter(({ alert }) => watched.has(alert));
}
