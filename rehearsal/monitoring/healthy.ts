import { cpu, driverBranches, gpu, type GpuFact } from "../../components/catalog";
import { migSlices } from "../../components/cluster/capacity";
import { gpuResource } from "../../components/cluster/names";
import type { Environment, Server } from "../../components/environment/schema";
import type { WorkloadPlan } from "../../components/inference";
import { allocatorPortName } from "../../components/monitoring/names";
import { latencyPeers } from "../../components/monitoring/peers";
import { rdmaServers } from "../../components/cluster/nodes";
import { planHostBalancer } from "../../components/recovery/standby/host-step";
import { planTiers } from "../../components/servers/tiers-plan";
import { counter, turned, type AllocatorState, type BalancerState, type ClusterState, type EngineState, type GpuPart, type GpuState, type PodState, type ServerState, type SiteState } from "./state";

const gibibyte = 2 ** 30;
const day = 86_400;
/** What a balancer's script leaves, and how long ago each script did. */
export const standbyFile = "rackwright-standby.prom";
const textfileAgeSeconds = 5;
/** A server that has been up for long: nothing that counts since the start is near zero. */
const upSeconds = 30 * day;
/** Share of time that a GPU which answers requests is at work, and one that nobody uses. */
export const activity = { loaded: 0.7, idle: 0 } as const;

function part(fact: GpuFact, share: number, instance?: GpuPart["instance"]): GpuPart {
  return { ...(instance === undefined ? {} : { instance }), active: activity.idle, totalMiB: Math.round(fact.memoryGB * 1024 * share), usedMiB: 20 };
}

function gpuState(fact: GpuFact, gpus: NonNullable<Server["gpus"]>, server: string, index: number, now: number): GpuState {
  const still = (): ReturnType<typeof counter> => counter(0, 0, now);
  const slices = gpus.mig === undefined ? 0 : migSlices(fact, gpus.mig);
  return {
    uuid: `GPU-${server}-${index}`,
    busId: `00000000:${(0x10 + index).toString(16).toUpperCase()}:00.0`,
    model: fact.name,
    profiling: fact.dataCentre,
    ecc: fact.ecc,
    nvlink: gpus.nvlink !== "none",
    parts: slices === 0 ? [part(fact, 1)] : Array.from({ length: slices }, (_, id) => part(fact, 1 / slices, { id: id + 1, profile: gpus.mig ?? "" })),
    celsius: 35,
    memoryCelsius: 40,
    watts: fact.powerWatts * 0.15,
    limitWatts: fact.powerWatts,
    megahertz: 1410,
    millijoules: counter(1e12, fact.powerWatts * 150, now),
    lastXid: 0,
    xids: {},
    clockEvents: {},
    thermalViolationNanoseconds: still(),
    powerViolationNanoseconds: still(),
    singleBitErrors: still(),
    doubleBitErrors: still(),
    correctableRemappedRows: 0,
    uncorrectableRemappedRows: 0,
    rowRemapFailure: 0,
    pcieReplays: still(),
    nvlinkBytes: counter(0, 1e10, now),
    nvlinkCrcErrors: still(),
    nvlinkReplays: still(),
    nvlinkRecoveries: still(),
  };
}

/** The first balancer holds the address, and every replica answers all of them. */
function balancerState(environment: Environment, server: string, now: number): BalancerState | undefined {
  const plan = planHostBalancer(environment, server)?.plan;
  if (plan === undefined) return undefined;
  const replicas = plan.services.flatMap(({ name, targets }) => targets.map(({ name: replica, role }) => ({ name, replica, kind: role, up: true, failures: counter(0, 0, now) })));
  return { address: plan.virtualAddress, holds: plan.balancers[0]?.server === server, programs: { haproxy: true, keepalived: true }, replicas };
}

