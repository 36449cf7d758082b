import type { Attention, ModelFact, Precision } from "../../catalog";
import type { Finding } from "../../environment/problems";
import { attentionOf, type ConfigReader } from "./config-attention";
import { readConfig } from "./config-reader";
import { countParameters } from "./parameters";

export type ModelConfigResult = { ok: true; model: ModelFact } | { ok: false; findings: Finding[] };

/** Types whose layers are what {@link countParameters} counts: gated decoders, encoders, vision transformers. */
const decoders = ["llama", "mistral", "ministral", "qwen2", "qwen3", "gemma3_text", "phi3", "granite", "olmo2", "smollm3"] as const;
const mixtures = ["mixtral", "qwen2_moe", "qwen3_moe", "deepseek_v2", "deepseek_v3", "kimi_k2", "gpt_oss"] as const;
const encoders = ["bert", "roberta", "xlm-roberta", "camembert"] as const;
const images = ["vit", "deit"] as const;

type KnownType = (typeof decoders)[number] | (typeof mixtures)[number] | (typeof encoders)[number] | (typeof images)[number];

const known: readonly string[] = [...decoders, ...mixtures, ...encoders, ...images];

function isKnown(type: string): type is KnownType {
  return known.includes(type);
}

function taskOf(type: KnownType): ModelFact["task"] {
  if ((encoders as readonly string[]).includes(type)) return "text-encoder";
  return (images as readonly string[]).includes(type) ? "image-classification" : "text-generation";
}

/** Number formats by what `torch_dtype` and `dtype` say. */
const dataTypes: Readonly<Record<string, Precision>> = { float32: "fp32", bfloat16: "bf16", float16: "fp16" };

/** Format of a checkpoint that says it is quantised; undefined for methods that are not known. */
function quantisedFormat(quantization: Readonly<Record<string, unknown>>): Precision | "mxfp4" | undefined {
  const method = quantization["quant_method"];
  const bits = Number(quantization["bits"] ?? quantization["w_bit"] ?? 0);
  if (method === "fp8" || method === "fbgemm_fp8") return "fp8";
  if (method === "mxfp4") return "mxfp4";
  if (method === "awq" || method === "gptq") return bits === 8 ? "int8" : "int4";
  if (method === "bitsandbytes") return quantization["load_in_8bit"] === true ? "int8" : "int4";
  if (method !== "compressed-tensors") return undefined;
  const format = JSON.stringify(quantization["config_groups"] ?? {});
  if (/"num_bits":\s*4/.test(format)) return "int4";
  return /"type":\s*"float"/.test(format) ? "fp8" : "int8";
}

function precisionOf(outer: ConfigReader, inner: ConfigReader): ModelFact["publishedPrecision"] | undefined {
  const quantization = outer.record("quantization_config") ?? inner.record("quantization_config");
  if (quantization !== undefined) {
    const format = quantisedFormat(quantization);
    if (format === undefined) outer.fault(["quantization_config", "quant_method"], "is not known to the planner", quantization["quant_method"], "fp8, fbgemm_fp8, mxfp4, awq, gptq, bitsandbytes, compressed-tensors", "Leave quantization_config out and write the service's precision.");
    return format;
  }
  const type = inner.text("dtype") ?? inner.text("torch_dtype") ?? outer.text("dtype") ?? outer.text("torch_dtype") ?? "bfloat16";
  return Object.hasOwn(dataTypes, type) ? dataTypes[type] : "bf16";
}

/** Experts and the size of one, where the model has any; names differ by family. */
function expertsOf(reader: ConfigReader): { experts: NonNullable<ModelFact["experts"]>; size: number | undefined; denseLayers: number } | undefined {
  const total = reader.count("num_local_experts") ?? reader.count("num_experts") ?? reader.count("n_routed_experts");
  if (total === undefined || total < 2) return undefined;
  const active = reader.count("num_experts_per_tok") ?? reader.count("experts_per_token") ?? 1;
  const size = reader.count("moe_intermediate_size");
  const sharedSize = reader.count("shared_expert_intermediate_size");
  const shared = reader.count("n_shared_experts") ?? (sharedSize === undefined || size === undefined ? 0 : Math.round(sharedSize / size));
  return { experts: { total, active, shared }, size, denseLayers: reader.whole("first_k_dense_replace") ?? 0 };
}

/** Patches and the class token; every patch costs like a token. */
function patchTokens(reader: ConfigReader): number {
  const image = reader.count("image_size") ?? 224;
  const patch = reader.count("patch_size") ?? 16;
  return Math.floor(image / patch) ** 2 + 1;
}

