import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { modelCatalog } from "../../../components/catalog";
import { enginePod } from "../../../components/inference/engines/pod";
import type { ServicePlan } from "../../../components/inference/plan-types";
import { ensureTritonParser, parseTritonConfigs, type Parsed } from "../../support/triton-config";
import { containerOf } from "./container";
import { arbitraryPlan, planOf, twoServers, workloadOf } from "./plans";

const environment = twoServers();
let missing: string | undefined;

beforeAll(() => {
  missing = ensureTritonParser();
  if (missing !== undefined) process.stdout.write(`Triton's parser is not here, so its configurations are not parsed: ${missing}\n`);
}, 120_000);

function configsOf(service: ServicePlan): Record<string, string> {
  const [workload] = service.workloads;
  if (workload === undefined) throw new Error("the plan has no workload");
  const { program } = enginePod({ environment, service, workload });
  return Object.fromEntries(program.files.filter(({ path }) => path.endsWith("config.pbtxt")).map(({ path, content }) => [path.split("/")[2] ?? "", content]));
}

/** The message that Triton reads. Throws what its parser says. */
function parsed(text: string): Record<string, unknown> {
  const [answer] = parseTritonConfigs([text]);
  if (answer?.fault !== undefined || answer === undefined) throw new Error(answer?.fault ?? "nothing was parsed");
  return answer.config;
}

const camera = planOf("camera", "triton", { model: "vit-l-16", precision: "fp16", dynamicBatching: { maxQueueDelayMicroseconds: 200, preferredBatchSizes: [16, 8, 32] } });

describe("a model's configuration", () => {
  it("is refused by Triton's parser where it is wrong", (context) => {
    if (missing !== undefined) return context.skip();
    const faults = parseTritonConfigs(['name: "a" backend: "onnxruntime"', "max_batch: 8", "max_batch_size: many", "instance_group { kind: KIND_NPU }"]).map(({ fault }) => fault);
    expect(faults[0]).toBeUndefined();
    for (const fault of faults.slice(1)) expect(fault).toEqual(expect.any(String));
  });

  it("of a vision transformer has its batches, its device, TensorRT and a warm-up", (context) => {
    if (missing !== undefined) return context.skip();
    const config = parsed(configsOf(camera).camera ?? "");
    expect(config).toMatchObject({
      name: "camera", backend: "onnxruntime", max_batch_size: 32, default_model_filename: "model.onnx",
      input: [{ name: "pixel_values", data_type: "TYPE_FP32", dims: ["3", "224", "224"] }],
      output: [{ name: "logits", data_type: "TYPE_FP32", dims: ["1000"] }],
      instance_group: [{ count: 1, kind: "KIND_GPU", gpus: [0] }],
      dynamic_batching: { preferred_batch_size: [8, 16, 32], max_queue_delay_microseconds: "200" },
      model_warmup: [
        { name: "batch-1", batch_size: 1 }, { name: "batch-8", batch_size: 8 }, { name: "batch-16", batch_size: 16 },
        { name: "batch-32", batch_size: 32, inputs: { pixel_values: { data_type: "TYPE_FP32", dims: ["3", "224", "224"], zero_data: true } } },
      ],
    });
    expect(config.optimization).toEqual({
      execution_accelerators: {
        gpu_execution_accelerator: [{
          name: "tensorrt",
          parameters: {
            precision_mode: "FP16", max_workspace_size_bytes: "1073741824", trt_engine_cache_enable: "1", trt_engine_cache_path: "/home/engine/cache/tensorrt",
            trt_profile_min_shapes: "pixel_values:1x3x224x224", trt_profile_opt_shapes: "pixel_values:32x3x224x224", trt_profile_max_shapes: "pixel_values:32x3x224x224",
          },
        }],
      },
    });
  });

  it("of BERT bounds the length of texts, and takes the labels of its own config.json", (context) => {
    if (missing !== undefined) return context.skip();
    const plain = parsed(configsOf(planOf("texts", "triton", { model: "bert-large", precision: "fp16" }, [workloadOf("texts", {}, { concurrency: 64, contextTokens: 512 })])).texts ?? "");
    expect(plain.input).toEqual(["input_ids", "attention_mask", "token_type_ids"].map((name) => ({ name, data_type: "TYPE_INT64", dims: ["-1"] })));
    expect(plain).not.toHaveProperty("output");
    expect(plain.dynamic_batching).toEqual({});
    expect(JSON.stringify(plain.optimization)).toContain("input_ids:64x512,attention_mask:64x512,token_type_ids:64x512");
    const labelled = parsed(configsOf(planOf("texts", "triton", { model: "bert-large", modelConfig: { id2label: { 0: "invoice", 1: "letter", 2: "other" } } })).texts ?? "");
    expect(labelled.output).toEqual([{ name: "logits", data_type: "TYPE_FP32", dims: ["3"] }]);
  });

  it("on the CPU has no GPU in it", (context) => {
    if (missing !== undefined) return context.skip();
    const { resource: _resource, ...cpu } = workloadOf("camera", { accelerator: "cpu", devicesPerPod: 0 });
    const config = parsed(configsOf({ ...camera, workloads: [cpu] }).camera ?? "");
    expect(config.instance_group).toEqual([{ count: 1, kind: "KIND_CPU" }]);
    expect(config.optimization).toEqual({ execution_accelerators: { cpu_execution_accelerator: [{ name: "openvino" }] } });
  });

  it("of an engine that was built ahead names its folder and batches in flight", (context) => {
    if (missing !== undefined) return context.skip();
    const service = planOf("writer", "triton", { model: "qwen2.5-7b", modelConfig: { build_config: { max_batch_size: 8 } } });
    expect(containerOf(environment, service).image).toMatch(/tritonserver:26\.07-trtllm-python-py3$/);
    const config = parsed(configsOf(service).writer ?? "");
    expect(config).toMatchObject({ backend: "tensorrtllm", model_transaction_policy: { decoupled: true } });
    expect(config.parameters).toMatchObject({ gpt_model_path: { string_value: "/models/qwen2.5-7b" }, gpt_model_type: { string_value: "inflight_fused_batching" } });
  });

  it("parses and agrees with itself for whatever a plan asks", (context) => {
    if (missing !== undefined) return context.skip();
    const services = fc.sample(arbitraryPlan.filter(({ engine }) => engine === "triton"), { numRuns: 300, seed: 7 });
    const all = services.flatMap((service) => Object.entries(configsOf(service)).map(([name, text]) => ({ service, name, text })));
    const answers: Parsed[] = parseTritonConfigs(all.map(({ text }) => text));
    expect(answers.map(({ fault }) => fault).filter((fault) => fault !== undefined)).toEqual([]);
    answers.forEach((answer, index) => {
      const { name, service } = all[index] ?? { name: "", service: camera };
      const config = ("config" in answer ? answer.config : {}) as { name: string; max_batch_size?: number; dynamic_batching?: { preferred_batch_size?: number[] }; model_warmup?: { batch_size: number }[]; instance_group: { gpus?: number[] }[] };
      expect(config.name).toBe(name);
      const most = config.max_batch_size ?? 0;
      // Triton refuses a preferred size or a warm-up above the greatest batch, and a GPU that the pod does not have.
      for (const size of config.dynamic_batching?.preferred_batch_size ?? []) expect(size).toBeLessThanOrEqual(most);
      for (const { batch_size: size } of config.model_warmup ?? []) expect(size).toBeLessThanOrEqual(most);
      for (const gpu of config.instance_group.flatMap(({ gpus }) => gpus ?? [])) expect(gpu).toBeLessThan(service.workloads[0]?.devicesPerPod ?? 0);
    });
  });
});

