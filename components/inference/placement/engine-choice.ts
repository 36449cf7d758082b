import { engineRequirements, hasComputeCapability, type EngineId, type GpuFact, type ModelFact } from "../../catalog";
import type { InferenceServiceSpec } from "../../environment/schema";

export interface EngineChoice {
  engine: EngineId;
  reason: string;
}

const textServers: readonly EngineId[] = ["vllm", "sglang", "tensorrt-llm"];
/** Engines whose published images answer on a CPU; vLLM's need a build of their own. */
const cpuEngines: readonly EngineId[] = ["triton", "pytorch"];

/** The engine of a service: the one that is written, else by the guide's table (3.2). */
export function chooseEngine({ engine, moreModels, priority }: Pick<InferenceServiceSpec, "engine" | "moreModels" | "priority">, model: ModelFact): EngineChoice {
  if (engine !== "auto") return { engine, reason: "as stated" };
  if (Object.keys(moreModels).length > 0) return { engine: "triton", reason: "Triton: it serves several models (guide 3.2)" };
  if (model.task === "image-classification") return { engine: "triton", reason: "Triton: it batches requests to a vision model as they come in (guide 3.2, 6.2)" };
  if (model.task === "text-encoder") return { engine: "triton", reason: "Triton: an encoder answers in one pass, and Triton batches them (guide 3.2)" };
  if (priority === "batch") return { engine: "vllm", reason: "vLLM: it takes new requests into a running batch; TensorRT-LLM is faster where an engine build a model is worth it (guide 3.2)" };
  return { engine: "vllm", reason: "vLLM: real-time interaction (guide 3.2)" };
}

/** Why an engine cannot serve this model at all; undefined where it can. */
export function engineFault(engine: EngineId, model: ModelFact, moreModels: number): { message: string; fix: string } | undefined {
  if (moreModels > 0 && engine !== "triton") return { message: `serves one model, but there are ${moreModels} more under moreModels`, fix: "Write engine: triton, or give each model a service of its own." };
  if (model.task === "image-classification" && (textServers.includes(engine) || engine === "colossalai")) return { message: "serves text, but the model classifies images", fix: "Write engine: triton." };
  if (model.task === "text-encoder" && (engine === "tensorrt-llm" || engine === "colossalai")) return { message: "generates text, but the model is an encoder", fix: "Write engine: triton." };
  return undefined;
}

export function runsOnCpu(engine: EngineId): boolean {
  return cpuEngines.includes(engine);
}

/** What a precision means on one GPU: a note where it works, a fault where it does not. */
export interface GpuSupport {
  note?: string;
  fault?: string;
}

/** Whether an engine runs on a GPU, and what FP8 means there: arithmetic from compute capability 8.9, storage only below (facts 0.11). */
export function gpuSupport(engine: EngineId, fact: GpuFact, precision: InferenceServiceSpec["precision"]): GpuSupport {
  const { name, minimumComputeCapability: least, ...rest } = engineRequirements[engine];
  const own = `${fact.computeCapability.major}.${fact.computeCapability.minor}`;
  if (!hasComputeCapability(fact, least.major, least.minor)) return { fault: `${name} needs compute capability ${least.major}.${least.minor}, ${fact.name} has ${own}` };
  if (precision !== "fp8") return {};
  if (fact.nativeFp8) return { note: `FP8 is native on ${fact.name} (compute capability ${own})` };
  const from = "weightOnlyFp8From" in rest ? rest.weightOnlyFp8From : undefined;
  if (from === undefined || !hasComputeCapability(fact, from.major, from.minor)) return { fault: `${fact.name} (compute capability ${own}) has no FP8 arithmetic, and ${name} cannot keep weights alone in FP8` };
  return { note: `FP8 on ${fact.name} (compute capability ${own}) is weight-only: half the memory, arithmetic in 16 bits` };
}
