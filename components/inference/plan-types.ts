import type { EngineId, ModelFact } from "../catalog";
import type { Finding } from "../environment/problems";
import type { InferenceServiceSpec } from "../environment/schema";

/** Memory of one GPU, in bytes, and what is left of it. For a replica on the CPU: of its share of the host's memory. */
export interface MemoryBudget {
  /** What a program can have: less than the label. */
  usableBytes: number;
  /** What weights, cache and overhead may take together: `usableBytes` times the memory utilization in vLLM, as `engineMemory` says elsewhere. */
  budgetBytes: number;
  weightsBytes: number;
  /** Activations, CUDA graphs, communication buffers. */
  overheadBytes: number;
  /** Of one token of full attention, on this GPU: divided by tensor and pipeline parallelism where it can be. */
  keyValueBytesPerToken: number;
  /** Cache that `concurrency` requests of `contextTokens` need on this GPU: windows and latent heads taken into account. */
  keyValueBytes: number;
  /** Tokens that fit when all that is left goes to the cache. 0 for models without a cache. */
  keyValueTokens: number;
  /** budgetBytes - weightsBytes - overheadBytes - keyValueBytes. Never negative in a plan that is carried out. */
  marginBytes: number;
}

/** An estimate from arithmetic and bandwidth limits, not a measurement. */
export interface ThroughputEstimate {
  tokensPerSecondPerRequest: number;
  tokensPerSecond: number;
  /** What bounds it: `memory bandwidth` or `arithmetic`. */
  boundBy: string;
  assumptions: string[];
}

/** How one replica is spread over devices, and why. */
export interface Sizing {
  tensorParallel: number;
  pipelineParallel: number;
  contextTokens: number;
  concurrency: number;
  /** As the engine's own flag means it: see `engineMemory`. Already divided where GPUs are shared by time-slicing. */
  memoryUtilization: number;
  /** Tokens of one forward pass that the overhead is computed for; engines that have a flag for it are given it. Absent for encoders. */
  maxBatchedTokens?: number;
  /** Of the fullest GPU. */
  memory: MemoryBudget;
  estimate?: ThroughputEstimate;
  /** One sentence a choice: "2 GPUs: weights of 38.6 GB do not fit one". */
  reasons: string[];
}

/** What becomes one Kubernetes workload: replicas of one service on one server, or one replica that spans servers. */
export interface Workload {
  /** `<service>-<server>`, with `-standby` after it for standbys. At most 63 characters. */
  name: string;
  role: "active" | "standby";
  /** 1 where a replica spans servers. */
  replicas: number;
  /** In rank order. More than one: the replica spans them, with one pod on each. */
  servers: string[];
  /** GPU catalog id, an NPU's resource name, or `cpu`. */
  accelerator: string;
  /** Extended resource that each pod asks for, such as nvidia.com/gpu or nvidia.com/mig-1g.10gb; absent on the CPU. */
  resource?: string;
  /** Of `resource`, in each pod; 0 on the CPU. */
  devicesPerPod: number;
  /** Request and limit of each pod. */
  cpus: number;
  memoryGiB: number;
  sizing: Sizing;
}

/** One service, settled. */
export interface ServicePlan {
  name: string;
  spec: InferenceServiceSpec;
  model: ModelFact;
  engine: EngineId;
  /** Why this engine (guide 3.2) where the environment says `auto`; "as stated" otherwise. */
  engineReason: string;
  /** Flag-like choice of the engine: what FP8 means on these cards, and so on. Shown in the plan. */
  notes: string[];
  /** Size of the folder of weights on the hot tier, in decimal gigabytes. */
  weightsGB?: number;
  /** What Triton serves besides `model`, by name. */
  moreModels?: Record<string, { model: ModelFact; weightsGB: number }>;
  workloads: Workload[];
}

/** Pods of one training job on one server. */
export interface TrainingPlan {
  name: string;
  servers: string[];
  devicesPerPod: number;
  resource: string;
  cpus: number;
  memoryGiB: number;
}

/** What runs where on a whole site. Pure: {@link planWorkloads} makes it from the environment alone. */
export interface WorkloadPlan {
  services: Record<string, ServicePlan>;
  training: Record<string, TrainingPlan>;
  /** Empty when all of it can be placed. Each says what is missing and the smallest change that would mend it. */
  findings: Finding[];
}
