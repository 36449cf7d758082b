import { minimumDriverOfCudaMajor } from "./drivers";

/** What an inference or training engine asks of a host. */
export interface EngineRequirement {
  name: string;
  version: string;
  /** CUDA release that its published build is made for. */
  cuda: string;
  /** Least driver for that CUDA release. */
  minimumDriver: string;
  minimumComputeCapability: { major: number; minor: number };
  /** Least compute capability for FP8 weights without FP8 arithmetic; absent where it is not supported. */
  weightOnlyFp8From?: { major: number; minor: number };
  source: string;
}

const cuda13 = { cuda: "13.0", minimumDriver: minimumDriverOfCudaMajor["13"] };
const cuda12 = { cuda: "12.4", minimumDriver: minimumDriverOfCudaMajor["12"] };

/** By the names that `services.<name>.engine` takes; `auto` is settled by the planner. */
export const engineRequirements = {
  "vllm": {
    name: "vLLM", version: "0.33.0", ...cuda13,
    minimumComputeCapability: { major: 7, minor: 5 }, weightOnlyFp8From: { major: 7, minor: 5 },
    source: "facts 0.1, 0.11 and 7 (published wheel: links libcudart.so.13, kernels from sm_75 to sm_120)",
  },
  "triton": {
    name: "Triton Inference Server", version: "2.71.0", ...cuda13,
    minimumComputeCapability: { major: 7, minor: 5 },
    source: "version: facts 5 (release 26.07, whose build.py says 2.71.0); CUDA and compute capability: general knowledge",
  },
  "tensorrt-llm": {
    name: "TensorRT-LLM", version: "1.2.1", ...cuda13,
    minimumComputeCapability: { major: 8, minor: 0 },
    source: "version: the newest release on the Python index; CUDA and compute capability: general knowledge",
  },
  "sglang": {
    name: "SGLang", version: "0.5.23", ...cuda13,
    minimumComputeCapability: { major: 8, minor: 0 }, weightOnlyFp8From: { major: 8, minor: 0 },
    source: "published wheel: pins torch 2.14.1 and flashinfer's build for CUDA 13; compute capability: general knowledge; FP8 from 8.0: the wheel's fp8.py",
  },
  "deepspeed": {
    name: "DeepSpeed", version: "0.19.6", ...cuda13,
    minimumComputeCapability: { major: 7, minor: 5 },
    source: "version: facts 7; CUDA as the PyTorch below it: general knowledge",
  },
  "colossalai": {
    name: "ColossalAI", version: "0.5.0", ...cuda12,
    minimumComputeCapability: { major: 7, minor: 0 },
    source: "version: facts 7 and 0.4 (pins PyTorch 2.5.1 at most); its CUDA 12.4: general knowledge",
  },
  "pytorch": {
    name: "PyTorch", version: "2.14.0", ...cuda13,
    minimumComputeCapability: { major: 7, minor: 5 }, weightOnlyFp8From: { major: 7, minor: 5 },
    source: "version: facts 0.1 (what vLLM 0.33.0 pins); compute capability: general knowledge; FP8: torchao 0.18.0 asks for 8.9 for FP8 arithmetic and for nothing where weights alone are kept so",
  },
} as const satisfies Record<string, EngineRequirement>;

export type EngineId = keyof typeof engineRequirements;