function headsOf(reader: ConfigReader, attention: Attention | undefined, hiddenSize: number, attentionHeads: number): { keyValueHeads: number; headDimension: number } {
  if (attention?.kind === "latent") return { keyValueHeads: 1, headDimension: (reader.count("qk_nope_head_dim") ?? 128) + attention.ropeDimension };
  return { keyValueHeads: reader.count("num_key_value_heads") ?? attentionHeads, headDimension: reader.count("head_dim") ?? Math.floor(hiddenSize / attentionHeads) };
}

/**
 * Reads what sizing needs from a model's `config.json`, as its publisher wrote it. Vision-language models keep their
 * language model under `text_config`, which is what is sized.
 * @param parametersBillion overrides what is counted from the architecture.
 * @returns every fault at once, each with its place below `config.json`.
 * @example modelFromConfig(JSON.parse(readFileSync("config.json", "utf8")))
 */
export function modelFromConfig(config: Readonly<Record<string, unknown>>, parametersBillion?: number): ModelConfigResult {
  const outer = readConfig(config, []);
  const nested = outer.record("text_config");
  const reader = nested === undefined ? outer : readConfig(nested, ["text_config"], outer.findings);
  const type = reader.text("model_type") ?? outer.text("model_type") ?? "";
  const family = type === "gemma3" ? "gemma3_text" : type;
  if (!isKnown(family)) {
    outer.fault(["model_type"], type === "" ? "is missing" : "is not an architecture that the planner knows", type === "" ? undefined : type, known.join(", "), "Use a model of these, or one from the catalog.");
    return { ok: false, findings: outer.findings };
  }
  const task = taskOf(family);
  const layers = reader.required("num_hidden_layers");
  const hiddenSize = reader.required("hidden_size");
  const attentionHeads = reader.required("num_attention_heads");
  const mixture = expertsOf(reader);
  const denseSize = mixture?.size === undefined || mixture.denseLayers > 0 ? reader.required("intermediate_size") : (reader.count("intermediate_size") ?? mixture.size);
  const vocabularySize = task === "image-classification" ? Object.keys(reader.record("id2label") ?? {}).length || 1000 : reader.required("vocab_size");
  const contextTokens = task === "image-classification" ? patchTokens(reader) : reader.required("max_position_embeddings");
  const attention = task === "text-generation" ? attentionOf(reader, layers) : ({ kind: "no-cache" } as const);
  const publishedPrecision = precisionOf(outer, reader);
  if (attentionHeads > 0 && reader.count("head_dim") === undefined && reader.count("kv_lora_rank") === undefined && hiddenSize % attentionHeads !== 0) {
    reader.fault(["hidden_size"], `does not divide by ${attentionHeads} attention heads, and head_dim is missing`, hiddenSize);
  }
  if (outer.findings.length > 0 || publishedPrecision === undefined) return { ok: false, findings: outer.findings };

  const hasDense = mixture !== undefined && mixture.denseLayers > 0;
  const model: ModelFact = {
    name: type, task, parametersBillion: 0, layers, hiddenSize, attentionHeads,
    ...headsOf(reader, attention, hiddenSize, attentionHeads),
    feedForwardSize: mixture?.size === undefined || hasDense ? denseSize : mixture.size,
    ...(hasDense && mixture.size !== undefined ? { expertFeedForwardSize: mixture.size } : {}),
    vocabularySize, contextTokens, attention, publishedPrecision,
    ...(mixture === undefined ? {} : { experts: mixture.experts }),
    ...(tiesEmbeddings(reader, outer, family) ? { tiedEmbeddings: true } : {}),
    source: "its config.json",
  };
  const counted = countParameters(model, { denseLayers: mixture?.denseLayers ?? 0, denseSize, queryRank: reader.count("q_lora_rank"), valueDimension: reader.count("v_head_dim"), nopeDimension: reader.count("qk_nope_head_dim") });
  const scale = parametersBillion === undefined ? 1 : (parametersBillion * 1e9) / counted.total;
  return {
    ok: true,
    model: { ...model, parametersBillion: (counted.total * scale) / 1e9, ...(mixture === undefined ? {} : { activeParametersBillion: (counted.active * scale) / 1e9 }) },
  };
}

/** Gemma ties where nothing is said; others say it. */
function tiesEmbeddings(reader: ConfigReader, outer: ConfigReader, family: KnownType): boolean {
  return reader.flag("tie_word_embeddings") ?? outer.flag("tie_word_embeddings") ?? family === "gemma3_text";
}
