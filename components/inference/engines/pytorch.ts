import { gpu, hasComputeCapability } from "../../catalog";
import { runsOnCpu, type EngineInput, type EngineProgram } from "./engine";
import { ownServer, type OwnServer } from "./own-server";

/** FP8 arithmetic where the GPU has it; below it weights are kept in FP8 and computed in 16 bits, as torchao itself demands. */
function quantization({ service, workload }: EngineInput): OwnServer["quantization"] {
  const { precision } = service.spec;
  if (precision === "int8") return "int8-weight-only";
  if (precision === "int4") return "int4-weight-only";
  if (precision !== "fp8") return undefined;
  const card = gpu(workload.accelerator);
  return !runsOnCpu(workload) && card !== undefined && hasComputeCapability(card, 8, 9) ? "float8-dynamic" : "float8-weight-only";
}

/** PyTorch with transformers, quantised by torchao while it loads. */
export function pytorch(input: EngineInput): EngineProgram {
  const { precision } = input.service.spec;
  const how = quantization(input);
  return ownServer(input, {
    image: "pytorch",
    script: "pytorch_server.py",
    ...(how === undefined ? {} : { quantization: how }),
    preparationSeconds: 90,
    notes: how === undefined ? [] : [
      `${precision} by torchao's quantize_() (${how}) while 16-bit weights are loaded: the guide's prepare_fx (4.1) is deprecated and was made for convolutions (facts 0.5)`,
    ],
  });
}
