import { apiKeyVariable, apiPort, modelArgument, runsOnCpu, type EngineInput, type EngineProgram } from "./engine";
import { commonVariables } from "./offline";
import { continuousBatchingNote, drain, storedUnquantised } from "./requests";

/** CUDA graphs for every batch size, and a warm-up request (general knowledge). */
const preparationSeconds = 120;
const rendezvousPort = 29501;
const streams = 16;
const keyVariable = "INFERENCE_API_KEY";

const dataTypes = { fp32: "float32", bf16: "bfloat16", fp16: "float16" } as const;

/** SGLang: a shared prefix tree and continuous batching, with OpenAI's API. */
export function sglang(input: EngineInput): EngineProgram {
  const { service, workload, member } = input;
  const { sizing } = workload;
  const { precision, kvCachePrecision, weights } = service.spec;
  const { seconds, cutOff } = drain(service, workload);
  const quantises = precision === "fp8" && storedUnquantised(service);
  return {
    image: "sglang",
    command: ["python3", "-m", "sglang.launch_server"],
    args: [
      "--model-path", modelArgument(service),
      "--served-model-name", service.name,
      "--host", "0.0.0.0",
      "--port", String(apiPort),
      // SGLang reads no variable for it. Kubernetes puts the key in when the container starts: the object holds the reference only.
      "--api-key", `$(${keyVariable})`,
      ...(precision in dataTypes ? ["--dtype", dataTypes[precision as keyof typeof dataTypes]] : []),
      ...(quantises ? ["--quantization", "fp8"] : []),
      ...(service.model.task === "text-encoder" ? ["--is-embedding"] : []),
      ...(runsOnCpu(workload) ? ["--device", "cpu"] : []),
      "--context-length", String(sizing.contextTokens),
      "--max-running-requests", String(sizing.concurrency),
      ...(sizing.maxBatchedTokens === undefined ? [] : ["--chunked-prefill-size", String(sizing.maxBatchedTokens)]),
      "--tensor-parallel-size", String(sizing.tensorParallel),
      "--pipeline-parallel-size", String(sizing.pipelineParallel),
      "--mem-fraction-static", String(sizing.memoryUtilization),
      ...(kvCachePrecision === "fp8" ? ["--kv-cache-dtype", "fp8_e4m3"] : []),
      ...(weights.loadFormat === "runai-streamer" ? ["--load-format", "runai_streamer", "--model-loader-extra-config", JSON.stringify({ concurrency: streams })] : []),
      ...(weights.loadFormat === "safetensors" || weights.loadFormat === "fastsafetensors" ? ["--load-format", weights.loadFormat] : []),
      "--enable-metrics",
      ...(member === undefined ? [] : ["--nnodes", String(member.pods), "--node-rank", member.rank, "--dist-init-addr", `${member.leaderAddress}:${rendezvousPort}`]),
    ],
    env: [...commonVariables(input), apiKeyVariable(keyVariable)],
    files: [],
    folders: [],
    ports: { http: apiPort },
    health: { ready: "/health", alive: "/health" },
    metricsPath: "/metrics",
    publicPaths: ["/v1"],
    preparationSeconds,
    drainSeconds: seconds,
    notes: [
      ...(quantises ? ["the folder holds 16-bit weights (weights.sizeGB): SGLang quantises them to FP8 while it loads"] : []),
      ...(precision === "int4" || precision === "int8" ? [`${precision} weights: SGLang reads the method of quantisation from the folder's config.json`] : []),
      "SGLang takes the API key as an option only: it is in the process's own command line on the server, and nowhere else",
      ...continuousBatchingNote(service, `--max-running-requests ${sizing.concurrency} bounds a batch, as concurrency says.`),
      ...(cutOff === undefined ? [] : [cutOff]),
    ],
  };
}
