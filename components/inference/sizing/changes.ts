import { bytesPerParameter, type Precision } from "../../catalog";
import { canChangeCache } from "./key-value";
import type { ReplicaRequest } from "./request";
import { weightFormat } from "./weights";

/** One field of a service that would make a replica fit, and what to write. */
export interface Change {
  field: "gpusPerReplica" | "kvCachePrecision" | "memoryUtilization" | "contextTokens" | "concurrency" | "precision";
  value: number | string;
}

const highestUtilization = 0.95;
const contextStep = 1024;
const narrower: readonly Precision[] = ["bf16", "fp8", "int8", "int4"];

/** Greatest of `step`, 2 x `step`, … below `limit` that is good, where whatever is below a good one is good too. */
function greatestGood(limit: number, step: number, good: (value: number) => boolean): number | undefined {
  let [low, high] = [0, Math.ceil(limit / step)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (good(middle * step)) low = middle;
    else high = middle;
  }
  return low === 0 ? undefined : low * step;
}

function withoutSplit(request: ReplicaRequest): ReplicaRequest {
  const { gpus: _gpus, tensorParallel: _tensorParallel, pipelineParallel: _pipelineParallel, ...rest } = request;
  return rest;
}

/**
 * Changes of one field each that would make a replica fit, the one that gives up least first: another number of GPUs,
 * an 8-bit cache, more of the memory, shorter requests, fewer of them, narrower weights.
 * @param gpusThatFit GPUs that a request takes where it fits, undefined where it does not.
 */
export function smallestChanges(request: ReplicaRequest, gpusThatFit: (request: ReplicaRequest) => number | undefined): Change[] {
  const fits = (changed: Partial<ReplicaRequest>): boolean => gpusThatFit({ ...request, ...changed }) !== undefined;
  const changes: Change[] = [];
  const add = (field: Change["field"], value: number | string | undefined): void => {
    if (value !== undefined) changes.push({ field, value });
  };

  if (request.gpus !== undefined || request.tensorParallel !== undefined || request.pipelineParallel !== undefined) add("gpusPerReplica", gpusThatFit(withoutSplit(request)));
  if (request.model.attention.kind !== "no-cache") {
    if (canChangeCache(request) && fits({ keyValuePrecision: "fp8" })) add("kvCachePrecision", "fp8");
    if ((request.memoryUtilization ?? 0) < highestUtilization && fits({ memoryUtilization: highestUtilization })) add("memoryUtilization", highestUtilization);
    const context = Math.min(request.contextTokens, request.model.contextTokens);
    add("contextTokens", greatestGood(context, contextStep, (contextTokens) => fits({ contextTokens })));
  }
  add("concurrency", greatestGood(request.concurrency, 1, (concurrency) => fits({ concurrency })));
  // Another precision is another checkpoint, whose size is not known.
  const { checkpointBytes: _checkpointBytes, ...unmeasured } = request;
  const fitsNarrower = (precision: Precision): boolean => gpusThatFit({ ...unmeasured, precision }) !== undefined;
  const format = weightFormat(request.model, request.precision);
  const bytes = format === "mxfp4" ? bytesPerParameter.int4 : bytesPerParameter[format];
  add("precision", narrower.find((precision) => bytesPerParameter[precision] < bytes && fitsNarrower(precision)));
  return changes;
}
