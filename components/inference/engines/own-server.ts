import type { ImageId } from "../../catalog/images";
import { apiKeyVariable, apiPort, modelArgument, runsOnCpu, type EngineInput, type EngineProgram } from "./engine";
import { commonVariables } from "./offline";
import { continuousBatchingNote, drain } from "./requests";
import { script } from "./script";

const folder = "/etc/engine";

export interface OwnServer {
  image: ImageId;
  /** File under `scripts/` that loads the model; `serving.py` is what all have in common. */
  script: "deepspeed_server.py" | "colossalai_server.py" | "pytorch_server.py";
  quantization?: "float8-dynamic" | "float8-weight-only" | "int8-weight-only" | "int4-weight-only";
  preparationSeconds: number;
  notes: string[];
}

/** Number format of the arithmetic: quantised weights are computed with in 16 bits. */
function dtypeOf({ service }: EngineInput): "float32" | "bfloat16" | "float16" {
  const { precision } = service.spec;
  return precision === "fp32" ? "float32" : precision === "fp16" ? "float16" : "bfloat16";
}

/** An engine that is a library: a server of ours around it, with the key, metrics, health and an end that lets requests finish. */
export function ownServer(input: EngineInput, server: OwnServer): EngineProgram {
  const { service, workload } = input;
  const { sizing } = workload;
  const { seconds, cutOff } = drain(service, workload);
  return {
    image: server.image,
    command: ["python3", `${folder}/${server.script}`],
    args: [
      "--model", modelArgument(service),
      "--task", service.model.task,
      "--served-model-name", service.name,
      "--port", String(apiPort),
      "--dtype", dtypeOf(input),
      ...(server.quantization === undefined ? [] : ["--quantization", server.quantization]),
      "--device", runsOnCpu(workload) ? "cpu" : "cuda",
      "--tensor-parallel-size", String(sizing.tensorParallel),
      "--max-model-len", String(sizing.contextTokens),
      "--max-batch-size", String(sizing.concurrency),
      "--drain-seconds", String(seconds),
    ],
    env: [...commonVariables(input), { name: "PYTHONDONTWRITEBYTECODE", value: "1" }, { name: "PYTHONUNBUFFERED", value: "1" }, apiKeyVariable("INFERENCE_API_KEY")],
    files: ["serving.py", server.script].map((name) => ({ path: `${folder}/${name}`, content: script(name) })),
    folders: [],
    ports: { http: apiPort },
    health: { ready: "/health", alive: "/health" },
    metricsPath: "/metrics",
    publicPaths: ["/v1"],
    preparationSeconds: server.preparationSeconds,
    drainSeconds: seconds,
    notes: [
      ...server.notes,
      `one request is computed after the other; a request may hold up to ${sizing.concurrency} prompts. vLLM batches requests of many clients, this engine does not`,
      ...continuousBatchingNote(service, "Clients that want a batch send it as one request."),
      ...(cutOff === undefined ? [] : [cutOff]),
    ],
  };
}
