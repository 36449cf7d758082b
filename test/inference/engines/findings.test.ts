import { describe, expect, it } from "vitest";
import type { EngineId } from "../../../components/catalog";
import type { Environment } from "../../../components/environment";
import { formatProblems, toProblem } from "../../../components/environment/problems";
import { serviceFindings } from "../../../components/inference/engines/findings";
import { planWorkloads } from "../../../components/inference/placement";
import type { Workload } from "../../../components/inference/plan-types";
import { planOf, stackEnvironments, twoServers, workloadOf } from "./plans";

const mirrored = twoServers();
const withoutMirror: Environment = { ...mirrored, site: { ...mirrored.site, mirror: undefined } };

function found(engine: EngineId, spec: Partial<Parameters<typeof planOf>[2]>, workload: Workload = workloadOf("a"), environment = mirrored): string {
  return formatProblems("file", serviceFindings(environment, planOf("a", engine, { model: "qwen2.5-7b", ...spec }, [workload])).map(toProblem));
}

describe("what an engine cannot do is said with what to do", () => {
  it.each<[string, EngineId, Partial<Parameters<typeof planOf>[2]>, Workload | undefined, RegExp]>([
    ["a model from a hub without its name there", "vllm", { weights: { from: "hub" } }, undefined, /services\.a\.weights come from a hub.*allowed: owner\/name/],
    ["a model from a hub under a folder's name", "vllm", { weights: { from: "hub", folder: "qwen" } }, undefined, /services\.a\.weights .*got "qwen"/],
    ["an address as a name", "vllm", { hostname: "10.0.0.9" }, undefined, /services\.a\.hostname is an address/],
    ["a door without a key", "tensorrt-llm", { hostname: "models.corp.example" }, undefined, /trtllm-serve takes no API key/],
    ["two kinds of models in one Triton image", "triton", { moreModels: { camera: { model: "vit-l-16" } } }, undefined, /services\.a\.moreModels needs vllm and onnxruntime/],
    ["FP8 by ONNX Runtime", "triton", { model: "vit-l-16", precision: "fp8" }, undefined, /services\.a\.precision .*allowed: fp32, bf16, fp16, int8/],
    ["INT4 of a further model by ONNX Runtime", "triton", { model: "vit-l-16", moreModels: { texts: { model: "bert-large", precision: "int4" } } }, undefined, /services\.a\.moreModels of texts/],
    ["a built engine over GPUs", "triton", { modelConfig: { build_config: {} } }, workloadOf("a", {}, { tensorParallel: 2 }), /cannot split an engine over GPUs/],
    ["FP8 by DeepSpeed", "deepspeed", { precision: "fp8" }, undefined, /services\.a\.precision is one that deepspeed does not serve/],
    ["an encoder by ColossalAI", "colossalai", { model: "bert-large" }, undefined, /generates text only/],
    ["a CPU for DeepSpeed", "deepspeed", {}, workloadOf("a", { accelerator: "cpu", devicesPerPod: 0 }), /deepspeed needs GPUs/],
    ["a model split by PyTorch alone", "pytorch", {}, workloadOf("a", {}, { tensorParallel: 4 }), /services\.a\.tensorParallel is more than PyTorch alone does, got 4; allowed: 1/],
    ["stages by DeepSpeed", "deepspeed", {}, workloadOf("a", {}, { pipelineParallel: 2 }), /services\.a\.pipelineParallel is more than deepspeed does/],
    ["an FP8 cache by ColossalAI", "colossalai", { kvCachePrecision: "fp8" }, undefined, /services\.a\.kvCachePrecision is one that colossalai does not have/],
    ["INT4 made while loading", "vllm", { precision: "int4", weights: { sizeGB: 15.2 } }, undefined, /cannot be made by vllm while it loads.*allowed: fp8, int8/],
    ["INT8 made by SGLang while loading", "sglang", { precision: "int8", weights: { sizeGB: 15.2 } }, undefined, /cannot be made by sglang while it loads.*allowed: fp8/],
  ])("%s", (_what, engine, spec, workload, words) => {
    const text = found(engine, spec, workload);
    expect(text).toMatch(words);
    expect(text.split("\n")).toHaveLength(1);
  });

  it("an image that no one publishes, at a site without a registry", () => {
    for (const engine of ["deepspeed", "colossalai", "pytorch"] as const) {
      expect(found(engine, {}, undefined, withoutMirror)).toMatch(new RegExp(`services\\.a\\.engine needs an image that no one publishes, got "${engine}"\\. Build rackwright/${engine}:`));
      expect(found(engine, {})).toBe("");
    }
    expect(found("vllm", {}, workloadOf("a", { accelerator: "vendor.example/npu", resource: "vendor.example/npu" }), withoutMirror)).toMatch(/rackwright\/vllm-npu/);
    expect(found("vllm", {}, undefined, withoutMirror)).toBe("");
  });

  it("all of it at once", () => {
    const text = found("deepspeed", { precision: "fp8", kvCachePrecision: "fp8", hostname: "10.0.0.9" }, workloadOf("a", {}, { pipelineParallel: 2 }), withoutMirror);
    expect(text.split("\n")).toHaveLength(5);
  });

  it("nothing of the repository's environments", () => {
    for (const [name, environment] of Object.entries(stackEnvironments())) {
      for (const service of Object.values(planWorkloads(environment).services)) expect(serviceFindings(environment, service), `${name}: ${service.name}`).toEqual([]);
    }
  });
});
