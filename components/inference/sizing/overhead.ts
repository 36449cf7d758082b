import type { EngineId, ModelFact, Precision } from "../../catalog";
import { gibibyte } from "./units";

/** What an engine takes besides weights and cache, apart. All of one GPU. */
export interface OverheadParts {
  /** Peak of one forward pass. */
  activationBytes: number;
  /** Logits and the copies that sampling makes of them. */
  samplingBytes: number;
  /** Captured CUDA graphs, in engines that capture any. */
  graphBytes: number;
  /** CUDA context, cuBLAS workspaces and, between GPUs, NCCL's buffers. */
  runtimeBytes: number;
}

/** Between published vLLM logs of 0.1 and 1.8 GiB on one GPU (`docs/sizing.md`): an assumption. */
const runtimeGiB = 0.5;
/** NCCL's channels and the custom all-reduce: an assumption between 0.2 and 2 GiB in published logs. */
const communicationGiB = 1;
/** vLLM's "Graph capturing finished … took" lies between 0.2 and 1.5 GiB: an assumption. */
const graphGiB = 0.6;
const graphEngines: readonly EngineId[] = ["vllm", "sglang", "tensorrt-llm"];
/** vLLM's profile run of the sampler: logits in 32 bits, and sorts and probabilities of the same size (fitted to the gpt-oss logs in `docs/sizing.md`). */
const samplingCopies = 8;
/** Above this memory vLLM reads prompts in pieces of 8192 tokens, below in pieces of 2048 (its defaults for the server). */
const largeGpuGiB = 70;

/** Tokens of one forward pass: what engines with chunked prefill are told, and what the overhead is computed for. */
export function maxBatchedTokens(usableBytes: number, contextTokens: number, concurrency: number): number {
  return Math.max(concurrency, Math.min(usableBytes >= largeGpuGiB * gibibyte ? 8192 : 2048, contextTokens * concurrency));
}

function activationBytesPerToken(model: ModelFact, bytesPerValue: number, tensorParallel: number): number {
  const { hiddenSize, attentionHeads, keyValueHeads, headDimension, feedForwardSize, expertFeedForwardSize, experts } = model;
  const attention = ((attentionHeads + 2 * keyValueHeads) * headDimension) / tensorParallel;
  // Gate, up and their product; with experts for each expert that a token visits, and its answer.
  const ofExperts = experts === undefined ? 0 : (experts.active + experts.shared) * ((3 * (expertFeedForwardSize ?? feedForwardSize)) / tensorParallel + hiddenSize);
  const dense = experts === undefined || expertFeedForwardSize !== undefined ? (3 * feedForwardSize) / tensorParallel : 0;
  const feedForward = Math.max(ofExperts, dense);
  return bytesPerValue * (4 * hiddenSize + attention + feedForward);
}

export interface OverheadInput {
  model: ModelFact;
  engine: EngineId;
  precision: Precision;
  tensorParallel: number;
  pipelineParallel: number;
  concurrency: number;
  /** Tokens of one forward pass. */
  batchedTokens: number;
}

/** What an engine takes on one GPU besides weights and cache: a model of published logs, whose error `docs/sizing.md` lists. */
export function overheadParts({ model, engine, precision, tensorParallel, pipelineParallel, concurrency, batchedTokens }: OverheadInput): OverheadParts {
  const bytesPerValue = precision === "fp32" ? 4 : 2;
  const parallel = tensorParallel * pipelineParallel > 1;
  const samples = model.task === "text-generation";
  return {
    activationBytes: batchedTokens * activationBytesPerToken(model, bytesPerValue, tensorParallel) + (samples ? 0 : attentionScoreBytes(model, bytesPerValue, concurrency)),
    samplingBytes: samples ? samplingCopies * concurrency * model.vocabularySize * 4 : 0,
    graphBytes: samples && graphEngines.includes(engine) ? graphGiB * gibibyte : 0,
    runtimeBytes: (runtimeGiB + (parallel ? communicationGiB : 0)) * gibibyte,
  };
}

/** Encoders without fused attention hold the scores of every token with every other, of one layer. */
function attentionScoreBytes({ attentionHeads, contextTokens }: ModelFact, bytesPerValue: number, concurrency: number): number {
  return concurrency * attentionHeads * contextTokens * contextTokens * bytesPerValue;
}

export function overheadBytes(input: OverheadInput): number {
  const { activationBytes, samplingBytes, graphBytes, runtimeBytes } = overheadParts(input);
  return activationBytes + samplingBytes + graphBytes + runtimeBytes;
}
