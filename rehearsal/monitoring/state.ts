import type { EngineId } from "../../components/catalog";

/** Grows by itself: `value` at `since`, both in seconds of Unix time. */
export interface Counter {
  value: number;
  perSecond: number;
  since: number;
}

export function counter(value: number, perSecond: number, now: number): Counter {
  return { value, perSecond, since: now };
}

export function valueAt({ value, perSecond, since }: Counter, now: number): number {
  return value + perSecond * (now - since);
}

/** The same counter, growing at another pace from now on. */
export function turned(of: Counter, perSecond: number, now: number): Counter {
  return { value: valueAt(of, now), perSecond, since: now };
}

/** A pod as dcgm-exporter says it. */
export interface Holder {
  namespace: string;
  pod: string;
  container: string;
}

/** A GPU, or one MIG instance of it. */
export interface GpuPart {
  instance?: { id: number; profile: string };
  holder?: Holder;
  /** 0 to 1: what GR_ENGINE_ACTIVE says, and GPU_UTIL a hundred times of it. */
  active: number;
  totalMiB: number;
  usedMiB: number;
}

export interface GpuState {
  uuid: string;
  busId: string;
  model: string;
  /** Has DCGM's profiling fields. */
  profiling: boolean;
  ecc: boolean;
  nvlink: boolean;
  parts: GpuPart[];
  celsius: number;
  memoryCelsius: number;
  watts: number;
  limitWatts: number;
  megahertz: number;
  millijoules: Counter;
  lastXid: number;
  /** Within the last five minutes, by code. */
  xids: Record<string, number>;
  /** Within the last five minutes, by cause. */
  clockEvents: Record<string, number>;
  thermalViolationNanoseconds: Counter;
  powerViolationNanoseconds: Counter;
  singleBitErrors: Counter;
  doubleBitErrors: Counter;
  correctableRemappedRows: number;
  uncorrectableRemappedRows: number;
  rowRemapFailure: number;
  pcieReplays: Counter;
  nvlinkBytes: Counter;
  nvlinkCrcErrors: Counter;
  nvlinkReplays: Counter;
  nvlinkRecoveries: Counter;
}

export const arrayStates = ["ok", "degraded", "rebuilding", "failed", "missing"] as const;
export type ArrayState = (typeof arrayStates)[number];

export interface TierState {
  tier: string;
  mount: string;
  mounted: boolean;
  sizeBytes: number;
  availableBytes: number;
  readOnly: boolean;
  /** Absent for a tier of one drive. */
  array?: { name: string; device: string; state: ArrayState; expected: number; working: number };
}

export interface DriveState {
  id: string;
  /** Absent for the drive of the operating system. */
  tier?: string;
  device: string;
  wear?: number;
  healthy: boolean;
  celsius: number;
  mediaErrors: number;
}

export interface RdmaPeer {
  peer: string;
  device: string;
  typicalSeconds: number;
  works: boolean;
}

export interface RdmaPort {
  /** As the kernel names the card: mlx5_0. */
  device: string;
  /** 4 is active. */
  stateId: number;
  linkDowned: Counter;
  errors: Counter;
}

/** Round trips to another server, one each second. */
export interface LatencyPeer {
  /** Its address. */
  host: string;
  seconds: number;
  /** Share of requests that nobody answers. */
  loss: number;
  since: number;
}

/** What a balancer says of itself and of the replicas. */
export interface BalancerState {
  address: string;
  holds: boolean;
  programs: { haproxy: boolean; keepalived: boolean };
  replicas: { name: string; replica: string; kind: string; up: boolean; failures: Counter }[];
}

export interface ServerState {
  name: string;
  address: string;
  gpus: GpuState[];
  bootedAt: number;
  cpus: number;
  /** Of all cores together, 0 to 1. */
  cpuBusy: number;
  memoryBytes: number;
  availableMemoryBytes: number;
  /** Free blocks by order, of zone Normal. */
  freeBlocks: number[];
  rootSizeBytes: number;
  rootAvailableBytes: number;
  tiers: TierState[];
  drives: DriveState[];
  nics: { device: string; up: boolean; errors: Counter }[];
  cpuCelsius: number;
  /** Of its power meter; absent where it has none. */
  watts?: number;
  clockSynchronised: boolean;
  clockOffsetSeconds: number;
  rdmaPorts: RdmaPort[];
  rdmaPeers: RdmaPeer[];
  latency: LatencyPeer[];
  checkpoints: { name: string; step: number; at: number }[];
  backups: { what: string; at: number; verifiedAt: number; failed: boolean; damaged: boolean }[];
  /** Absent where the server is no balancer. */
  balancer?: BalancerState;
  driver?: { version: string; branch: string };
  certificates: { path: string; endsAt: number }[];
  /** Of our scripts, which leave them anew all the time. */
  textfiles: { file: string; ageSeconds: number }[];
}

export interface EngineState {
  engine: EngineId;
  model: string;
  running: number;
  waiting: number;
  /** 0 to 1. */
  cacheUsed: number;
  preemptions: Counter;
  promptTokens: Counter;
  generatedTokens: Counter;
  /** Answers, good and not. */
  answered: Counter;
  failed: Counter;
  /** Means of the histograms. */
  firstTokenSeconds: number;
  betweenTokensSeconds: number;
  queueSeconds: number;
  answerSeconds: number;
}

export interface AllocatorState {
  reservedBytes: number;
  allocatedBytes: number;
  /** Share of the reserved bytes that is in split blocks which nothing uses. */
  fragmentation: number;
  retries: Counter;
  outOfMemory: Counter;
}

export interface PodState {
  namespace: string;
  name: string;
  uid: string;
  ip: string;
  /** Its node, which is a server. Empty while it waits for one. */
  server: string;
  labels: Readonly<Record<string, string>>;
  phase: "Pending" | "Running" | "Succeeded" | "Failed";
  ready: boolean;
  readyAt: number;
  containers: ContainerState[];
  engine?: EngineState;
  allocator?: AllocatorState;
}

export interface ContainerState {
  name: string;
  startedAt: number;
  restarts: number;
  /** Such as CrashLoopBackOff. */
  waiting?: string;
  /** Names of its ports. */
  ports: readonly string[];
  /** By resource, in its base unit. */
  requests: Readonly<Record<string, number>>;
}

export interface ClusterState {
  nodes: { name: string; conditions: Record<string, "True" | "False" | "Unknown">; unschedulable: boolean; allocatable: Readonly<Record<string, number>> }[];
  pods: PodState[];
  deployments: { namespace: string; name: string; labels: Readonly<Record<string, string>>; wanted: number; available: number }[];
  jobs: { namespace: string; name: string; labels: Readonly<Record<string, string>>; active: number; failed: number }[];
  claims: { namespace: string; name: string; phase: string }[];
}

/** Everything that the emulated exporters of a site speak of. Plain data: a fault is a change of it. */
export interface SiteState {
  servers: Record<string, ServerState>;
  cluster?: ClusterState;
  /** Of the site's own meter. */
  meterWatts: number;
}
