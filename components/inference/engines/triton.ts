import { apiKeyVariable, apiPort, metricsPort, modelsMount, runsOnCpu, type EngineInput, type EngineProgram, type MountedFile, type MountedFolder } from "./engine";
import { commonVariables } from "./offline";
import { message, pbtxt } from "./pbtxt";
import { continuousBatchingNote, drain } from "./requests";
import { builtEngineConfig, isBuiltEngine } from "./tensorrt-engine";
import { onnxConfig, tritonModels, usesTensorRt, type TritonModel } from "./triton-model";

const repository = "/repository";
/** Building TensorRT's engine for a vision transformer or BERT with bounds takes minutes (general knowledge). */
const engineBuildSeconds = 300;
const sessionSeconds = 30;
/** vLLM and TensorRT-LLM inside of Triton prepare as they do on their own. */
const textSeconds = 120;
const keyVariable = "INFERENCE_API_KEY";

/**
 * What asks for the key. Health and metadata answer without one, so that probes and clients may look; everything that
 * infers or changes something does not.
 */
const restricted = "inference,shared-memory,model-config,model-repository,statistics,trace,logging";

type Backend = "onnxruntime" | "vllm" | "tensorrtllm";

/** What carries a model out: engines that were built ahead by TensorRT-LLM, other text generation by vLLM, the rest by ONNX Runtime. */
export function backendOf(model: TritonModel): Backend {
  if (model.fact?.task !== "text-generation") return "onnxruntime";
  return isBuiltEngine(model) ? "tensorrtllm" : "vllm";
}

const images = { onnxruntime: "triton", vllm: "triton-vllm", tensorrtllm: "triton-tensorrt-llm" } as const;

/** Triton: several models in one server, each with its batcher. */
export function triton(input: EngineInput): EngineProgram {
  const { service, workload } = input;
  const models = tritonModels(input);
  const gpus = runsOnCpu(workload) ? 0 : workload.devicesPerPod;
  // No image has two of them: serviceFindings refuses a mixture.
  const backend = models.map(backendOf).find((each) => each !== "onnxruntime") ?? "onnxruntime";
  const { seconds, cutOff } = drain(service, workload);
  const onTensorRt = models.filter((model) => usesTensorRt(model, gpus > 0)).length;
  return {
    image: images[backend],
    command: ["tritonserver"],
    args: [
      `--model-repository=${repository}`,
      // Not explicit: that would let any client with the key load models of its own making, which can hold code.
      "--model-control-mode=none",
      "--strict-readiness=true",
      "--exit-on-error=true",
      `--exit-timeout-secs=${seconds}`,
      `--http-port=${apiPort}`,
      "--grpc-port=8001",
      `--metrics-port=${metricsPort}`,
      `--http-restricted-api=${restricted}:api-key=$(${keyVariable})`,
      `--grpc-restricted-protocol=${restricted}:api-key=$(${keyVariable})`,
    ],
    env: [...commonVariables(input), { name: "VLLM_NO_USAGE_STATS", value: "1" }, apiKeyVariable(keyVariable)],
    files: models.flatMap((model) => filesOf(model, input, gpus)),
    folders: models.flatMap(foldersOf),
    ports: { http: apiPort, grpc: 8001, metrics: metricsPort },
    health: { ready: "/v2/health/ready", alive: "/v2/health/live" },
    metricsPath: "/metrics",
    publicPaths: ["/v2"],
    preparationSeconds: sessionSeconds * models.length + engineBuildSeconds * onTensorRt + (backend === "onnxruntime" ? 0 : textSeconds),
    drainSeconds: seconds,
    notes: [
      ...models.flatMap((model) => notesOf(model, input, gpus)),
      "clients send the API key in the header api-key (gRPC: triton-grpc-protocol-api-key). Triton takes it as an option only: it is in the process's own command line on the server, and nowhere else",
      ...(cutOff === undefined ? [] : [cutOff]),
    ],
  };
}

function filesOf(model: TritonModel, input: EngineInput, gpus: number): MountedFile[] {
  const config = `${repository}/${model.name}/config.pbtxt`;
  const backend = backendOf(model);
  if (backend === "onnxruntime") return [{ path: config, content: onnxConfig(model, gpus) }];
  // Triton wants a folder for the version, though the backend reads the engine elsewhere.
  if (backend === "tensorrtllm") return [{ path: config, content: builtEngineConfig(model, input) }, { path: `${repository}/${model.name}/1/README`, content: `The engine is in ${modelsMount}/${model.folder}.\n` }];
  return [
    { path: config, content: pbtxt(message({ name: model.name, backend: "vllm", instance_group: [message({ count: 1, kind: { enum: "KIND_MODEL" } })] })) },
    { path: `${repository}/${model.name}/1/model.json`, content: `${JSON.stringify(vllmArguments(model, input), undefined, 2)}\n` },
  ];
}

/** Version 1 of an ONNX model is its folder in the store as it stands: `model.onnx`, and what belongs to it beside it. */
function foldersOf(model: TritonModel): MountedFolder[] {
  return backendOf(model) !== "onnxruntime" ? [] : [{ path: `${repository}/${model.name}/1`, folder: model.folder }];
}

/** Fields of vLLM's engine arguments, for the version that Triton's image has. */
function vllmArguments(model: TritonModel, { service, workload }: EngineInput): Record<string, unknown> {
  const { sizing } = workload;
  return {
    model: `${modelsMount}/${model.folder}`,
    tensor_parallel_size: sizing.tensorParallel,
    pipeline_parallel_size: sizing.pipelineParallel,
    max_model_len: Math.min(sizing.contextTokens, model.fact?.contextTokens ?? sizing.contextTokens),
    max_num_seqs: sizing.concurrency,
    gpu_memory_utilization: sizing.memoryUtilization,
    ...(service.spec.kvCachePrecision === "fp8" ? { kv_cache_dtype: "fp8" } : {}),
  };
}

function notesOf(model: TritonModel, { service }: EngineInput, gpus: number): string[] {
  const named = (text: string): string => `${model.name}: ${text}`;
  const backend = backendOf(model);
  if (backend === "tensorrtllm") return [named(`Triton's tensorrtllm backend, from an engine that was built ahead (modelConfig.build_config); requests and answers are tokens. The engine must be built for this GPU and for the TensorRT-LLM of Triton's image`)];
  if (backend === "vllm") return [named("Triton's vLLM backend, in the version of Triton's image"), ...(model.name === service.name ? continuousBatchingNote(service, "max_num_seqs bounds a batch.") : [])];
  const path = `the store's folder ${model.folder} must hold model.onnx`;
  if (gpus === 0) return [named(`ONNX Runtime with OpenVINO on the CPU; ${path}`)];
  if (!usesTensorRt(model, true)) return [named(`ONNX Runtime on CUDA, without TensorRT; ${path}`)];
  return [
    named(`ONNX Runtime with TensorRT in ${model.precision}; ${path}`),
    ...(model.precision === "int8" ? [named("INT8 needs an ONNX file with quantise and dequantise nodes: there is no calibration here")] : []),
    ...(model.fact?.task === "text-encoder" && model.dynamicBatching !== undefined ? [named("only texts of the same length are batched together: clients should pad to a few lengths")] : []),
  ];
}
