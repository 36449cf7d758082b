import { bytesPerParameter } from "../../catalog";
import type { ServicePlan, Workload } from "../plan-types";

/** Where no estimate is known: slower than a person reads is taken for a stuck request. */
const slowestTokensPerSecond = 10;
const shortestSeconds = 30;
/** A pod that is ending holds its GPUs. Longer answers than this are cut off, and the plan says so. */
const longestSeconds = 600;

export interface Drain {
  seconds: number;
  /** What the longest possible request would take, where that is more. */
  cutOff?: string;
}

/** How long requests in flight may need: the longest context at the estimated speed of one request. */
export function drain({ model }: ServicePlan, { sizing }: Workload): Drain {
  if (model.task !== "text-generation") return { seconds: shortestSeconds };
  const wanted = Math.ceil(sizing.contextTokens / (sizing.estimate?.tokensPerSecondPerRequest ?? slowestTokensPerSecond));
  if (wanted <= longestSeconds) return { seconds: Math.max(shortestSeconds, wanted) };
  return { seconds: longestSeconds, cutOff: `an answer of all ${sizing.contextTokens} tokens takes about ${wanted} s: a pod that ends waits ${longestSeconds} s for its requests and cuts off what is left` };
}

/** Whether the folder holds 16-bit weights that are to be quantised: it is stated to be half as large again as the precision asks. */
export function storedUnquantised({ spec, model }: ServicePlan): boolean {
  const bytes = bytesPerParameter[spec.precision];
  return bytes < 2 && spec.weights.sizeGB !== undefined && spec.weights.sizeGB > 1.5 * model.parametersBillion * bytes;
}

/** What dynamic batching means to engines that make up a batch anew for every token. */
export function continuousBatchingNote({ spec }: ServicePlan, limit: string): string[] {
  const batching = spec.dynamicBatching;
  if (batching === undefined) return [];
  return [
    `dynamicBatching: this engine batches continuously, so no request waits for others; maxQueueDelayMicroseconds (${batching.maxQueueDelayMicroseconds}) and preferredBatchSizes `
    + `(${batching.preferredBatchSizes.join(", ") || "none"}) have no counterpart and are not used. ${limit}`,
  ];
}
