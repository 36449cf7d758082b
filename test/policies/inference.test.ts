import { describe, expect, it } from "vitest";
import { engineForServing } from "../../policies/inference/engine-for-serving";
import { fp8Native } from "../../policies/inference/fp8-native";
import { largeModelsOnTensorAndPipeline } from "../../policies/inference/large-models-on-tensor-and-pipeline";
import { memoryBoundsTheModel } from "../../policies/inference/memory-bounds-the-model";
import { tensorParallelDividesHeads } from "../../policies/inference/tensor-parallel-divides-heads";
import { tensorParallelInNvlinkDomain } from "../../policies/inference/tensor-parallel-in-nvlink-domain";
import type { InferenceServiceSpec } from "../../policies/specs";
import { analyze, broken, expectViolations } from "./analyze";
import { serviceSpec } from "./fixtures";

type Workload = InferenceServiceSpec["workloads"][number];

/** The happy service on its active workload alone, changed. */
const service = (workload: Partial<Workload>, change: (spec: InferenceServiceSpec) => void = () => undefined) =>
  broken(serviceSpec(), (spec) => {
    spec.workloads = spec.workloads.slice(0, 1).map((each) => ({ ...each, ...workload }));
    change(spec);
  });

describe("memory-bounds-the-model", () => {
  const gib = 1024 ** 3;
  const memory = (change: Partial<Workload["memory"]>) => service({}, ({ workloads }) => {
    for (const each of workloads) Object.assign(each.memory, change);
  });

  it("refuses a replica that needs a byte more than its budget, and says of what", () => {
    expect(analyze(memoryBoundsTheModel, memory({ budgetBytes: 33 * gib }))).toEqual([]);
    expectViolations(analyze(memoryBoundsTheModel, memory({ budgetBytes: 33 * gib - 1 })), { at: "services.assistant.gpusPerReplica", says: ["assistant-gpu-01", "33.0 GiB", "weights 20.0", "cache 10.0", "overhead 3.0"], allowed: "33.0 GiB" });
  });

  it("refuses a budget above what programs can have", () => {
    expect(analyze(memoryBoundsTheModel, memory({ budgetBytes: 79 * gib }))).toEqual([]);
    expectViolations(analyze(memoryBoundsTheModel, memory({ budgetBytes: 80 * gib })), { at: "services.assistant.memoryUtilization", says: ["80.0 GiB"], allowed: "79.0 GiB, which is what programs can have of it" });
  });

  it("keeps what the site wants free", () => {
    expect(analyze(memoryBoundsTheModel, memory({}), { config: { spareGiB: 39 } })).toEqual([]);
    expect(analyze(memoryBoundsTheModel, memory({}), { config: { spareGiB: 39.1 } })).toHaveLength(1);
  });
});

describe("tensor-parallel-divides-heads", () => {
  const at = "services.assistant.tensorParallel";
  const heads = (tensorParallel: number, attentionHeads: number, keyValueHeads: number, latentCache = false) => service({ tensorParallel }, ({ model }) => Object.assign(model, { attentionHeads, keyValueHeads, latentCache }));

  it("refuses a degree that does not divide the attention heads", () => {
    expectViolations(analyze(tensorParallelDividesHeads, heads(3, 64, 8)), { at, says: ["64 attention heads", "3"], allowed: "a divisor of 64" });
  });

  it("refuses a degree that neither divides the key-value heads nor is a multiple of them", () => {
    expectViolations(analyze(tensorParallelDividesHeads, heads(4, 24, 6)), { at, says: ["6 key-value heads", "4"], allowed: "a divisor or a multiple of 6" });
  });

  it.each([[1, 64, 8], [8, 64, 8], [16, 64, 8], [4, 28, 4]] as const)("accepts %i with %i and %i heads", (degree, attention, keyValue) => {
    expect(analyze(tensorParallelDividesHeads, heads(degree, attention, keyValue))).toEqual([]);
  });

  it("asks no key-value heads of a latent cache", () => {
    expect(analyze(tensorParallelDividesHeads, heads(4, 24, 6, true))).toEqual([]);
  });
});

