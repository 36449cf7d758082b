import { bytesPerParameter, type ModelFact, type Precision } from "../../catalog";
import { ceilDivide } from "./units";

/** 4-bit floats in blocks of 32 with one 8-bit scale: 4.25 bits (facts 4). */
const mxfp4Bytes = 4.25 / 8;
/** What quantisers leave alone: embeddings, the output head, norms. */
const unquantisedBytes = 2;

export type WeightFormat = Precision | "mxfp4";

/**
 * The format that weights have in memory. A checkpoint that was published in 8 or 4 bits is loaded as it is: asking for 16
 * bits says what it computes in. Fewer bits than published mean a checkpoint that somebody quantised further.
 */
export function weightFormat(model: ModelFact, precision: Precision): WeightFormat {
  const published = model.publishedPrecision;
  const bytes = published === "mxfp4" ? mxfp4Bytes : bytesPerParameter[published];
  return bytes < unquantisedBytes && bytes < bytesPerParameter[precision] ? published : precision;
}

/** Parameters of the input embedding and of the output head, apart. */
export function embeddingParameters(model: ModelFact): { input: number; output: number } {
  const one = model.vocabularySize * model.hiddenSize;
  if (model.task === "image-classification") return { input: 0, output: one };
  return { input: one, output: model.task === "text-encoder" || model.tiedEmbeddings === true ? 0 : one };
}

/** Parameters of all experts. */
function expertParameters({ experts, layers, hiddenSize, feedForwardSize, expertFeedForwardSize }: ModelFact): number {
  return experts === undefined ? 0 : layers * (experts.total + experts.shared) * 3 * hiddenSize * (expertFeedForwardSize ?? feedForwardSize);
}

interface WeightParts {
  inputBytes: number;
  outputBytes: number;
  /** All layers together. */
  layersBytes: number;
  /** Key and value projections of one head in all layers: what each further copy of a head costs. */
  keyValueHeadBytes: number;
}

function weightParts(model: ModelFact, precision: Precision): WeightParts {
  const format = weightFormat(model, precision);
  const embeddings = embeddingParameters(model);
  const layers = Math.max(0, model.parametersBillion * 1e9 - embeddings.input - embeddings.output);
  const wide = format === "fp32" ? bytesPerParameter.fp32 : unquantisedBytes;
  const narrow = format === "mxfp4" ? wide : bytesPerParameter[format];
  // OpenAI's checkpoints have the experts in MXFP4 and everything else in bf16.
  const inExperts = format === "mxfp4" ? Math.min(layers, expertParameters(model)) : 0;
  return {
    inputBytes: embeddings.input * wide,
    outputBytes: embeddings.output * wide,
    layersBytes: inExperts * mxfp4Bytes + (layers - inExperts) * narrow,
    keyValueHeadBytes: 2 * model.layers * model.hiddenSize * model.headDimension * narrow,
  };
}

/** MXFP4 kernels round the hidden size of experts up to this many values (fitted to the gpt-oss logs in `docs/sizing.md`). */
const expertPadding = 256;

/** What padding adds to the experts of an MXFP4 model in memory. */
function paddingBytes(model: ModelFact, precision: Precision): number {
  if (weightFormat(model, precision) !== "mxfp4") return 0;
  const padded = ceilDivide(model.hiddenSize, expertPadding) * expertPadding;
  return expertParameters(model) * mxfp4Bytes * (padded / model.hiddenSize - 1);
}

/** Bytes of all weights: the size of the checkpoint, but for what is not loaded for serving. */
export function weightsBytes(model: ModelFact, precision: Precision): number {
  const { inputBytes, outputBytes, layersBytes } = weightParts(model, precision);
  return inputBytes + outputBytes + layersBytes;
}

/**
 * Bytes of weights on the fullest GPU. Pipeline stages hold whole layers, so that an uneven division is rounded up; the
 * first stage has the embedding, the last the output head. Heads that are fewer than the GPUs are copied.
 */
export function weightsBytesPerGpu(model: ModelFact, precision: Precision, tensorParallel: number, pipelineParallel: number): number {
  const { inputBytes, outputBytes, layersBytes: unpaddedBytes, keyValueHeadBytes } = weightParts(model, precision);
  const layersBytes = unpaddedBytes + paddingBytes(model, precision);
  const ends = pipelineParallel === 1 ? inputBytes + outputBytes : Math.max(inputBytes, outputBytes, model.tiedEmbeddings === true ? inputBytes : 0);
  const stageShare = ceilDivide(model.layers, pipelineParallel) / model.layers;
  const copied = copiesHeads(model, tensorParallel) ? keyValueHeadBytes * (1 - model.keyValueHeads / tensorParallel) : 0;
  return ends / tensorParallel + stageShare * (layersBytes / tensorParallel + copied);
}

function copiesHeads({ attention, keyValueHeads }: ModelFact, tensorParallel: number): boolean {
  return (attention.kind === "full" || attention.kind === "sliding") && tensorParallel > keyValueHeads;
}
