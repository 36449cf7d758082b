import type { EngineInput, EngineProgram } from "./engine";
import { ownServer } from "./own-server";

/** ColossalAI's `colossalai.inference`. */
export function colossalai(input: EngineInput): EngineProgram {
  return ownServer(input, {
    image: "colossalai",
    script: "colossalai_server.py",
    preparationSeconds: 60,
    notes: [
      "the guide's colossalai.nn.TensorParallel (4.2) does not exist; this is colossalai.inference's InferenceEngine with tp_size (facts 0.4)",
      "ColossalAI 0.5.0 pins PyTorch 2.5.1 at most, so it has an image of its own and knows no model that is newer",
    ],
  });
}
