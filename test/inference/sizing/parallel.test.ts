import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { model, type ModelFact } from "../../../components/catalog";
import { canPipeline, chooseParallel, closestChoice, naturalChoices, smallestChanges, splitFault, tensorParallelFault, type ReplicaRequest } from "../../../components/inference/sizing";
import { anyRequest, anyShape, shapeOf } from "./arbitraries";

function request(id: string, changes: Partial<ReplicaRequest> = {}): ReplicaRequest {
  return { model: model(id) as ModelFact, precision: "bf16", keyValuePrecision: "auto", contextTokens: 8192, concurrency: 8, engine: "vllm", ...changes };
}

const splitOf = (id: string, accelerator: string, devices: number, servers = 1, changes: Partial<ReplicaRequest> = {}) => chooseParallel(request(id, changes), shapeOf(accelerator, devices), servers)?.split;
const servers = fc.integer({ min: 1, max: 4 });

describe("chooseParallel", () => {
  it("never exceeds the budget, nor the budget what is usable", () => {
    fc.assert(
      fc.property(anyRequest, anyShape, servers, (wanted, shape, most) => {
        const memory = chooseParallel(wanted, shape, most)?.sizing.memory;
        if (memory === undefined) return;
        expect(memory.marginBytes).toBeGreaterThanOrEqual(0);
        expect(memory.weightsBytes + memory.keyValueBytes + memory.overheadBytes).toBeLessThanOrEqual(memory.budgetBytes * (1 + 1e-9));
        expect(memory.budgetBytes).toBeLessThanOrEqual(memory.usableBytes * (1 + 1e-9));
      }),
    );
  });

  it("never splits what cannot be split", () => {
    fc.assert(
      fc.property(anyRequest, anyShape, servers, (wanted, shape, most) => {
        const split = chooseParallel(wanted, shape, most)?.split;
        if (split === undefined) return;
        const { model: fact, engine } = wanted;
        expect(fact.attentionHeads % split.tensorParallel).toBe(0);
        expect(fact.feedForwardSize % split.tensorParallel).toBe(0);
        if (fact.attention.kind !== "latent") expect(fact.keyValueHeads % split.tensorParallel === 0 || split.tensorParallel % fact.keyValueHeads === 0).toBe(true);
        expect(split.pipelineParallel).toBeLessThanOrEqual(fact.layers);
        if (split.pipelineParallel > 1) expect(canPipeline(engine)).toBe(true);
        expect((split.tensorParallel * split.pipelineParallel) % split.servers).toBe(0);
        expect(split.tensorParallel).toBeLessThanOrEqual(shape.devicesPerServer);
        expect(split.tensorParallel * split.pipelineParallel).toBeLessThanOrEqual(shape.devicesPerServer * split.servers);
        expect(split.servers).toBeLessThanOrEqual(most);
      }),
    );
  });

  it("still finds a fit when a server or a GPU is added", () => {
    fc.assert(
      fc.property(anyRequest, anyShape, servers, (wanted, shape, most) => {
        if (chooseParallel(wanted, shape, most) === undefined) return;
        expect(chooseParallel(wanted, shape, most + 1)).toBeDefined();
        expect(chooseParallel(wanted, shapeOf(shape.accelerator, shape.devicesPerServer + 1), most)).toBeDefined();
      }),
    );
  });

  it("comes nearest exactly where it fits", () => {
    fc.assert(
      fc.property(anyRequest, anyShape, servers, (wanted, shape, most) => {
        const closest = closestChoice(wanted, shape, most);
        expect((closest?.sizing.memory.marginBytes ?? -1) >= 0).toBe(chooseParallel(wanted, shape, most) !== undefined);
      }),
    );
  });

  it("takes one GPU where one is enough", () => {
    expect(splitOf("llama-3.1-8b", "a100-80gb-sxm4", 8)).toEqual({ tensorParallel: 1, pipelineParallel: 1, servers: 1 });
  });

  it("stays in one NVLink domain with tensor parallelism alone, and says so against guide 4.2", () => {
    const choice = chooseParallel(request("llama-3.1-70b"), shapeOf("a100-80gb-sxm4", 8), 1);
    expect(choice?.split).toEqual({ tensorParallel: 4, pipelineParallel: 1, servers: 1 });
    expect(choice?.sizing.reasons.join("\n")).toContain("guide 4.2 pairs tensor with pipeline parallelism");
  });

  it("puts pipeline stages between pairs of bridged cards", () => {
    expect(splitOf("llama-3.1-70b", "a100-80gb-pcie", 4)).toEqual({ tensorParallel: 2, pipelineParallel: 2, servers: 1 });
  });

  it("prefers a pipeline where there is no NVLink, and tensor parallelism over PCIe where the engine has no pipeline", () => {
    expect(splitOf("qwen2.5-32b", "l40s", 4)).toEqual({ tensorParallel: 1, pipelineParallel: 3, servers: 1 });
    const choice = chooseParallel(request("qwen2.5-32b", { engine: "deepspeed" }), shapeOf("l40s", 4), 1);
    expect(choice?.split).toEqual({ tensorParallel: 4, pipelineParallel: 1, servers: 1 });
    expect(choice?.sizing.reasons.join("\n")).toContain("goes over PCIe 4.0");
  });

  it("cuts 405 billion parameters by tensors inside and by stages between servers", () => {
    const choice = chooseParallel(request("llama-3.1-405b"), shapeOf("h100-80gb-sxm5", 8), 4);
    expect(choice?.split).toEqual({ tensorParallel: 8, pipelineParallel: 2, servers: 2 });
    expect(choice?.sizing.reasons.join("\n")).toContain("tensor and pipeline parallelism together (guide 4.2)");
  });

  it("keeps to what is stated, even where less would do", () => {
    expect(splitOf("llama-3.1-8b", "a100-80gb-sxm4", 8, 1, { gpus: 4 })).toEqual({ tensorParallel: 4, pipelineParallel: 1, servers: 1 });
    expect(splitOf("llama-3.1-8b", "a100-80gb-sxm4", 8, 1, { pipelineParallel: 2 })).toEqual({ tensorParallel: 1, pipelineParallel: 2, servers: 1 });
    expect(splitOf("phi-4", "a100-80gb-sxm4", 8, 1, { tensorParallel: 4 })).toBeUndefined();
  });

  it("rounds uneven stages up", () => {
    const uneven = chooseParallel(request("llama-3.1-70b", { pipelineParallel: 3, tensorParallel: 1 }), shapeOf("a100-80gb-sxm4", 4), 1);
    // 27 of 80 layers, not 26.7.
    expect(uneven?.sizing.memory.keyValueBytesPerToken).toBe(27 * 2 * 8 * 128 * 2);
    expect(uneven?.sizing.reasons.join("\n")).toContain("80 layers on 3 stages: the fullest holds 27");
  });
});

