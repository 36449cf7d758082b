import { rule } from "../rule";
import { INFERENCE_SERVICE, type InferenceServiceSpec } from "../specs";

const settings = {
  parametersBillion: { type: "number", minimum: 1, description: "From how many billion parameters on; models called 70B have 68.9 to 72.7.", default: 68 },
  evenInOneDomain: { type: "boolean", description: "Ask it of replicas in one NVLink domain too, as the guide does. There tensor parallelism alone answers sooner, for no stage waits for another, and the planner chooses it.", default: false },
} as const;

export const largeModelsOnTensorAndPipeline = rule<InferenceServiceSpec, typeof settings>({
  name: "large-models-on-tensor-and-pipeline",
  title: "70B and more on tensor and pipeline parallelism",
  description: "A model of 70 billion parameters or more should be cut by tensor and pipeline parallelism together, unless one NVLink domain holds it.",
  section: "guide 4.2, facts 7",
  severity: "low",
  enforcementLevel: "advisory",
  remediationSteps: "Set tensorParallel to what NVLink joins and pipelineParallel to the number of such groups, or leave both to the planner.",
  types: [INFERENCE_SERVICE],
  settings,
  check({ name, model, workloads }, { parametersBillion, evenInOneDomain }, report) {
    if (model.parametersBillion < parametersBillion) return;
    for (const { name: workload, tensorParallel, pipelineParallel, nvlinkDomain } of workloads) {
      if (tensorParallel > 1 && pipelineParallel > 1) continue;
      if (!evenInOneDomain && tensorParallel * pipelineParallel <= nvlinkDomain) continue;
      const [missing, key] = tensorParallel > 1 ? ["pipeline", "pipelineParallel"] : ["tensor", "tensorParallel"];
      report({ at: `services.${name}.${key}`, problem: `${workload} has ${model.parametersBillion} billion parameters on tensor parallel ${tensorParallel}, pipeline parallel ${pipelineParallel}, without ${missing} parallelism`, limit: `2 or more of both from ${parametersBillion} billion parameters on`, remedy: `raise ${key}, or leave it to the planner` });
    }
  },
});
