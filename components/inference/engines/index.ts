import type { EngineId } from "../../catalog";
import type { Engine } from "./engine";
import { triton } from "./triton";
import { vllm } from "./vllm";

const engines: Partial<Record<EngineId, Engine>> = { vllm, triton };

/** The function that says what an engine runs. */
export function engineOf(id: EngineId): Engine {
  return engines[id] ?? vllm;
}
