import { standbyFile } from "./healthy";
import { balancerFaults } from "./standby-faults";
import { podNamed, roleLabel, serviceOf, workingPods, type Fault } from "./faults";
import { turned, type EngineState, type GpuState, type LatencyPeer, type PodState, type ServerState, type SiteState } from "./state";

const day = 86_400;

type Change<T> = (what: T, now: number) => void;

/** Faults of one server, each a change of its state. */
function onServer(name: string): (title: string, alert: string, labels: Readonly<Record<string, string>>, change: Change<ServerState>, alsoFires?: readonly string[]) => Fault {
  return (title, alert, labels, change, alsoFires = []) => ({
    title: `${name}: ${title}`,
    alert,
    labels: { server: name, ...labels },
    alsoFires,
    inject: (state, now) => {
      const server = state.servers[name];
      if (server !== undefined) change(server, now);
    },
  });
}

function* gpuFaults({ name, gpus }: ServerState): Generator<Fault> {
  const fault = onServer(name);
  const onGpu = (index: number, title: string, alert: string, labels: Readonly<Record<string, string>>, change: Change<GpuState>): Fault => {
    const gpu = index % gpus.length;
    return fault(`GPU ${gpu} ${title}`, alert, { gpu: String(gpu), ...labels }, (server, now) => {
      const found = server.gpus[gpu];
      if (found !== undefined) change(found, now);
    });
  };
  yield onGpu(0, "reports XID 79", "GpuXid", { xid: "79" }, (gpu) => Object.assign(gpu, { lastXid: 79, xids: { ...gpu.xids, 79: 1 } }));
  yield onGpu(1, "reports XID 31", "GpuXidApplication", { xid: "31" }, (gpu) => Object.assign(gpu, { lastXid: 31, xids: { ...gpu.xids, 31: 1 } }));
  yield onGpu(1, "is slowed down by its temperature", "GpuThermalThrottling", {}, (gpu, now) => Object.assign(gpu, { thermalViolationNanoseconds: turned(gpu.thermalViolationNanoseconds, 5e8, now), clockEvents: { hw_thermal_slowdown: 12 } } satisfies Partial<GpuState>));
  yield onGpu(0, "is slowed down by its power cap", "GpuPowerThrottling", {}, (gpu, now) => (gpu.powerViolationNanoseconds = turned(gpu.powerViolationNanoseconds, 8e8, now)));
  yield onGpu(0, "sends again over PCIe", "GpuPcieReplays", {}, (gpu, now) => (gpu.pcieReplays = turned(gpu.pcieReplays, 2, now)));
  yield onGpu(1, "has memory of 105 °C", "GpuMemoryTemperatureHigh", {}, (gpu) => (gpu.memoryCelsius = 105));
  if (gpus[0]?.ecc === true) {
    yield onGpu(0, "has an ECC error that could not be corrected", "GpuEccDoubleBit", {}, (gpu) => (gpu.doubleBitErrors.value += 1));
    yield onGpu(1, "has many ECC errors that could", "GpuEccSingleBitRate", {}, (gpu, now) => (gpu.singleBitErrors = turned(gpu.singleBitErrors, 20, now)));
    yield onGpu(1, "has no spare memory row left", "GpuRowRemapFailure", {}, (gpu) => (gpu.rowRemapFailure = 1));
  }
  if (gpus[0]?.nvlink === true) yield onGpu(0, "has errors on NVLink", "GpuNvlinkErrors", {}, (gpu, now) => (gpu.nvlinkRecoveries = turned(gpu.nvlinkRecoveries, 2, now)));
  // The others are about the first two.
  if (gpus.length > 2) yield fault("a GPU is gone", "GpuMissing", {}, (server) => void server.gpus.pop());
  yield fault("its driver is of a branch that has ended", "DriverBranchEndOfLife", { branch: "535" }, (server) => (server.driver = { version: "535.288.01", branch: "535" }));
}

