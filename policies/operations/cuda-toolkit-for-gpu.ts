import { compareVersions, firstCudaOfComputeCapability } from "../../components/catalog";
import { gpuFact } from "../catalog";
import { rule } from "../rule";
import { GPU_DRIVER, type GpuDriverSpec } from "../specs";

const firstCuda: Readonly<Record<string, { cuda: string }>> = firstCudaOfComputeCapability;

export const cudaToolkitForGpu = rule<GpuDriverSpec>({
  name: "cuda-toolkit-for-gpu",
  title: "A CUDA toolkit that can build for the GPU",
  description: "The host's CUDA toolkit must be new enough to compile for the GPU.",
  section: "facts 0.2 and 3",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Set software.cudaToolkit to 12.8 or newer for Blackwell cards, or to none where everything runs in containers.",
  types: [GPU_DRIVER],
  check(spec, _settings, report) {
    if (spec.cudaToolkit === "none") return;
    const { name, computeCapability } = gpuFact(spec.gpus.model);
    const capability = `${computeCapability.major}.${computeCapability.minor}`;
    const first = firstCuda[capability]?.cuda;
    if (first === undefined || compareVersions(spec.cudaToolkit, first) >= 0) return;
    report({ at: "software.cudaToolkit", problem: `CUDA ${spec.cudaToolkit} cannot compile for the ${name} in ${spec.server} (compute capability ${capability})`, limit: `${first} or newer, or none`, remedy: `set it to ${first} or newer, or to none` });
  },
});
