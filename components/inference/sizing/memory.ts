import type { ModelFact, Precision } from "../../catalog";
import type { MemoryBudget } from "../plan-types";
import { budgetBytes, engineMemory } from "./engine-memory";
import { keyValueBytesPerGpu, keyValueBytesPerTokenPerGpu, keyValueBytesPerValue } from "./key-value";
import { maxBatchedTokens, overheadBytes } from "./overhead";
import type { ReplicaRequest } from "./request";
import { weightsBytes, weightsBytesPerGpu } from "./weights";

/** A request's own utilization or the engine's, divided where pods share one GPU. */
export function utilizationOf({ engine, memoryUtilization }: Pick<ReplicaRequest, "engine" | "memoryUtilization">, sharedBy = 1): number {
  return (memoryUtilization ?? engineMemory(engine).defaultUtilization) / sharedBy;
}

export interface Parallelism {
  tensorParallel: number;
  pipelineParallel: number;
}

/** Tokens of one forward pass: pieces of prompts, or whole batches in encoders. */
export function batchedTokens(request: ReplicaRequest, model: ModelFact, usableBytes: number): number {
  const context = Math.min(request.contextTokens, model.contextTokens);
  return model.task === "text-generation" ? maxBatchedTokens(usableBytes, context, request.concurrency) : request.concurrency * context;
}

interface Served {
  weights: number;
  cache: number;
  cachePerToken: number;
  overhead: number;
}

function served(request: ReplicaRequest, model: ModelFact, precision: Precision, usableBytes: number, { tensorParallel, pipelineParallel }: Parallelism, checkpointBytes = 0): Served {
  const bytesPerValue = keyValueBytesPerValue(precision, request.keyValuePrecision);
  const batched = batchedTokens(request, model, usableBytes);
  const need = { contextTokens: Math.min(request.contextTokens, model.contextTokens), concurrency: request.concurrency, maxBatchedTokens: batched };
  return {
    weights: weightsBytesPerGpu(model, precision, tensorParallel, pipelineParallel) * Math.max(1, checkpointBytes / weightsBytes(model, precision)),
    cache: keyValueBytesPerGpu(model, bytesPerValue, tensorParallel, pipelineParallel, need),
    cachePerToken: keyValueBytesPerTokenPerGpu(model, bytesPerValue, tensorParallel, pipelineParallel),
    overhead: overheadBytes({ model, engine: request.engine, precision, tensorParallel, pipelineParallel, concurrency: request.concurrency, batchedTokens: batched }),
  };
}

/** Memory of the fullest GPU of a replica. `marginBytes` is negative where it does not fit. */
export function memoryBudget(request: ReplicaRequest, usableBytes: number, parallelism: Parallelism, sharedBy = 1): MemoryBudget {
  const main = served(request, request.model, request.precision, usableBytes, parallelism, request.checkpointBytes);
  const others = (request.moreModels ?? []).map(({ model, precision }) => served(request, model, precision, usableBytes, parallelism));
  const sum = (of: (each: Served) => number): number => others.reduce((total, each) => total + of(each), of(main));
  const weights = sum(({ weights: each }) => each);
  const overhead = sum(({ overhead: each }) => each);
  const cache = sum(({ cache: each }) => each);
  const budget = budgetBytes(request.engine, usableBytes, utilizationOf(request, sharedBy), weights, overhead);
  const othersCache = cache - main.cache;
  const tokens = request.concurrency * Math.min(request.contextTokens, request.model.contextTokens);
  const left = Math.max(0, budget - weights - overhead - othersCache);
  return {
    usableBytes,
    budgetBytes: budget,
    weightsBytes: weights,
    overheadBytes: overhead,
    keyValueBytesPerToken: main.cachePerToken,
    keyValueBytes: cache,
    keyValueTokens: main.cache === 0 ? 0 : Math.floor((left / main.cache) * tokens),
    marginBytes: budget - weights - overhead - cache,
  };
}
