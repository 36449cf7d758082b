import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { model, type ModelFact, type Precision } from "../../../components/catalog";
import { gibibyte, keyValueBytesPerGpu, keyValueBytesPerTokenPerGpu, memoryBudget, weightFormat, weightsBytes, weightsBytesPerGpu, type ReplicaRequest } from "../../../components/inference/sizing";
import { anyRequest, anyShape } from "./arbitraries";

const fact = (id: string): ModelFact => model(id) as ModelFact;
const alone = { tensorParallel: 1, pipelineParallel: 1 };
const asked = (id: string, changes: Partial<ReplicaRequest> = {}): ReplicaRequest => ({ model: fact(id), precision: "bf16", keyValuePrecision: "auto", contextTokens: 8192, concurrency: 8, engine: "vllm", ...changes });

describe("weights", () => {
  it("keep embeddings in 16 bits when the rest is narrower", () => {
    const embeddings = 2 * 128_256 * 8192;
    expect(weightsBytes(fact("llama-3.1-70b"), "fp8")).toBeCloseTo(70.55e9 - embeddings + 2 * embeddings, -3);
  });

  it("are loaded as published where they were published narrower than asked", () => {
    const formats = (["fp32", "bf16", "fp8", "int4"] as const).map((precision: Precision) => weightFormat(fact("deepseek-v3"), precision));
    expect(formats).toEqual(["fp8", "fp8", "fp8", "int4"]);
    expect(weightFormat(fact("gpt-oss-120b"), "bf16")).toBe("mxfp4");
    expect(weightFormat(fact("llama-3.1-8b"), "fp8")).toBe("fp8");
  });

  it("of all GPUs together are no less than the whole", () => {
    fc.assert(
      fc.property(anyRequest, fc.constantFrom(1, 2, 4, 8), fc.integer({ min: 1, max: 5 }), ({ model: subject, precision }, tensorParallel, pipelineParallel) => {
        const together = weightsBytesPerGpu(subject, precision, tensorParallel, pipelineParallel) * tensorParallel * pipelineParallel;
        expect(together).toBeGreaterThanOrEqual(weightsBytes(subject, precision) * 0.999999);
      }),
    );
  });

  it("are no smaller than a checkpoint whose size is stated", () => {
    const { weightsBytes: weights } = memoryBudget(asked("llama-3.1-405b", { precision: "fp8", checkpointBytes: 480e9 }), 80 * gibibyte, { tensorParallel: 8, pipelineParallel: 1 });
    expect(weights).toBeCloseTo(60e9, -6);
  });
});

describe("cache", () => {
  it("of a token is as the table of facts has it", () => {
    const perToken = (id: string, tensorParallel = 1): number => keyValueBytesPerTokenPerGpu(fact(id), 2, tensorParallel, 1);
    expect(perToken("llama-3.1-8b")).toBe(131_072);
    expect(perToken("llama-3.1-70b")).toBe(327_680);
    expect(perToken("qwen2.5-7b")).toBe(57_344);
    expect(perToken("gemma-3-27b")).toBe(507_904);
    expect(perToken("deepseek-v3")).toBe(70_272);
    expect(perToken("gpt-oss-120b")).toBe(73_728);
    expect(perToken("bert-large")).toBe(0);
  });

  it("stops shrinking where heads are copied, and is not divided where it is latent", () => {
    expect(keyValueBytesPerTokenPerGpu(fact("qwen2.5-7b"), 2, 4, 1)).toBe(57_344 / 4);
    expect(keyValueBytesPerTokenPerGpu(fact("qwen2.5-7b"), 2, 28, 1)).toBe(57_344 / 4);
    expect(keyValueBytesPerTokenPerGpu(fact("deepseek-v3"), 2, 8, 1)).toBe(70_272);
    expect(keyValueBytesPerTokenPerGpu(fact("llama-3.1-70b"), 1, 8, 2)).toBe(327_680 / 2 / 8 / 2);
  });

  it("is capped at the window in layers that have one", () => {
    const need = (contextTokens: number) => ({ contextTokens, concurrency: 1, maxBatchedTokens: 2048 });
    const perLayer = 2 * 16 * 128 * 2;
    const long = keyValueBytesPerGpu(fact("gemma-3-27b"), 2, 1, 1, need(131_072));
    expect(long).toBe(perLayer * (10 * 131_072 + 52 * (1040 + 2048)));
    expect(keyValueBytesPerGpu(fact("gemma-3-27b"), 2, 1, 1, need(65_536)) * 2).toBeGreaterThan(long);
  });
});

describe("memoryBudget", () => {
  it("grows with concurrency and with context", () => {
    fc.assert(
      fc.property(anyRequest, anyShape, fc.integer({ min: 1, max: 64 }), (request, { usableBytes }, more) => {
        const used = (changes: Partial<ReplicaRequest>): number => {
          const { weightsBytes: weights, keyValueBytes, overheadBytes } = memoryBudget({ ...request, ...changes }, usableBytes, alone);
          return weights + keyValueBytes + overheadBytes;
        };
        expect(used({ concurrency: request.concurrency + more })).toBeGreaterThanOrEqual(used({}));
        expect(used({ contextTokens: request.contextTokens + more })).toBeGreaterThanOrEqual(used({}));
      }),
    );
  });

  it("counts as tokens what is left, on the cards of the guide", () => {
    const { budgetBytes, keyValueBytes, keyValueTokens, marginBytes, keyValueBytesPerToken } = memoryBudget(asked("llama-3.1-8b"), 79.1 * gibibyte, alone);
    expect(budgetBytes).toBeCloseTo(79.1 * gibibyte * 0.92, -3);
    expect(keyValueTokens).toBe(Math.floor((keyValueBytes + marginBytes) / keyValueBytesPerToken));
  });

  it("means by utilization what each engine means", () => {
    const of = (engine: ReplicaRequest["engine"]) => memoryBudget(asked("llama-3.1-8b", { engine, memoryUtilization: 0.5 }), 80 * gibibyte, alone);
    expect(of("vllm").budgetBytes).toBe(40 * gibibyte);
    const free = of("tensorrt-llm");
    const held = free.weightsBytes + free.overheadBytes;
    expect(free.budgetBytes).toBeCloseTo(held + (80 * gibibyte - held) / 2, -3);
    const fixed = of("sglang");
    expect(fixed.budgetBytes).toBeCloseTo(40 * gibibyte + fixed.overheadBytes, -3);
  });

  it("adds up the models of one server", () => {
    const one = memoryBudget(asked("bert-large", { engine: "triton" }), 80 * gibibyte, alone);
    const two = memoryBudget(asked("bert-large", { engine: "triton", moreModels: [{ model: fact("vit-l-16"), precision: "fp16" }] }), 80 * gibibyte, alone);
    expect(two.weightsBytes - one.weightsBytes).toBe(weightsBytes(fact("vit-l-16"), "fp16"));
    expect(two.overheadBytes).toBeGreaterThan(one.overheadBytes);
    expect(one.keyValueTokens).toBe(0);
  });

  it("shares a GPU between pods that take turns", () => {
    expect(memoryBudget(asked("llama-3.1-8b"), 80 * gibibyte, alone, 4).budgetBytes).toBeCloseTo((80 * gibibyte * 0.92) / 4, -3);
  });
});