describe("the model repository", () => {
  it("has a version of each ONNX model, which is the store's folder itself", () => {
    const service = planOf("camera", "triton", { model: "vit-l-16", moreModels: { texts: { model: "./own/bert", precision: "fp16" } } });
    const { volumeMounts } = containerOf(environment, service);
    expect(volumeMounts).toEqual(expect.arrayContaining([
      { name: "models", mountPath: "/repository/camera/1", subPath: "vit-l-16", readOnly: true },
      { name: "models", mountPath: "/repository/texts/1", subPath: "own/bert", readOnly: true },
      { name: "files", mountPath: "/repository/camera/config.pbtxt", subPath: "repository.camera.config.pbtxt", readOnly: true },
      { name: "files", mountPath: "/repository/texts/config.pbtxt", subPath: "repository.texts.config.pbtxt", readOnly: true },
    ]));
  });

  it("leaves what is not known of a model to the file itself", (context) => {
    if (missing !== undefined) return context.skip();
    const service = planOf("camera", "triton", { model: "vit-l-16", moreModels: { own: { model: "/own/model", precision: "fp16" } } });
    const config = parsed(configsOf(service).own ?? "");
    expect(config).toMatchObject({ backend: "onnxruntime", max_batch_size: 8 });
    for (const field of ["input", "output", "optimization", "model_warmup"]) expect(config).not.toHaveProperty(field);
  });

  it("knows a further model by what the planner read of it", (context) => {
    if (missing !== undefined) return context.skip();
    const service = planOf("texts", "triton", { model: "bert-large", moreModels: { camera: { model: "/own/camera", modelConfig: { image_size: 384, num_labels: 2 } } } });
    const config = parsed(configsOf({ ...service, moreModels: { camera: { model: modelCatalog["vit-l-16"], weightsGB: 0.6 } } }).camera ?? "");
    expect(config).toMatchObject({ input: [{ name: "pixel_values", dims: ["3", "384", "384"] }], output: [{ name: "logits", dims: ["2"] }] });
  });

  it("gives vLLM inside of Triton fields that its engine arguments have", () => {
    const service = planOf("writer", "triton", { model: "qwen2.5-7b", kvCachePrecision: "fp8" });
    const [workload] = service.workloads;
    const { program } = enginePod({ environment, service, workload: workload ?? workloadOf("writer") });
    const file = program.files.find(({ path }) => path === "/repository/writer/1/model.json");
    expect(JSON.parse(file?.content ?? "")).toEqual({
      model: "/models/qwen2.5-7b", tensor_parallel_size: 1, pipeline_parallel_size: 1, max_model_len: 8192, max_num_seqs: 8, gpu_memory_utilization: 0.92, kv_cache_dtype: "fp8",
    });
    expect(containerOf(environment, service).image).toMatch(/tritonserver:26\.07-vllm-python-py3$/);
  });
});
