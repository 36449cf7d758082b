import type { EngineInput, EngineProgram } from "./engine";
import { ownServer } from "./own-server";

/** DeepSpeed's `init_inference`, as after a training run: the model is answered from the library that it was trained with. */
export function deepspeed(input: EngineInput): EngineProgram {
  return ownServer(input, {
    image: "deepspeed",
    script: "deepspeed_server.py",
    preparationSeconds: 60,
    notes: ["DeepSpeed 0.19 has an inference engine and no server: Rackwright's own stands before it. For serving, vLLM is the way that is kept up (facts 7)"],
  });
}