describe("tensorParallelFault", () => {
  const fault = (id: string, degree: number): string | undefined => tensorParallelFault(model(id) as ModelFact, degree);

  it("names the heads that do not divide", () => {
    expect(fault("qwen2.5-7b", 8)).toBe("28 attention heads do not divide by 8");
    expect(fault("qwen2.5-7b", 7)).toBe("a feed-forward size of 18944 does not divide by 7");
    expect(fault("phi-4", 4)).toBe("10 key-value heads neither divide by 4 nor into it");
    expect(fault("qwen2.5-14b", 8)).toBeUndefined();
    expect(fault("deepseek-v3", 16)).toBeUndefined();
  });
});

describe("smallestChanges", () => {
  const fits = (shape: ReturnType<typeof shapeOf>) => (changed: ReplicaRequest): number | undefined => {
    const split = chooseParallel(changed, shape, 1)?.split;
    return split === undefined ? undefined : split.tensorParallel * split.pipelineParallel;
  };

  it("offers changes that each make it fit, and no larger context than does", () => {
    const shape = shapeOf("a100-80gb-sxm4", 2);
    const wanted = request("llama-3.1-70b");
    const changes = smallestChanges(wanted, fits(shape));
    expect(changes).toContainEqual({ field: "precision", value: "fp8" });
    const short = request("llama-3.1-8b", { contextTokens: 131_072, concurrency: 8 });
    const one = shapeOf("a100-80gb-sxm4", 1);
    const context = smallestChanges(short, fits(one)).find(({ field }) => field === "contextTokens")?.value as number;
    expect(fits(one)({ ...short, contextTokens: context })).toBe(1);
    expect(fits(one)({ ...short, contextTokens: context + 1024 })).toBeUndefined();
  });

  it("offers another number of GPUs where the stated one is too small", () => {
    expect(smallestChanges(request("llama-3.1-70b", { gpus: 2 }), fits(shapeOf("a100-80gb-sxm4", 8)))[0]).toEqual({ field: "gpusPerReplica", value: 4 });
  });

  it("offers only what fits, whatever is asked", () => {
    fc.assert(
      fc.property(anyRequest, anyShape, (wanted, shape) => {
        if (chooseParallel(wanted, shape, 1) !== undefined) return;
        for (const { field, value } of smallestChanges(wanted, fits(shape))) {
          if (field === "gpusPerReplica") continue;
          const key = field === "kvCachePrecision" ? "keyValuePrecision" : field;
          expect(fits(shape)({ ...wanted, [key]: value })).toBeDefined();
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("naturalChoices", () => {
  const gpusOf = ({ split }: { split: { tensorParallel: number; pipelineParallel: number } }): number => split.tensorParallel * split.pipelineParallel;

  it("has each number of GPUs once, ascending, and nothing that cannot be carried out", () => {
    fc.assert(
      fc.property(anyRequest, anyShape, servers, (wanted, shape, most) => {
        const choices = naturalChoices(wanted, shape, most);
        const gpus = choices.map(gpusOf);
        expect(gpus).toEqual([...new Set(gpus)].sort((a, b) => a - b));
        for (const { split } of choices) expect(splitFault(wanted, shape, split)).toBeUndefined();
      }),
    );
  });

  it("has what is chosen on one server, unless that is a compromise for none of them fits", () => {
    fc.assert(
      fc.property(anyRequest, anyShape, (wanted, shape) => {
        const choices = naturalChoices(wanted, shape, 1);
        const chosen = chooseParallel(wanted, shape, 1);
        const fitting = choices.filter(({ sizing }) => sizing.memory.marginBytes >= 0);
        if (fitting.length > 0) expect(fitting[0]?.split).toEqual(chosen?.split);
        else if (chosen !== undefined) expect(choices.map(({ split }) => split)).not.toContainEqual(chosen.split);
      }),
    );
  });

  it("keeps to numbers that are stated", () => {
    expect(naturalChoices(request("llama-3.1-70b", { gpus: 4 }), shapeOf("a100-80gb-sxm4", 8), 1).map(gpusOf)).toEqual([4]);
    expect(naturalChoices(request("llama-3.1-70b"), shapeOf("a100-80gb-sxm4", 8), 1).map(gpusOf)).toEqual([1, 2, 4, 8]);
  });
});
