import { describe, expect, it } from "vitest";
import { bytesPerParameter, keyValueBytesPerToken, model, modelCatalog, weightsGB, type ModelFact, type Precision } from "../../components/catalog";

const models = Object.entries<ModelFact>(modelCatalog);

/** Parameters counted from the architecture, in billions: attention, feed-forward (gated, three matrices), embeddings. Norms are left out. */
function countedBillion(fact: ModelFact): number {
  const { layers, hiddenSize, attentionHeads, keyValueHeads, headDimension, feedForwardSize, vocabularySize, experts } = fact;
  const attention = 2 * hiddenSize * attentionHeads * headDimension + 2 * hiddenSize * keyValueHeads * headDimension;
  const encoder = fact.attention.kind === "no-cache";
  const feedForward = (encoder ? 2 : 3) * hiddenSize * feedForwardSize * (experts?.total ?? 1);
  // Gemma ties input and output embeddings, encoders have one only.
  const embeddings = encoder || fact.name.startsWith("Gemma") ? 1 : 2;
  return (layers * (attention + feedForward) + embeddings * vocabularySize * hiddenSize) / 1e9;
}

describe("every model", () => {
  it.each(models)("%s has a source and an id of small letters", (id, fact) => {
    expect(id).toMatch(/^[a-z0-9]+([.-][a-z0-9]+)*$/);
    expect(fact.source).not.toBe("");
  });

  const countable = models.filter(([, fact]) => fact.attention.kind !== "latent");
  it.each(countable)("%s has the parameters that its architecture adds up to", (_id, fact) => {
    const counted = countedBillion(fact);
    expect(Math.abs(fact.parametersBillion - counted) / counted).toBeLessThan(0.015);
  });

  it.each(models)("%s has heads that its key-value heads divide, and shares no more experts than it has", (_id, fact) => {
    expect(fact.attentionHeads % fact.keyValueHeads).toBe(0);
    if (fact.experts !== undefined) expect(fact.experts.active).toBeLessThan(fact.experts.total);
    expect(fact.experts !== undefined).toBe(fact.activeParametersBillion !== undefined);
    expect(fact.activeParametersBillion ?? 0).toBeLessThan(fact.parametersBillion);
  });
});

describe("sizes of facts 4", () => {
  it.each<[string, Precision, number]>([
    ["llama-3.1-8b", "bf16", 16.1], ["llama-3.1-8b", "fp8", 8], ["llama-3.1-8b", "int4", 4.3],
    ["llama-3.1-70b", "bf16", 141.1], ["llama-3.1-70b", "fp8", 70.5], ["llama-3.1-70b", "int4", 37.5],
    ["llama-3.1-405b", "bf16", 811.7], ["llama-3.1-405b", "fp8", 405.9], ["llama-3.1-405b", "int4", 215.6],
    ["qwen2.5-72b", "bf16", 145.4], ["qwen2.5-72b", "int4", 38.6], ["qwen2.5-32b", "bf16", 65.5], ["qwen2.5-32b", "int4", 17.4], ["mixtral-8x7b", "bf16", 93.4],
  ])("%s in %s takes %f GB within 1 %%", (id, precision, gigabytes) => {
    const fact = model(id);
    if (fact === undefined) throw new Error(id);
    expect(Math.abs(weightsGB(fact, precision) - gigabytes) / gigabytes).toBeLessThan(0.01);
  });

  it("has 4-bit weights with their scales, not a quarter of 16 bits", () => {
    expect(bytesPerParameter.int4 * 8).toBe(4.25);
  });
});

describe("key-value cache of facts 4, in bytes a token", () => {
  it.each([
    ["llama-3.1-8b", 131072], ["llama-3.1-70b", 327680], ["llama-3.1-405b", 516096], ["llama-2-70b", 327680], ["mistral-7b-v0.3", 131072], ["mixtral-8x7b", 131072], ["mistral-large-2411", 360448],
    ["qwen2.5-7b", 57344], ["qwen2.5-14b", 196608], ["qwen2.5-32b", 262144], ["qwen2.5-72b", 327680], ["qwen3-8b", 147456], ["qwen3-14b", 163840], ["qwen3-32b", 262144], ["qwen3-30b-a3b", 98304],
    ["qwen3-235b-a22b", 192512], ["gemma-3-27b", 507904], ["phi-4", 204800], ["deepseek-v3", 70272], ["gpt-oss-120b", 73728], ["bert-large", 0], ["vit-l-16", 0],
  ] as const)("%s: %i", (id, bytes) => {
    expect(keyValueBytesPerToken(modelCatalog[id])).toBe(bytes);
    expect(keyValueBytesPerToken(modelCatalog[id], 1)).toBe(bytes / 2);
  });
});

describe("tensor parallelism", () => {
  const allowed = (id: keyof typeof modelCatalog): number[] => [1, 2, 4, 5, 7, 8, 16].filter((size) => modelCatalog[id].attentionHeads % size === 0);

  it.each([
    ["qwen2.5-7b", [1, 2, 4, 7]], ["qwen2.5-14b", [1, 2, 4, 5, 8]], ["phi-4", [1, 2, 4, 5, 8]], ["llama-3.1-70b", [1, 2, 4, 8, 16]],
  ] as const)("%s allows %j (facts 4)", (id, sizes) => {
    expect(allowed(id)).toEqual(sizes);
  });
});
