import type { ModelFact, Precision } from "../../catalog";
import type { ReplicaRequest } from "./request";
import { ceilDivide } from "./units";

/** Engines hand out cache in blocks of this many tokens (vLLM's default). */
const blockTokens = 16;

export function keyValueBytesPerValue(precision: Precision, keyValuePrecision: "auto" | "fp8"): number {
  if (keyValuePrecision === "fp8") return 1;
  return precision === "fp32" ? 4 : 2;
}

/** Whether an 8-bit cache would be another one; engines that hold a reserved cache know it. */
export function canChangeCache({ engine, keyValuePrecision }: Pick<ReplicaRequest, "engine" | "keyValuePrecision">): boolean {
  return keyValuePrecision === "auto" && (engine === "vllm" || engine === "sglang" || engine === "tensorrt-llm");
}

/** Bytes that one token takes in one layer on one GPU. */
function layerBytesPerToken(model: ModelFact, bytesPerValue: number, tensorParallel: number): number {
  switch (model.attention.kind) {
    case "no-cache":
      return 0;
    case "latent":
      // One latent head for all: every GPU of the group holds it (facts 4).
      return (model.attention.latentRank + model.attention.ropeDimension) * bytesPerValue;
    case "full":
    case "sliding":
      // Uneven divisions are not offered by the planner; fewer heads than GPUs are copied (facts 4).
      return 2 * Math.max(1, ceilDivide(model.keyValueHeads, tensorParallel)) * model.headDimension * bytesPerValue;
  }
}

/** Bytes that one token takes on one GPU where every layer keeps it; stages of a pipeline are rounded up to whole layers. */
export function keyValueBytesPerTokenPerGpu(model: ModelFact, bytesPerValue: number, tensorParallel: number, pipelineParallel: number): number {
  return ceilDivide(model.layers, pipelineParallel) * layerBytesPerToken(model, bytesPerValue, tensorParallel);
}

export interface CacheNeed {
  contextTokens: number;
  concurrency: number;
  /** Of one forward pass: a prompt is read in pieces of this size, and windows are trimmed between pieces. */
  maxBatchedTokens: number;
}

/** Bytes of cache on the fullest GPU that requests of full length need, all at the same time. */
export function keyValueBytesPerGpu(model: ModelFact, bytesPerValue: number, tensorParallel: number, pipelineParallel: number, need: CacheNeed): number {
  const perLayer = layerBytesPerToken(model, bytesPerValue, tensorParallel);
  const whole = ceilDivide(need.contextTokens, blockTokens) * blockTokens;
  const windowed = model.attention.kind === "sliding" ? model.attention.windowedLayers : 0;
  const windowTokens = model.attention.kind === "sliding" ? Math.min(whole, (ceilDivide(model.attention.windowTokens, blockTokens) + 1) * blockTokens) : 0;
  const beingRead = Math.min(need.maxBatchedTokens, whole);
  const fullLayers = ceilDivide(model.layers - windowed, pipelineParallel);
  const windowedLayers = ceilDivide(windowed, pipelineParallel);
  return perLayer * (fullLayers * whole * need.concurrency + (windowed === 0 ? 0 : windowedLayers * (windowTokens * need.concurrency + beingRead)));
}
