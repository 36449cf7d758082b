/** Number formats of weights, and what one parameter takes. */
export const bytesPerParameter = {
  fp32: 4,
  bf16: 2,
  fp16: 2,
  fp8: 1,
  int8: 1,
  /** 4.25 bits: groups of 128 with a 16-bit scale and zero point (facts 4). */
  int4: 4.25 / 8,
} as const;

export type Precision = keyof typeof bytesPerParameter;

/** How attention keeps its cache. */
export type Attention =
  | { kind: "full" }
  /** Some layers keep a window of tokens only. */
  | { kind: "sliding"; windowTokens: number; windowedLayers: number }
  /** One latent head shared by all: its cache is not divided by tensor parallelism. */
  | { kind: "latent"; latentRank: number; ropeDimension: number }
  /** Encoders answer in one pass and keep nothing. */
  | { kind: "no-cache" };

/** What is known of one model: enough to size weights and cache (facts 4). */
export interface ModelFact {
  name: string;
  task: "text-generation" | "text-encoder" | "image-classification";
  parametersBillion: number;
  /** Used for one token, in mixtures of experts. */
  activeParametersBillion?: number;
  layers: number;
  hiddenSize: number;
  /** Tensor parallelism must divide it: a hard error in vLLM otherwise. */
  attentionHeads: number;
  /** Replicated where tensor parallelism exceeds it, so that the cache per GPU stops shrinking. */
  keyValueHeads: number;
  headDimension: number;
  feedForwardSize: number;
  vocabularySize: number;
  /** Longest prompt and answer together; for image models the number of patches and the class token. */
  contextTokens: number;
  experts?: { total: number; active: number; shared: number };
  /** Of one expert, where the first layers have a larger network instead of experts. @default - feedForwardSize */
  expertFeedForwardSize?: number;
  /** The output head is the input embedding: one tensor instead of two. */
  tiedEmbeddings?: boolean;
  attention: Attention;
  /** Number format of the published weights. */
  publishedPrecision: Precision | "mxfp4";
  source: string;
  conflict?: string;
}

const litgpt = "facts 4 (litgpt's config.py of June 2026, which cites each model's own configuration); parameters computed from the architecture";
const full: Attention = { kind: "full" };

/** A text model with grouped-query attention and 16-bit published weights: most of the table. */
function decoder(
  name: string,
  [parametersBillion, layers, hiddenSize, attentionHeads, keyValueHeads, headDimension, feedForwardSize, vocabularySize, contextTokens]: readonly [number, number, number, number, number, number, number, number, number],
  rest: Partial<ModelFact> = {},
): ModelFact {
  return {
    name, task: "text-generation", parametersBillion, layers, hiddenSize, attentionHeads, keyValueHeads, headDimension,
    feedForwardSize, vocabularySize, contextTokens, attention: full, publishedPrecision: "bf16", source: litgpt, ...rest,
  };
}

