import type { EngineInput, EngineProgram } from "./engine";
import { ownServer } from "./own-server";

/** DeepSpeed's `init_inference`, as after a training run: the model is answered from the library that it was trained with. */
export function deepspeed(input: EngineInput): EngineProgram {
  const { precision } = input.service.spec;
  return ownServer(input, {
    image: "deepspeed",
    script: "deepspeed_server.py",
    dtype: precision === "fp32" ? "float32" : precision === "fp16" ? "float16" : "bfloat16",
    preparationSeconds: 60,
    notes: ["DeepSpeed 0.19 has an inference engine and no server: Rackwright's own stands before it. For serving, vLLM is the way that is kept up (facts 7)"],
  });
}
