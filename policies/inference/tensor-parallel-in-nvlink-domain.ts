import { rule } from "../rule";
import { INFERENCE_SERVICE, type InferenceServiceSpec } from "../specs";

const settings = {
  overPcie: { type: "integer", minimum: 1, maximum: 16, description: "Widest tensor parallelism over PCIe alone, for GPUs without NVLink.", default: 2 },
} as const;

export const tensorParallelInNvlinkDomain = rule<InferenceServiceSpec, typeof settings>({
  name: "tensor-parallel-in-nvlink-domain",
  title: "Tensor parallelism stays where NVLink reaches",
  description: "Tensor parallelism should not be wider than the GPUs that NVLink joins, for they exchange every layer's results.",
  section: "guide 2.1, facts 7",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Make tensorParallel as wide as NVLink reaches (2 or 4 with bridges, the board with NVSwitch) and take pipelineParallel for the rest; without NVLink keep to two GPUs or to pipeline stages.",
  types: [INFERENCE_SERVICE],
  settings,
  check({ name, workloads }, { overPcie }, report) {
    for (const { name: workload, tensorParallel, nvlinkDomain, accelerator } of workloads) {
      const widest = nvlinkDomain > 1 ? nvlinkDomain : overPcie;
      if (tensorParallel <= widest) continue;
      const link = nvlinkDomain > 1 ? `NVLink joins ${nvlinkDomain}` : "no NVLink joins them";
      report({ at: `services.${name}.tensorParallel`, problem: `${workload} is cut over ${tensorParallel} GPUs (${accelerator}) and ${link}`, limit: `${widest} or less`, remedy: "lower tensorParallel and raise pipelineParallel" });
    }
  },
});
