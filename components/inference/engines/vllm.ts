import type { ModelFact } from "../../catalog";
import { apiKeyVariable, apiPort, modelArgument, runsOnCpu, runsOnNpu, type EngineInput, type EngineProgram, type EnvironmentVariable } from "./engine";
import { commonVariables } from "./offline";
import { continuousBatchingNote, drain, storedUnquantised } from "./requests";

/** A cold torch.compile of a 70B model took 54.7 s (facts 6); CUDA graphs and the memory profile come on top. */
const preparationSeconds = 120;
/** Port of PyTorch's rendezvous; vLLM's own default. */
const rendezvousPort = 29501;
const streams = 16;
const gib = 1024 ** 3;

const dataTypes = { fp32: "float32", bf16: "bfloat16", fp16: "float16" } as const;

/** vLLM: continuous batching and a paged cache, with OpenAI's API. Every flag is in its parser (test/inference/engines). */
export function vllm(input: EngineInput): EngineProgram {
  const { service, workload } = input;
  const { sizing } = workload;
  const { seconds, cutOff } = drain(service, workload);
  const quantization = quantise(input);
  const loading = loader(input);
  const args = [
    "--served-model-name", ...servedNames(input),
    "--host", "0.0.0.0",
    "--port", String(apiPort),
    ...(service.model.task === "text-encoder" ? ["--runner", "pooling"] : []),
    ...(service.spec.precision in dataTypes ? ["--dtype", dataTypes[service.spec.precision as keyof typeof dataTypes]] : []),
    ...quantization.args,
    "--max-model-len", String(sizing.contextTokens),
    "--max-num-seqs", String(sizing.concurrency),
    ...(sizing.maxBatchedTokens === undefined ? [] : ["--max-num-batched-tokens", String(sizing.maxBatchedTokens)]),
    "--tensor-parallel-size", String(sizing.tensorParallel),
    "--pipeline-parallel-size", String(sizing.pipelineParallel),
    ...(runsOnCpu(workload) ? [] : ["--gpu-memory-utilization", String(sizing.memoryUtilization)]),
    ...(service.spec.kvCachePrecision === "fp8" ? ["--kv-cache-dtype", "fp8"] : []),
    ...loading.args,
    "--shutdown-timeout", String(seconds),
    // Probes and scrapes would be most of the log.
    "--disable-access-log-for-endpoints", "/health,/metrics",
    ...multiServer(input),
  ];
  return {
    image: runsOnCpu(workload) ? "vllm-cpu" : runsOnNpu(workload) ? "vllm-npu" : "vllm",
    command: ["vllm", "serve", modelArgument(service)],
    args,
    env: [
      ...commonVariables(input),
      { name: "VLLM_NO_USAGE_STATS", value: "1" },
      { name: "VLLM_DO_NOT_TRACK", value: "1" },
      apiKeyVariable("VLLM_API_KEY"),
      ...cpuVariables(input),
      ...memberVariables(input),
    ],
    files: [],
    folders: [],
    ports: { http: apiPort },
    health: { ready: "/health", alive: "/health" },
    metricsPath: "/metrics",
    // The key guards /v1 and little else: /invocations answers without one (vLLM's own warning about --api-key).
    publicPaths: ["/v1"],
    preparationSeconds,
    drainSeconds: seconds,
    notes: [
      ...quantization.notes,
      ...loading.notes,
      ...continuousBatchingNote(service, `--max-num-seqs ${sizing.concurrency} bounds a batch, as concurrency says.`),
      ...(cutOff === undefined ? [] : [cutOff]),
      ...(runsOnNpu(workload) ? [`vLLM reaches ${workload.accelerator} through its vendor's plug-in only: the image rackwright/vllm-npu is one that the site builds (docs/engines.md)`] : []),
    ],
  };
}

/** The service's name first, for vLLM answers with the first; then the catalog id. */
function servedNames({ service }: EngineInput): string[] {
  const { model } = service.spec;
  return model === service.name || /[/]/.test(model) ? [service.name] : [service.name, model];
}

interface Choice {
  args: string[];
  notes: string[];
}

function quantise({ service }: EngineInput): Choice {
  const { precision } = service.spec;
  if (precision === "fp32" || precision === "bf16" || precision === "fp16") return { args: [], notes: [] };
  if (precision === "int4" || !storedUnquantised(service)) return { args: [], notes: [`${precision} weights: vLLM reads the method of quantisation from the folder's config.json`] };
  if (precision === "fp8") return { args: ["--quantization", "fp8"], notes: ["the folder holds 16-bit weights (weights.sizeGB): vLLM quantises them to FP8 while it loads"] };
  return { args: ["--quantization", "int8_per_channel_weight_only"], notes: ["the folder holds 16-bit weights (weights.sizeGB): vLLM quantises them to INT8 while it loads, weights only"] };
}

/** How weights come from the hot tier to the device. */
function loader({ service, workload }: EngineInput): Choice {
  const { loadFormat, from } = service.spec.weights;
  if (loadFormat === "safetensors") return { args: ["--load-format", "safetensors"], notes: [] };
  if (loadFormat === "fastsafetensors") return { args: ["--load-format", "fastsafetensors"], notes: [] };
  if (loadFormat === "auto" && (from === "hub" || runsOnCpu(workload) || runsOnNpu(workload))) return { args: [], notes: [] };
  // The streamer's own bound is 40 GB for each process, whatever the pod may use; it must hold the largest tensor.
  const buffer = Math.max(Math.ceil(1.25 * largestTensorBytes(service.model)), Math.floor((workload.memoryGiB * gib) / 4 / Math.max(1, workload.devicesPerPod)));
  return {
    args: ["--load-format", "runai_streamer", "--model-loader-extra-config", JSON.stringify({ concurrency: streams, memory_limit: buffer })],
    notes: loadFormat === "auto" ? [`weights are read in ${streams} parallel streams (Run:ai streamer): one reader does not keep the drives of a RAID 0 busy`] : [],
  };
}

/** Of 16-bit weights: the embedding of the vocabulary, or a feed-forward matrix. */
function largestTensorBytes({ hiddenSize, vocabularySize, feedForwardSize }: ModelFact): number {
  return 2 * hiddenSize * Math.max(vocabularySize, feedForwardSize);
}

/** On the CPU the cache comes out of the pod's memory and has no share to be stated as. */
function cpuVariables({ workload }: EngineInput): EnvironmentVariable[] {
  if (!runsOnCpu(workload)) return [];
  const { budgetBytes, weightsBytes, overheadBytes } = workload.sizing.memory;
  return [{ name: "VLLM_CPU_KVCACHE_SPACE", value: String(Math.max(1, Math.floor((budgetBytes - weightsBytes - overheadBytes) / gib))) }];
}

function multiServer({ member }: EngineInput): string[] {
  if (member === undefined) return [];
  if (member.through === "ray") return ["--distributed-executor-backend", "ray"];
  return [
    "--distributed-executor-backend", "mp",
    "--nnodes", String(member.pods),
    "--node-rank", member.rank,
    "--master-addr", member.leaderAddress,
    "--master-port", String(rendezvousPort),
    ...(member.leads ? [] : ["--headless"]),
  ];
}

function memberVariables({ member }: EngineInput): EnvironmentVariable[] {
  if (member === undefined) return [];
  return [{ name: "VLLM_HOST_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }];
}