/** A server that works as its environment says, with nothing running on its GPUs. */
export function healthyServer(environment: Environment, name: string, now: number): ServerState {
  const spec = environment.servers[name];
  if (spec === undefined) throw new Error(`the environment has no server ${name}`);
  const fact = spec.gpus === undefined ? undefined : gpu(spec.gpus.model);
  const gpus = spec.gpus === undefined || fact === undefined ? [] : Array.from({ length: spec.gpus.count }, (_, index) => gpuState(fact, spec.gpus as NonNullable<Server["gpus"]>, name, index, now));
  const tiers = planTiers(name, spec);
  const tierOf = (drive: string): string | undefined => tiers.find(({ drives }) => drives.includes(drive))?.tier;
  const rdma = rdmaServers(environment.servers);
  const rdmaCards = Object.values(spec.nics).filter((nic) => nic.rdma !== "none").map((_, index) => `mlx5_${index}`);
  const { version } = driverBranches[environment.software.driver.branch];
  const branch = environment.software.driver.branch;
  const balancer = balancerState(environment, name, now);
  return {
    name,
    address: spec.address,
    gpus,
    bootedAt: now - upSeconds,
    cpus: (cpu(spec.cpu.model)?.coresPerSocket ?? 1) * spec.cpu.sockets,
    cpuBusy: 0.2,
    memoryBytes: spec.memoryGiB * gibibyte,
    availableMemoryBytes: spec.memoryGiB * gibibyte * 0.6,
    freeBlocks: [200, 150, 100, 80, 60, 40, 30, 20, 20, 2000, 20_000],
    rootSizeBytes: 440e9,
    rootAvailableBytes: 300e9,
    tiers: tiers.map(({ tier, mount, usableGB, level, arrayName, drives }, index) => ({
      tier,
      mount,
      mounted: true,
      sizeBytes: usableGB * 1e9,
      availableBytes: usableGB * 0.5e9,
      readOnly: false,
      ...(level === "single" ? {} : { array: { name: arrayName, device: `md${127 - index}`, state: "ok" as const, expected: drives.length, working: drives.length } }),
    })),
    drives: Object.entries(spec.drives).map(([id, { kind }], index) => {
      const tier = tierOf(id);
      return { id, ...(tier === undefined ? {} : { tier }), device: kind === "nvme" ? `nvme${index}n1` : `sd${String.fromCharCode(97 + index)}`, ...(kind === "hdd" ? {} : { wear: 0.12 }), healthy: true, celsius: 38, mediaErrors: 0 };
    }),
    nics: Object.keys(spec.nics).map((device) => ({ device, up: true, errors: counter(0, 0, now) })),
    cpuCelsius: 55,
    watts: 400 + gpus.reduce((sum, { watts }) => sum + watts, 0),
    clockSynchronised: true,
    clockOffsetSeconds: 0.0002,
    rdmaPorts: rdmaCards.map((device) => ({ device, stateId: 4, linkDowned: counter(0, 0, now), errors: counter(0, 0, now) })),
    rdmaPeers: rdma.includes(name) ? rdma.filter((peer) => peer !== name).flatMap((peer) => rdmaCards.slice(0, 1).map((device) => ({ peer, device, typicalSeconds: 2.4e-6, works: true }))) : [],
    latency: latencyPeers(environment, name).map(({ address }) => ({ host: address, seconds: 0.0002, loss: 0, since: now - upSeconds })),
    checkpoints: [],
    backups: [],
    ...(balancer === undefined ? {} : { balancer }),
    ...(gpus.length === 0 ? {} : { driver: { version, branch } }),
    certificates: environment.cluster.distribution === "k3s" ? [{ path: "/var/lib/rancher/k3s/agent/serving-kubelet.crt", endsAt: now + 300 * day }] : [],
    textfiles: ["rackwright-state.prom", "rackwright-health.prom", ...(balancer === undefined ? [] : [standbyFile])].map((file) => ({ file: `/var/lib/rackwright/metrics/${file}`, ageSeconds: textfileAgeSeconds })),
  };
}

function engineState(engine: EngineState["engine"], model: string, now: number): EngineState {
  return {
    engine,
    model,
    running: 4,
    waiting: 0,
    cacheUsed: 0.35,
    preemptions: counter(0, 0, now),
    promptTokens: counter(1e6, 2000, now),
    generatedTokens: counter(1e6, 400, now),
    answered: counter(1e5, 4, now),
    failed: counter(0, 0, now),
    firstTokenSeconds: 0.2,
    betweenTokensSeconds: 0.02,
    queueSeconds: 0.01,
    answerSeconds: 1,
  };
}