function* storageFaults(server: ServerState): Generator<Fault> {
  const fault = onServer(server.name);
  const [tier] = server.tiers.filter((each) => each.tier !== "hot");
  if (tier !== undefined) {
    yield fault(`its ${tier.tier} tier is full`, "TierFull", { mountpoint: tier.mount }, ({ tiers }) => tiers.forEach((each) => (each.tier === tier.tier ? (each.availableBytes = each.sizeBytes * 0.01) : undefined)), ["TierNearlyFull", "MeasurementsStorageFilling"]);
  }
  const [worn, failing, unread] = server.drives.filter((each) => each.tier !== undefined);
  const onDrive = (id: string, change: Change<ServerState["drives"][number]>): Change<ServerState> => ({ drives }, now) => {
    const found = drives.find((drive) => drive.id === id);
    if (found !== undefined) change(found, now);
  };
  if (worn?.wear !== undefined) yield fault(`the drive ${worn.id} is worn`, "DriveWearHigh", { drive: worn.id }, onDrive(worn.id, (drive) => (drive.wear = 0.95)));
  if (failing !== undefined) yield fault(`the drive ${failing.id} calls itself unhealthy`, "DriveFailing", { drive: failing.id }, onDrive(failing.id, (drive) => (drive.healthy = false)));
  if (unread !== undefined) yield fault(`the drive ${unread.id} has places that cannot be read`, "DriveMediaErrors", { drive: unread.id }, onDrive(unread.id, (drive) => (drive.mediaErrors += 5)));
}

/** Of the server whose node_exporter is real. */
function* hostFaults(server: ServerState): Generator<Fault> {
  const fault = onServer(server.name);
  const [nic] = server.nics;
  if (nic !== undefined) {
    yield fault(`${nic.device} has no link`, "NetworkLinkDown", { device: nic.device }, ({ nics }) => nics.forEach((each) => (each.device === nic.device ? (each.up = false) : undefined)));
    yield fault(`${nic.device} receives errors`, "NetworkReceiveErrors", { device: nic.device }, ({ nics }, now) => nics.forEach((each) => (each.device === nic.device ? (each.errors = turned(each.errors, 50, now)) : undefined)));
  }
  yield fault("its clock is not synchronised", "ClockNotSynchronised", {}, (each) => (each.clockSynchronised = false));
  yield fault("it has hardly any memory left", "HostMemoryLow", {}, (each) => (each.availableMemoryBytes = each.memoryBytes * 0.01));
  yield fault("its CPU is at its critical temperature", "HostTemperatureHigh", {}, (each) => (each.cpuCelsius = 99));
  yield fault("its free memory is in small pieces", "HostMemoryFragmented", {}, (each) => (each.freeBlocks = [5000, 4000, 3000, 2000, 1000, 500, 200, 100, 50, 0, 0]));
  const [backup] = server.backups;
  if (backup !== undefined) {
    const labels = { what: backup.what };
    yield { ...fault("the last backup is three days old", "BackupOverdue", labels, ({ backups }, now) => backups.forEach((each) => (each.at = now - 3 * day))), labels };
    yield { ...fault("a backup fails", "BackupFailed", labels, ({ backups }) => backups.forEach((each) => (each.failed = true))), labels };
    yield { ...fault("a backup is damaged", "BackupDamaged", labels, ({ backups }) => backups.forEach((each) => (each.damaged = true))), labels };
    yield { ...fault("the last backup was verified a month ago", "BackupUnverified", labels, ({ backups }, now) => backups.forEach((each) => (each.verifiedAt = now - 30 * day))), labels };
  }
}

/** Of RDMA cards: on a server that has one. */
function* rdmaFaults({ name, rdmaPorts, rdmaPeers }: ServerState): Generator<Fault> {
  const [port] = rdmaPorts;
  const [peer] = rdmaPeers;
  if (port === undefined) return;
  const fault = onServer(name);
  const onPort = (change: Change<ServerState["rdmaPorts"][number]>): Change<ServerState> => (server, now) => server.rdmaPorts.forEach((each) => change(each, now));
  yield fault("its RDMA port is down", "RdmaPortDown", {}, onPort((each) => (each.stateId = 1)));
  yield fault("its RDMA port receives errors", "RdmaLinkErrors", { device: port.device }, onPort((each, now) => (each.errors = turned(each.errors, 50, now))));
  yield fault("its RDMA link comes and goes", "RdmaLinkUnstable", { device: port.device }, onPort((each, now) => (each.linkDowned = turned(each.linkDowned, 1, now))));
  if (peer === undefined) return;
  yield { ...fault(`RDMA writes to ${peer.peer} take 80 µs`, "RdmaLatencyHigh", {}, ({ rdmaPeers: all }) => all.forEach((each) => (each.typicalSeconds = 80e-6))), labels: { source: name, destination: peer.peer } };
}

