import type { EngineId } from "../../catalog";
import { colossalai } from "./colossalai";
import { deepspeed } from "./deepspeed";
import type { Engine } from "./engine";
import { pytorch } from "./pytorch";
import { sglang } from "./sglang";
import { tensorRtLlm } from "./tensorrt-llm";
import { triton } from "./triton";
import { vllm } from "./vllm";

const engines: Readonly<Record<EngineId, Engine>> = { vllm, triton, "tensorrt-llm": tensorRtLlm, sglang, deepspeed, colossalai, pytorch };

/** The function that says what an engine runs. */
export function engineOf(id: EngineId): Engine {
  return engines[id];
}
