import type { ModelFact } from "../../catalog";
import { embeddingParameters } from "./weights";

/** What counting needs besides the model itself. */
export interface ArchitectureDetail {
  /** Layers of a mixture that have one feed-forward network as large as `denseSize` instead of experts. */
  denseLayers: number;
  denseSize: number;
  /** Of latent attention: rank of the queries, and dimensions of a head's values and of its part without position. */
  queryRank: number | undefined;
  valueDimension: number | undefined;
  nopeDimension: number | undefined;
}

function attentionParameters(model: ModelFact, detail: ArchitectureDetail): number {
  const { attention, hiddenSize, attentionHeads, keyValueHeads, headDimension } = model;
  if (attention.kind !== "latent") return hiddenSize * headDimension * (2 * attentionHeads + 2 * keyValueHeads);
  const nope = detail.nopeDimension ?? headDimension - attention.ropeDimension;
  const value = detail.valueDimension ?? nope;
  const perHead = attentionHeads * (nope + attention.ropeDimension);
  const queries = detail.queryRank === undefined ? hiddenSize * perHead : detail.queryRank * (hiddenSize + perHead);
  const keysAndValues = hiddenSize * (attention.latentRank + attention.ropeDimension) + attention.latentRank * attentionHeads * (nope + value);
  return queries + keysAndValues + attentionHeads * value * hiddenSize;
}

/** Parameters of an architecture: all, and those that one token uses. Norms and biases are left out: below 0.1 %. */
export function countParameters(model: ModelFact, detail: ArchitectureDetail): { total: number; active: number } {
  const { task, layers, hiddenSize, experts, feedForwardSize, expertFeedForwardSize = feedForwardSize } = model;
  const gated = task === "text-generation" ? 3 : 2;
  const embeddings = embeddingParameters(model);
  const attention = layers * attentionParameters(model, detail);
  const dense = gated * hiddenSize * detail.denseSize;
  const positions = task === "text-generation" ? 0 : model.contextTokens * hiddenSize;
  const outside = embeddings.input + embeddings.output + positions + attention;
  if (experts === undefined) return { total: outside + layers * dense, active: outside + layers * dense };
  const one = gated * hiddenSize * expertFeedForwardSize;
  const router = hiddenSize * experts.total;
  const mixed = layers - Math.min(layers, detail.denseLayers);
  const common = outside + (layers - mixed) * dense + mixed * router;
  return { total: common + mixed * (experts.total + experts.shared) * one, active: common - embeddings.input + mixed * (experts.active + experts.shared) * one };
}
