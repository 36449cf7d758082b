import { apiPort, modelArgument, type EngineInput, type EngineProgram } from "./engine";
import { commonVariables } from "./offline";
import { continuousBatchingNote, drain, storedUnquantised } from "./requests";

/** Kernels are tuned and graphs captured at the first start (general knowledge). */
const preparationSeconds = 180;
const optionsFile = "/etc/engine/options.yaml";

/** TensorRT-LLM's own server: `trtllm-serve` on its PyTorch backend, which needs no engine to be built. */
export function tensorRtLlm(input: EngineInput): EngineProgram {
  const { service, workload } = input;
  const { sizing } = workload;
  const { precision, kvCachePrecision } = service.spec;
  const { seconds, cutOff } = drain(service, workload);
  const options = [
    // Without it there are no Prometheus metrics.
    "return_perf_metrics: true",
    ...(kvCachePrecision === "fp8" ? ["kv_cache_config:", `  free_gpu_memory_fraction: ${sizing.memoryUtilization}`, "  dtype: fp8"] : []),
    ...(precision === "fp8" && storedUnquantised(service) ? ["quant_config:", "  quant_algo: FP8"] : []),
  ];
  return {
    image: "tensorrt-llm",
    command: ["trtllm-serve", "serve", modelArgument(service)],
    args: [
      "--host", "0.0.0.0",
      "--port", String(apiPort),
      "--backend", "pytorch",
      "--tp_size", String(sizing.tensorParallel),
      "--pp_size", String(sizing.pipelineParallel),
      "--max_batch_size", String(sizing.concurrency),
      "--max_seq_len", String(sizing.contextTokens),
      ...(sizing.maxBatchedTokens === undefined ? [] : ["--max_num_tokens", String(sizing.maxBatchedTokens)]),
      // A share of what is free after the weights, not of the whole (facts 7): the planner counts it so.
      "--kv_cache_free_gpu_memory_fraction", String(sizing.memoryUtilization),
      "--extra_llm_api_options", optionsFile,
    ],
    env: commonVariables(input),
    files: [{ path: optionsFile, content: `${options.join("\n")}\n` }],
    folders: [],
    ports: { http: apiPort },
    health: { ready: "/health", alive: "/health" },
    metricsPath: "/prometheus/metrics",
    publicPaths: ["/v1"],
    preparationSeconds,
    drainSeconds: seconds,
    notes: [
      "trtllm-serve takes no API key: only pods with the client label reach it, and it has no hostname",
      `requests name the model ${modelArgument(service).split("/").at(-1) ?? ""}: trtllm-serve gives it the folder's name`,
      ...continuousBatchingNote(service, `--max_batch_size ${sizing.concurrency} bounds a batch, as concurrency says.`),
      ...(cutOff === undefined ? [] : [cutOff]),
    ],
  };
}
