import type { EngineId, GpuFact, ModelFact, Precision } from "../../catalog";

/** What one replica must do, whatever it runs on. */
export interface ReplicaRequest {
  model: ModelFact;
  precision: Precision;
  /** auto: 16 bits, or 32 where the weights have 32. */
  keyValuePrecision: "auto" | "fp8";
  contextTokens: number;
  /** Requests answered at the same time. */
  concurrency: number;
  engine: EngineId;
  /** Size of the checkpoint where it is known: weights are taken to be no smaller. @default - what is computed */
  checkpointBytes?: number;
  /** As the engine's own flag means it. @default - the engine's own */
  memoryUtilization?: number;
  /** Stated by the user; the planner keeps to them. */
  tensorParallel?: number;
  pipelineParallel?: number;
  gpus?: number;
  /** Served by the same process, on the same GPU. */
  moreModels?: { model: ModelFact; precision: Precision }[];
}

/** Devices that servers of one kind offer: two servers with the same shape are sized alike. */
export interface DeviceShape {
  /** GPU catalog id. */
  accelerator: string;
  gpu: GpuFact;
  /** Of one device: of a MIG slice where the GPU is cut, of the whole GPU where time-slicing shares it. */
  usableBytes: number;
  devicesPerServer: number;
  /** Most devices that reach each other over NVLink; 1 where there is none. */
  nvlinkDomain: number;
  /** Pods that take turns on one GPU and share its memory without a wall between them. */
  sharedBy: number;
  /** Slices and shares of a GPU cannot work together: 1 there. */
  mostPerReplica: number;
  /** Of the slot: bounds traffic between GPUs without NVLink. */
  pcieGeneration: number;
}

/** How a replica is cut. */
export interface Split {
  tensorParallel: number;
  pipelineParallel: number;
  servers: number;
}