describe("tensor-parallel-in-nvlink-domain", () => {
  const at = "services.assistant.tensorParallel";
  const cut = (tensorParallel: number, nvlinkDomain: number) => service({ tensorParallel, nvlinkDomain });

  it("objects beyond the bridge and, without one, beyond two cards", () => {
    expectViolations(analyze(tensorParallelInNvlinkDomain, cut(4, 2)), { at, says: ["4 GPUs", "NVLink joins 2"], allowed: "2 or less" });
    expectViolations(analyze(tensorParallelInNvlinkDomain, cut(4, 1)), { at, says: ["4 GPUs", "no NVLink"], allowed: "2 or less" });
    expect(analyze(tensorParallelInNvlinkDomain, cut(16, 8))).toHaveLength(1);
    expectViolations(analyze(tensorParallelInNvlinkDomain, cut(4, 2), { config: { overPcie: 4 } }), { at, says: ["NVLink joins 2"], allowed: "2 or less" });
  });

  it("accepts the domain itself, and two or what the site allows over PCIe", () => {
    for (const spec of [cut(2, 2), cut(8, 8), cut(2, 1), cut(1, 1)]) expect(analyze(tensorParallelInNvlinkDomain, spec)).toEqual([]);
    expect(analyze(tensorParallelInNvlinkDomain, cut(4, 1), { config: { overPcie: 4 } })).toEqual([]);
  });
});

describe("large-models-on-tensor-and-pipeline", () => {
  const cut = (tensorParallel: number, pipelineParallel: number, nvlinkDomain: number, parametersBillion = 68.98) => service({ tensorParallel, pipelineParallel, nvlinkDomain }, ({ model }) => (model.parametersBillion = parametersBillion));

  it("objects to tensor parallelism alone and to pipeline stages alone across domains", () => {
    expectViolations(analyze(largeModelsOnTensorAndPipeline, cut(4, 1, 2)), { at: "services.assistant.pipelineParallel", says: ["68.98 billion", /without pipeline parallelism$/], allowed: "2 or more of both from 68 billion parameters on" });
    expectViolations(analyze(largeModelsOnTensorAndPipeline, cut(1, 4, 2)), { at: "services.assistant.tensorParallel", says: [/without tensor parallelism$/], allowed: "2 or more of both from 68 billion parameters on" });
  });

  it("objects from 68 billion parameters on, which is where models called 70B begin, and to two GPUs already", () => {
    expectViolations(analyze(largeModelsOnTensorAndPipeline, cut(2, 1, 1, 68)), { at: "services.assistant.pipelineParallel", says: ["tensor parallel 2, pipeline parallel 1"], allowed: "2 or more of both from 68 billion parameters on" });
  });

  it("accepts both together, one domain that holds it, and smaller models", () => {
    for (const spec of [cut(2, 2, 2), cut(8, 1, 8), cut(2, 1, 2), cut(1, 1, 1), cut(4, 1, 1, 67.9)]) expect(analyze(largeModelsOnTensorAndPipeline, spec)).toEqual([]);
  });

  it("asks it of one domain too where the site follows the guide to the letter", () => {
    expect(analyze(largeModelsOnTensorAndPipeline, cut(8, 1, 8), { config: { evenInOneDomain: true } })).toHaveLength(1);
    expect(analyze(largeModelsOnTensorAndPipeline, cut(4, 2, 8), { config: { evenInOneDomain: true } })).toEqual([]);
  });
});

describe("fp8-native", () => {
  const on = (accelerator: string, precision: "fp8" | "int4") => service({ accelerator }, (spec) => (spec.service.precision = precision));

  it.each([["a100-80gb-pcie", "A100"], ["a40", "A40"], ["cpu", "cpu"]])("objects to FP8 on %s", (accelerator, says) => {
    expectViolations(analyze(fp8Native, on(accelerator, "fp8")), { at: "services.assistant.precision", says: [says, "weight-only"], allowed: "GPUs of compute capability 8.9 or newer" });
  });

  it("accepts cards that calculate in it, and other precisions", () => {
    for (const spec of [on("l40s", "fp8"), on("h100-80gb-sxm5", "fp8"), on("b200-sxm", "fp8"), on("a40", "int4")]) expect(analyze(fp8Native, spec)).toEqual([]);
  });
});

describe("engine-for-serving", () => {
  const by = (engine: string, priority: "interactive" | "batch" = "interactive") => service({}, (spec) => void Object.assign(spec, { engine, service: { ...spec.service, priority } }));

  it.each(["deepspeed", "colossalai"])("objects to %s for people who wait", (engine) => {
    expectViolations(analyze(engineForServing, by(engine)), { at: "services.assistant.engine", says: [engine], allowed: "engines other than deepspeed and colossalai" });
    expect(analyze(engineForServing, by(engine, "batch"))).toEqual([]);
  });

  it("accepts the others, or those that the site does not list", () => {
    expect(analyze(engineForServing, by("triton"))).toEqual([]);
    expect(analyze(engineForServing, by("deepspeed"), { config: { engines: ["pytorch"] } })).toEqual([]);
    expect(analyze(engineForServing, by("pytorch"), { config: { engines: ["pytorch"] } })).toHaveLength(1);
  });
});
