import type { Attention } from "../../catalog";
import type { ConfigReader } from "./config-reader";

export type { ConfigReader } from "./config-reader";

/** Layers with a window, from whatever the family uses to say so; all of them where only a window is given. */
function windowedLayers(reader: ConfigReader, layers: number): number {
  const types = reader.list("layer_types");
  if (types !== undefined) return Math.min(layers, types.filter((type) => type === "sliding_attention" || type === "chunked_attention").length);
  const pattern = reader.count("sliding_window_pattern") ?? (reader.text("model_type")?.startsWith("gemma3") === true ? 6 : undefined);
  // Every pattern-th layer sees everything.
  if (pattern !== undefined) return pattern === 1 ? 0 : layers - Math.floor(layers / pattern);
  const fullFrom = reader.whole("max_window_layers");
  if (fullFrom !== undefined) return Math.max(0, layers - fullFrom);
  return reader.text("model_type") === "gpt_oss" ? Math.ceil(layers / 2) : layers;
}

/** How a text model's attention keeps its cache. */
export function attentionOf(reader: ConfigReader, layers: number): Attention {
  const latentRank = reader.count("kv_lora_rank");
  if (latentRank !== undefined) return { kind: "latent", latentRank, ropeDimension: reader.count("qk_rope_head_dim") ?? 64 };
  const windowTokens = reader.count("sliding_window");
  // Qwen writes a window and says beside it that it is not used.
  if (windowTokens === undefined || reader.flag("use_sliding_window") === false) return { kind: "full" };
  const windowed = windowedLayers(reader, layers);
  return windowed === 0 ? { kind: "full" } : { kind: "sliding", windowTokens, windowedLayers: windowed };
}