/** Models by catalog id (guide 1, 3.2, 4.2, 6.1, 6.2; facts 4). */
export const modelCatalog = {
  //                                                    params  layers hidden heads kv  dim  ffn   vocab   context
  "llama-3.1-8b": decoder("Llama 3.1 8B",               [8.03,   32,  4096,  32,  8, 128, 14336, 128256, 131072]),
  "llama-3.1-70b": decoder("Llama 3.1 70B",             [70.55,  80,  8192,  64,  8, 128, 28672, 128256, 131072]),
  "llama-3.3-70b": decoder("Llama 3.3 70B",             [70.55,  80,  8192,  64,  8, 128, 28672, 128256, 131072]),
  "llama-3.1-405b": decoder("Llama 3.1 405B",           [405.85, 126, 16384, 128, 8, 128, 53248, 128256, 131072]),
  "llama-2-70b": decoder("Llama 2 70B",                 [68.98,  80,  8192,  64,  8, 128, 28672, 32000,  4096]),
  "mistral-7b-v0.3": decoder("Mistral 7B v0.3",         [7.25,   32,  4096,  32,  8, 128, 14336, 32768,  32768]),
  "mixtral-8x7b": decoder("Mixtral 8x7B",               [46.7,   32,  4096,  32,  8, 128, 14336, 32000,  32768], {
    activeParametersBillion: 12.9, experts: { total: 8, active: 2, shared: 0 },
    source: `${litgpt}; active parameters: general knowledge`,
  }),
  "mistral-large-2411": decoder("Mistral Large 2411",   [122.61, 88,  12288, 96,  8, 128, 28672, 32768,  32768], {
    conflict: "Context: litgpt says 32768, the publisher's announcement 131072; the lower was taken.",
  }),
  "qwen2.5-7b": decoder("Qwen2.5 7B",                   [7.62,   28,  3584,  28,  4, 128, 18944, 152064, 131072]),
  "qwen2.5-14b": decoder("Qwen2.5 14B",                 [14.77,  48,  5120,  40,  8, 128, 13824, 152064, 131072]),
  "qwen2.5-32b": decoder("Qwen2.5 32B",                 [32.76,  64,  5120,  40,  8, 128, 27648, 152064, 131072]),
  "qwen2.5-72b": decoder("Qwen2.5 72B",                 [72.71,  80,  8192,  64,  8, 128, 29568, 152064, 131072]),
  "qwen3-8b": decoder("Qwen3 8B",                       [8.19,   36,  4096,  32,  8, 128, 12288, 151936, 40960]),
  "qwen3-14b": decoder("Qwen3 14B",                     [14.77,  40,  5120,  40,  8, 128, 17408, 151936, 40960]),
  "qwen3-32b": decoder("Qwen3 32B",                     [32.76,  64,  5120,  64,  8, 128, 25600, 151936, 40960]),
  "qwen3-30b-a3b": decoder("Qwen3 30B A3B",             [30.53,  48,  2048,  32,  4, 128, 768,   151936, 40960], {
    activeParametersBillion: 3.3, experts: { total: 128, active: 8, shared: 0 },
    source: `${litgpt}; active parameters: general knowledge`,
  }),
  "qwen3-235b-a22b": decoder("Qwen3 235B A22B",         [235.09, 94,  4096,  64,  4, 128, 1536,  151936, 40960], {
    activeParametersBillion: 22, experts: { total: 128, active: 8, shared: 0 },
    source: `${litgpt}; active parameters: the model's name`,
  }),
  "gemma-3-27b": decoder("Gemma 3 27B",                 [27.01,  62,  5376,  32, 16, 128, 21504, 262144, 131072], {
    attention: { kind: "sliding", windowTokens: 1024, windowedLayers: 52 }, tiedEmbeddings: true,
    conflict: "27.01 billion are the text model's; the vision tower adds about 0.4 (general knowledge) and is not counted.",
  }),
  "phi-4": decoder("Phi-4",                             [14.66,  40,  5120,  40, 10, 128, 17920, 100352, 16384]),
  "deepseek-v3": decoder("DeepSeek-V3",                 [671,    61,  7168, 128,  1, 192, 18432, 129280, 131072], {
    activeParametersBillion: 37, experts: { total: 256, active: 8, shared: 1 }, expertFeedForwardSize: 2048,
    attention: { kind: "latent", latentRank: 512, ropeDimension: 64 }, publishedPrecision: "fp8",
    source: "facts 4 (DeepSeek-V3's inference/configs/config_671B.json and README)",
    conflict: "The repository holds 685 billion with 14 for multi-token prediction; 671 are loaded for serving. The first 3 layers are dense with the feed-forward size given, the rest are experts of 2048.",
  }),
  "gpt-oss-120b": decoder("gpt-oss 120B",               [117,    36,  2880,  64,  8, 64,  2880,  201088, 131072], {
    activeParametersBillion: 5.1, experts: { total: 128, active: 4, shared: 0 },
    attention: { kind: "sliding", windowTokens: 128, windowedLayers: 18 }, publishedPrecision: "mxfp4",
    source: "facts 4 (gpt-oss's gpt_oss/torch/model.py and README)",
  }),
  "bert-large": {
    name: "BERT large", task: "text-encoder", parametersBillion: 0.335, layers: 24, hiddenSize: 1024, attentionHeads: 16, keyValueHeads: 16,
    headDimension: 64, feedForwardSize: 4096, vocabularySize: 30522, contextTokens: 512, attention: { kind: "no-cache" }, publishedPrecision: "fp32",
    source: "general knowledge (the paper's 24 layers of 1024); parameters computed from the architecture",
    conflict: "The paper rounds to 340 million; 335 million are counted without the pre-training heads. The guide's 11 GB (3.2) is no weight size: weights are 1.34 GB in fp32.",
  },
  "vit-l-16": {
    name: "Vision Transformer L/16 at 224 pixels", task: "image-classification", parametersBillion: 0.304, layers: 24, hiddenSize: 1024, attentionHeads: 16, keyValueHeads: 16,
    headDimension: 64, feedForwardSize: 4096, vocabularySize: 1000, contextTokens: 197, attention: { kind: "no-cache" }, publishedPrecision: "fp32",
    source: "general knowledge (the paper's 24 layers of 1024, patches of 16 pixels: 14 x 14 and the class token); parameters computed from the architecture",
  },
} as const satisfies Record<string, ModelFact>;

export type ModelId = keyof typeof modelCatalog;

/** Size of the weights in decimal gigabytes, as facts 4 lists them. Embeddings kept at 16 bits by a quantiser are not added. */
export function weightsGB(fact: ModelFact, precision: Precision): number {
  return fact.parametersBillion * bytesPerParameter[precision];
}

/**
 * Bytes of key-value cache that one token takes in the whole model, all layers in full attention and no parallelism:
 * an upper bound for models with sliding windows.
 */
export function keyValueBytesPerToken(fact: ModelFact, bytesPerValue: 1 | 2 = 2): number {
  switch (fact.attention.kind) {
    case "no-cache":
      return 0;
    case "latent":
      return fact.layers * (fact.attention.latentRank + fact.attention.ropeDimension) * bytesPerValue;
    case "full":
    case "sliding":
      return 2 * fact.layers * fact.keyValueHeads * fact.headDimension * bytesPerValue;
  }
}
