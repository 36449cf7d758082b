import { bytesPerParameter, type GpuFact } from "../../catalog";
import type { ThroughputEstimate } from "../plan-types";
import { keyValueBytesPerGpu, keyValueBytesPerValue } from "./key-value";
import type { ReplicaRequest } from "./request";
import { embeddingParameters, weightFormat, weightsBytes } from "./weights";

/** Of nominal bandwidth and arithmetic: measured matrix products reach 70 to 87 % (facts 1). */
const reachable = 0.7;
/** One all-reduce of a small message: launch and synchronisation, microseconds. Assumptions. */
const allReduceMicroseconds = { nvlink: 10, pcie: 30 };
/** One hop between pipeline stages, microseconds. An assumption. */
const hopMicroseconds = 20;
/** One direction of x16 at each PCIe generation (facts 8). */
const pcieGBps: Readonly<Record<number, number>> = { 3: 15.75, 4: 31.5, 5: 63 };
/** Requests are half done on average. */
const averageContextShare = 0.5;

export interface Links {
  /** Whether tensor parallelism stays on NVLink. */
  nvlink: boolean;
  pcieGeneration: number;
}

interface Rates {
  /** Of a token's forward pass in the arithmetic that the GPU has for the format. */
  flopsPerSecond: number;
  bytesPerSecond: number;
}

function ratesOf(fact: GpuFact, { precision, model }: ReplicaRequest): Rates {
  const format = weightFormat(model, precision);
  const tflops = format === "fp8" && fact.nativeFp8 ? (fact.denseTflops.fp8 ?? fact.denseTflops.fp16) : format === "fp32" ? fact.denseTflops.fp16 / 2 : fact.denseTflops.fp16;
  return { flopsPerSecond: tflops * 1e12 * reachable, bytesPerSecond: fact.memoryBandwidthGBps * 1e9 * reachable };
}

/** Parameters that the tokens of one step touch: with experts, more of them the more tokens there are. */
function touchedShare({ model, concurrency }: ReplicaRequest): number {
  const { experts, activeParametersBillion, parametersBillion } = model;
  if (experts === undefined || activeParametersBillion === undefined) return 1;
  const fixed = Math.max(0, activeParametersBillion - (parametersBillion * experts.active) / experts.total) / parametersBillion;
  const untouched = (1 - experts.active / experts.total) ** concurrency;
  return Math.min(1, Math.max(activeParametersBillion / parametersBillion, fixed + (1 - fixed) * (1 - untouched)));
}

function allReduceSeconds({ model, concurrency }: ReplicaRequest, fact: GpuFact, tensorParallel: number, links: Links): number {
  if (tensorParallel === 1) return 0;
  const oneWayGBps = links.nvlink ? fact.nvlink.totalGBps / 2 : (pcieGBps[links.pcieGeneration] ?? 15.75);
  const bytes = 2 * ((tensorParallel - 1) / tensorParallel) * concurrency * model.hiddenSize * 2;
  const each = bytes / (oneWayGBps * 1e9) + (links.nvlink ? allReduceMicroseconds.nvlink : allReduceMicroseconds.pcie) / 1e6;
  return 2 * model.layers * each;
}

/** Roofline of one replica on GPUs: nothing is measured. */
export function roofline(request: ReplicaRequest, fact: GpuFact, parallelism: { tensorParallel: number; pipelineParallel: number }, links: Links): ThroughputEstimate {
  const { model, precision, concurrency, contextTokens } = request;
  const { tensorParallel, pipelineParallel } = parallelism;
  const rates = ratesOf(fact, request);
  const gpus = tensorParallel * pipelineParallel;
  const active = (model.activeParametersBillion ?? model.parametersBillion) * 1e9 - embeddingParameters(model).input;
  const assumptions = [
    `${reachable * 100} % of nominal bandwidth and arithmetic (facts 1: 70 to 87 % of matrix products)`,
    "no time for scheduling, sampling and tokenising",
  ];
  if (model.attention.kind === "no-cache") {
    const tokens = Math.min(contextTokens, model.contextTokens);
    const seconds = Math.max((2 * active * tokens * concurrency) / (rates.flopsPerSecond * gpus), weightsBytes(model, precision) / (rates.bytesPerSecond * gpus));
    assumptions.push(`every request has ${tokens} tokens; batches of ${concurrency}`);
    return { tokensPerSecondPerRequest: tokens / seconds, tokensPerSecond: (tokens * concurrency) / seconds, boundBy: "arithmetic", assumptions };
  }
  const context = Math.max(1, Math.round(Math.min(contextTokens, model.contextTokens) * averageContextShare));
  const bytesPerValue = keyValueBytesPerValue(precision, request.keyValuePrecision);
  const cacheBytes = keyValueBytesPerGpu(model, bytesPerValue, tensorParallel, 1, { contextTokens: context, concurrency, maxBatchedTokens: 0 });
  const weights = (weightsBytes(model, precision) - embeddingParameters(model).input * bytesPerParameter.bf16) * touchedShare(request);
  const memorySeconds = (weights / tensorParallel + cacheBytes) / rates.bytesPerSecond;
  const arithmeticSeconds = (2 * active * concurrency) / (rates.flopsPerSecond * tensorParallel);
  const step = Math.max(memorySeconds, arithmeticSeconds) + allReduceSeconds(request, fact, tensorParallel, links) + ((pipelineParallel - 1) * hopMicroseconds) / 1e6;
  assumptions.push(`${concurrency} requests at once, half of ${Math.min(contextTokens, model.contextTokens)} tokens each on average`);
  if (tensorParallel > 1) assumptions.push(`two all-reduces a layer over ${links.nvlink ? "NVLink" : `PCIe ${links.pcieGeneration}.0`}, ${links.nvlink ? allReduceMicroseconds.nvlink : allReduceMicroseconds.pcie} µs each`);
  if (pipelineParallel > 1) assumptions.push("pipeline stages follow each other: none is counted as working ahead");
  return { tokensPerSecondPerRequest: 1 / step, tokensPerSecond: concurrency / step, boundBy: memorySeconds >= arithmeticSeconds ? "memory bandwidth" : "arithmetic", assumptions };
}

/** Tokens of prompts that a replica reads in a second: bound by arithmetic. */
export function prefillTokensPerSecond(request: ReplicaRequest, fact: GpuFact, tensorParallel: number, pipelineParallel: number): number {
  const active = (request.model.activeParametersBillion ?? request.model.parametersBillion) * 1e9;
  return (ratesOf(fact, request).flopsPerSecond * tensorParallel * pipelineParallel) / (2 * active);
}