/** Of the last server, where it is not the first: all that it says is emulated. */
function* otherServerFaults(server: ServerState): Generator<Fault> {
  const fault = onServer(server.name);
  yield fault("its scripts have left nothing for an hour", "HostMetricsStale", {}, ({ textfiles }) => textfiles.forEach((each) => (each.ageSeconds = each.file.endsWith(standbyFile) ? each.ageSeconds : 3600)));
  const lossy: Change<LatencyPeer> = (peer) => (peer.loss = 0.2);
  yield { ...fault("one in five of its packets is lost", "NetworkLoss", {}, ({ latency }, now) => latency.forEach((peer) => lossy(peer, now))), labels: { source: server.name } };
  const [failed] = server.tiers.filter(({ array }) => array !== undefined);
  if (failed?.array !== undefined) {
    yield fault(`the array ${failed.array.name} has failed`, "ArrayFailed", { tier: failed.tier }, ({ tiers }) => tiers.forEach(({ tier, array }) => (tier === failed.tier && array !== undefined ? Object.assign(array, { state: "failed", working: 0 }) : undefined)), ["ArrayMemberMissing", "ArrayDriveFaulty"]);
    yield fault(`the ${failed.tier} tier can only be read`, "TierUnusable", { mountpoint: failed.mount }, ({ tiers }) => tiers.forEach((each) => (each.tier === failed.tier ? (each.readOnly = true) : undefined)));
  }
  const [gone] = server.tiers.filter(({ tier }) => tier !== failed?.tier);
  if (gone !== undefined) yield fault(`the ${gone.tier} tier is not mounted`, "TierNotMounted", { tier: gone.tier }, ({ tiers }) => tiers.forEach((each) => (each.tier === gone.tier ? (each.mounted = false) : undefined)));
  const [peer] = server.rdmaPeers;
  if (peer !== undefined) yield fault(`RDMA to ${peer.peer} does not work`, "RdmaProbeFailed", { peer: peer.peer }, ({ rdmaPeers }) => rdmaPeers.forEach((each) => (each.works = false)));
}

/** Not ready for whatever reason. */
function notReady(state: SiteState, pod: PodState): void {
  const found = podNamed(state, pod);
  if (found !== undefined) found.ready = false;
}

function* serviceFaults(healthy: SiteState): Generator<Fault> {
  const pods = healthy.cluster?.pods ?? [];
  const standby = pods.find((pod) => pod.engine !== undefined && pod.labels[roleLabel] === "standby");
  if (standby !== undefined) yield { title: `${serviceOf(standby)} has no ready standby`, alert: "StandbyMissing", labels: { service: serviceOf(standby) }, inject: (state) => notReady(state, standby) };
  const working = workingPods(healthy);
  const last = working.at(-1);
  if (last !== undefined) {
    const alone = pods.filter((pod) => pod.engine !== undefined && pod.labels[roleLabel] === "active" && serviceOf(pod) === serviceOf(last)).length === 1;
    yield { title: `${alone ? "the only" : "a"} replica of ${serviceOf(last)} is not ready`, alert: alone ? "ServiceDown" : "ReplicasMissing", labels: { service: serviceOf(last) }, alsoFires: ["ReplicasMissing"], inject: (state) => notReady(state, last) };
  }
  const torch = working.find(({ allocator }) => allocator !== undefined);
  if (torch !== undefined) {
    const inject: Fault["inject"] = (state, now) => {
      const allocator = podNamed(state, torch)?.allocator;
      if (allocator !== undefined) allocator.outOfMemory = turned(allocator.outOfMemory, 1, now);
    };
    yield { title: `${serviceOf(torch)} runs out of GPU memory`, alert: "GpuOutOfMemory", labels: { service: serviceOf(torch), server: torch.server }, inject };
  }
  const [first] = working;
  if (first?.engine === undefined) return;
  const service = serviceOf(first);
  const { engine } = first.engine;
  const onEngine = (change: Change<EngineState>): Fault["inject"] => (state, now) => {
    const found = podNamed(state, first)?.engine;
    if (found !== undefined) change(found, now);
  };
  if (engine === "vllm" || engine === "sglang" || engine === "triton") yield { title: `1000 requests wait for ${service}`, alert: "RequestQueueLong", labels: { service }, inject: onEngine((each) => (each.waiting = 1000)) };
  if (engine === "vllm" || engine === "sglang") yield { title: `the cache of ${service} is full`, alert: "KvCacheFull", labels: { service }, inject: onEngine((each) => Object.assign(each, { cacheUsed: 0.99, waiting: 1000 } satisfies Partial<EngineState>)) };
  if (engine !== "sglang") yield { title: `${service} answers with errors`, alert: "RequestsFailing", labels: { service }, inject: onEngine((each, now) => (each.failed = turned(each.failed, 4, now))) };
}

