import type { EngineId } from "../../catalog";

/** What an engine's memory setting is a share of. */
export interface EngineMemory {
  /** Where neither the environment nor a flag says otherwise. */
  defaultUtilization: number;
  /**
   * total: weights, cache and overhead together may take this share of the GPU (vLLM's --gpu-memory-utilization).
   * static: weights and cache may, the overhead needs room in the rest (SGLang's --mem-fraction-static).
   * free: the cache may take this share of what weights and overhead leave (TensorRT-LLM's --kv_cache_free_gpu_memory_fraction).
   */
  of: "total" | "static" | "free";
  source: string;
}

const noReservation: EngineMemory = { defaultUtilization: 0.9, of: "total", source: "nothing is reserved; a tenth is left for fragmentation: an assumption" };

const settings: Readonly<Record<EngineId, EngineMemory>> = {
  "vllm": { defaultUtilization: 0.92, of: "total", source: "facts 0.13 (vLLM 0.33.0)" },
  "sglang": { defaultUtilization: 0.88, of: "static", source: "general knowledge; SGLang computes its own default from the GPU, and is given this one" },
  "tensorrt-llm": { defaultUtilization: 0.9, of: "free", source: "facts 7; default: general knowledge" },
  "triton": noReservation,
  "deepspeed": noReservation,
  "colossalai": noReservation,
  "pytorch": noReservation,
};

/** The memory setting of an engine: what it means and what it is by default. */
export function engineMemory(engine: EngineId): EngineMemory {
  return settings[engine];
}

/** What weights, cache and overhead may take together. */
export function budgetBytes(engine: EngineId, usableBytes: number, utilization: number, weightsBytes: number, overheadBytes: number): number {
  switch (engineMemory(engine).of) {
    case "total":
      return usableBytes * utilization;
    case "static":
      return usableBytes * utilization + Math.min(overheadBytes, usableBytes * (1 - utilization));
    case "free": {
      const held = weightsBytes + overheadBytes;
      return held >= usableBytes ? usableBytes : held + utilization * (usableBytes - held);
    }
  }
}
