import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { model, type ModelFact } from "../../../components/catalog";
import { modelFromConfig } from "../../../components/inference/sizing";
import { configs } from "./configs";

function read(name: keyof typeof configs, parametersBillion?: number): ModelFact {
  const result = modelFromConfig(configs[name], parametersBillion);
  if (!result.ok) throw new Error(JSON.stringify(result.findings));
  return result.model;
}

const close = (counted: number, known: number): void => {
  expect(Math.abs(counted / known - 1)).toBeLessThan(0.005);
};

describe("modelFromConfig", () => {
  it.each(["llama-3.1-8b", "qwen2.5-7b", "mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v3", "gemma-3-27b", "bert-large", "vit-l-16"] as const)("reads %s as the catalog has it", (name) => {
    const known = model(name) as ModelFact;
    const found = read(name);
    for (const key of ["task", "layers", "hiddenSize", "attentionHeads", "feedForwardSize", "expertFeedForwardSize", "experts", "attention", "keyValueHeads", "headDimension", "tiedEmbeddings"] as const) {
      expect([key, found[key]]).toEqual([key, known[key]]);
    }
    close(found.parametersBillion, known.parametersBillion);
  });

  it("counts what one token uses of a mixture", () => {
    close(read("mixtral-8x7b").activeParametersBillion ?? 0, 12.75);
    expect(read("deepseek-v3").activeParametersBillion).toBeCloseTo(37, -0.5);
  });

  it("counts published totals of models that the catalog has not", () => {
    close(read("qwen3-4b").parametersBillion, 4.02);
    close(read("gpt-oss-20b").parametersBillion, 20.9);
    close(read("phi-3-mini").parametersBillion, 3.82);
  });

  it("reads formats of quantised checkpoints", () => {
    const format = (quantization_config: Record<string, unknown>): unknown => {
      const result = modelFromConfig({ ...configs["llama-3.1-8b"], quantization_config });
      return result.ok ? result.model.publishedPrecision : result.findings[0]?.message;
    };
    expect(format({ quant_method: "awq", bits: 4 })).toBe("int4");
    expect(format({ quant_method: "gptq", bits: 8 })).toBe("int8");
    expect(format({ quant_method: "fp8" })).toBe("fp8");
    expect(format({ quant_method: "compressed-tensors", config_groups: { group_0: { weights: { num_bits: 8, type: "float" } } } })).toBe("fp8");
    expect(format({ quant_method: "compressed-tensors", config_groups: { group_0: { weights: { num_bits: 4, type: "int" } } } })).toBe("int4");
    expect(format({ quant_method: "spqr" })).toBe("is not known to the planner");
  });

  it("reads windows: by layer types, by pattern, everywhere, and not where they are switched off", () => {
    expect(read("gpt-oss-20b").attention).toEqual({ kind: "sliding", windowTokens: 128, windowedLayers: 12 });
    expect(read("phi-3-mini").attention).toEqual({ kind: "sliding", windowTokens: 2047, windowedLayers: 32 });
    expect(read("qwen2.5-7b").attention).toEqual({ kind: "full" });
  });

  it("takes a stated number of parameters", () => {
    expect(read("mixtral-8x7b", 50).parametersBillion).toBeCloseTo(50, 6);
  });

  it("names every fault with its place and what to do", () => {
    const result = modelFromConfig({ model_type: "llama", hidden_size: "4096", num_attention_heads: 32, vocab_size: -1 });
    expect(result.ok).toBe(false);
    const places = result.ok ? [] : result.findings.map(({ keys }) => keys.join("."));
    expect(places).toEqual(["num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size", "max_position_embeddings"].sort((a, b) => places.indexOf(a) - places.indexOf(b)));
    const nested = modelFromConfig({ model_type: "gemma3", text_config: { model_type: "gemma3_text" } });
    expect(nested.ok ? [] : nested.findings[0]?.keys).toEqual(["text_config", "num_hidden_layers"]);
  });

  it("names an architecture that it does not know, and what it knows", () => {
    const result = modelFromConfig({ model_type: "mamba" });
    expect(result).toMatchObject({ ok: false, findings: [{ keys: ["model_type"], value: "mamba" }] });
    expect(modelFromConfig({})).toMatchObject({ ok: false, findings: [{ message: "is missing" }] });
  });

  it("never throws, whatever is pasted", () => {
    fc.assert(fc.property(fc.dictionary(fc.constantFrom(...Object.keys(configs["deepseek-v3"]), "text_config", "layer_types", "sliding_window"), fc.jsonValue()), fc.constantFrom(...Object.values(configs)), (noise, config) => void modelFromConfig({ ...config, ...noise })));
  });
});