function* clusterFaults(healthy: SiteState): Generator<Fault> {
  const [crashing, pending] = (healthy.cluster?.pods ?? []).filter(({ engine, phase }) => engine === undefined && phase === "Running");
  const onPod = (pod: PodState, change: Change<PodState>): Fault["inject"] => (state, now) => {
    const found = podNamed(state, pod);
    if (found !== undefined) change(found, now);
  };
  if (crashing !== undefined) yield { title: `${crashing.name} ends again and again`, alert: "PodCrashLooping", labels: { namespace: crashing.namespace, pod: crashing.name }, inject: onPod(crashing, ({ containers }) => containers.forEach((each) => (each.waiting = "CrashLoopBackOff"))) };
  if (pending !== undefined) yield { title: `${pending.name} waits for a node`, alert: "PodPendingLong", labels: { namespace: pending.namespace, pod: pending.name }, inject: onPod(pending, (pod) => Object.assign(pod, { phase: "Pending", ready: false } satisfies Partial<PodState>)) };
  const job = healthy.cluster?.jobs.find(({ namespace }) => namespace === "training");
  if (job !== undefined) yield { title: `the training job ${job.name} was given up`, alert: "TrainingJobFailed", labels: { job_name: job.name }, inject: (state) => state.cluster?.jobs.forEach((each) => (each.name === job.name && each.namespace === job.namespace ? (each.failed = 1) : undefined)) };
  const [checkpoint] = Object.values(healthy.servers).flatMap(({ checkpoints }) => checkpoints);
  if (checkpoint !== undefined) {
    const { name } = checkpoint;
    // A job that has just started from an old checkpoint is not overdue.
    const inject: Fault["inject"] = ({ servers, cluster }, now) => {
      for (const { checkpoints } of Object.values(servers)) for (const each of checkpoints) if (each.name === name) each.at = now - 30 * day;
      for (const pod of cluster?.pods ?? []) if (pod.namespace === "training" && serviceOf(pod) === name) for (const each of pod.containers) each.startedAt = now - 31 * day;
    };
    yield { title: `the last checkpoint of ${name} is a month old`, alert: "CheckpointOverdue", labels: { name }, inject };
  }
}

/** Last, for they are about the draw of all. */
function* powerFaults({ servers }: SiteState): Generator<Fault> {
  const server = Object.values(servers).at(-1);
  if (server !== undefined) yield onServer(server.name)("it draws 20 kW", "ServerPowerHigh", {}, (each) => (each.watts = 20_000), ["RackPowerHigh", "SitePowerHigh"]);
  const inject: Fault["inject"] = (state) => (state.meterWatts = 3 * Object.values(state.servers).reduce((sum, { watts = 0 }) => sum + watts, 0));
  yield { title: "the site draws three times what its servers do", alert: "PueHigh", labels: {}, alsoFires: ["SitePowerHigh"], inject };
}

/**
 * Faults that touch nothing of each other, so that they may come together.
 * @param watched names of the site's alerts: what it does not watch is left out
 */
export function manyFaults(healthy: SiteState, watched: ReadonlySet<string>): Fault[] {
  const servers = Object.values(healthy.servers);
  const [first] = servers;
  const last = servers.at(-1);
  const withGpus = servers.findLast(({ gpus }) => gpus.length > 0);
  const withTiers = servers.find(({ tiers }) => tiers.some(({ tier }) => tier !== "hot"));
  const withRdma = servers.find(({ rdmaPorts }) => rdmaPorts.length > 0);
  const all = [
    ...(withGpus === undefined ? [] : gpuFaults(withGpus)),
    ...(withTiers === undefined ? [] : storageFaults(withTiers)),
    ...(first === undefined ? [] : hostFaults(first)),
    ...(withRdma === undefined ? [] : rdmaFaults(withRdma)),
    ...(last === undefined || last === first ? [] : otherServerFaults(last)),
    ...balancerFaults(healthy),
    ...serviceFaults(healthy),
    ...clusterFaults(healthy),
    ...powerFaults(healthy),
  ];
  return all.filter(({ alert }) => watched.has(alert));
}