function allocatorState(now: number): AllocatorState {
  return { reservedBytes: 16 * gibibyte, allocatedBytes: 14 * gibibyte, fragmentation: 0.05, retries: counter(0, 0, now), outOfMemory: counter(0, 0, now) };
}

/** A whole site at work: every pod runs, its GPUs are busy, and nothing is wrong anywhere. */
export function healthySite(environment: Environment, workloads: WorkloadPlan, cluster: ClusterState | undefined, now: number): SiteState {
  const servers = Object.fromEntries(Object.keys(environment.servers).map((name) => [name, healthyServer(environment, name, now)]));
  for (const { name, servers: on } of Object.values(workloads.training)) {
    for (const server of on) servers[server]?.checkpoints.push({ name, step: 1000, at: now });
  }
  for (const pod of cluster?.pods ?? []) {
    const service = workloads.services[pod.labels["rackwright.dev/service"] ?? ""];
    if (service !== undefined) {
      if (pod.labels["app.kubernetes.io/component"] !== "worker") pod.engine = engineState(service.engine, service.model.name, now);
      if (pod.containers.some(({ ports }) => ports.includes(allocatorPortName))) pod.allocator = allocatorState(now);
    }
    giveDevices(servers[pod.server], pod);
    // A standby holds its GPUs, loaded, and answers nobody.
    if (pod.labels["rackwright.dev/role"] === "standby") makeIdle(servers, pod, now);
  }
  const [first] = Object.values(servers);
  first?.backups.push({ what: `${first.name}/checkpoints`, at: now - 3600, verifiedAt: now - day, failed: false, damaged: false });
  // Programs that nothing knows of are at work on a site without a cluster.
  if (cluster === undefined) for (const { gpus } of Object.values(servers)) for (const gpu of gpus) for (const each of gpu.parts) putToWork(gpu, each);
  // What the GPUs of a busy server draw goes through its power supplies too.
  for (const server of Object.values(servers)) server.watts = 400 + server.gpus.reduce((sum, { watts }) => sum + watts, 0);
  const total = Object.values(servers).reduce((sum, { watts = 0 }) => sum + watts, 0);
  return { servers, ...(cluster === undefined ? {} : { cluster }), meterWatts: total * 1.2 };
}

/** A pod that holds its GPUs and has no work. */
export function makeIdle(servers: SiteState["servers"], pod: PodState, now: number): void {
  if (pod.engine !== undefined) {
    Object.assign(pod.engine, { running: 0, waiting: 0, cacheUsed: 0 } satisfies Partial<EngineState>);
    for (const each of ["answered", "promptTokens", "generatedTokens"] as const) pod.engine[each] = turned(pod.engine[each], 0, now);
  }
  for (const part of partsOf(servers, pod)) part.active = activity.idle;
}

/** GPUs, or parts of them, that a pod holds. */
export function partsOf(servers: SiteState["servers"], { namespace, name, server }: PodState): GpuPart[] {
  return (servers[server]?.gpus ?? []).flatMap(({ parts }) => parts.filter(({ holder }) => holder?.namespace === namespace && holder.pod === name));
}

function putToWork(gpu: GpuState, each: GpuPart): void {
  Object.assign(each, { active: activity.loaded, usedMiB: Math.round(each.totalMiB * 0.9) } satisfies Partial<GpuPart>);
  Object.assign(gpu, { celsius: 62, memoryCelsius: 70, watts: gpu.limitWatts * 0.7 } satisfies Partial<GpuState>);
}

/** As the kubelet hands devices to a pod: the next ones that are free. */
function giveDevices(server: ServerState | undefined, { namespace, name, containers, phase }: PodState): void {
  if (server === undefined || phase !== "Running") return;
  for (const { name: container, requests } of containers) {
    for (const [resource, count] of Object.entries(requests)) {
      const fits = ({ instance }: GpuPart): boolean => (resource === gpuResource ? instance === undefined : instance !== undefined && resource.startsWith("nvidia.com/mig-"));
      const free = server.gpus.flatMap((gpu) => gpu.parts.filter((each) => each.holder === undefined && fits(each)).map((each) => ({ gpu, each })));
      for (const { gpu, each } of free.slice(0, resource.startsWith("nvidia.com/") ? count : 0)) {
        each.holder = { namespace, pod: name, container };
        putToWork(gpu, each);
      }
    }
  }
}
