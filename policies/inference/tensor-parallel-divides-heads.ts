import { rule } from "../rule";
import { INFERENCE_SERVICE, type InferenceServiceSpec } from "../specs";

export const tensorParallelDividesHeads = rule<InferenceServiceSpec>({
  name: "tensor-parallel-divides-heads",
  title: "Tensor parallelism divides the attention heads",
  description: "The degree of tensor parallelism must divide the model's attention heads, and its key-value heads or be a multiple of them.",
  section: "guide 4.2, facts 4",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Choose a power of two as tensorParallel and reach the number of GPUs by pipelineParallel, or leave both to the planner. Engines refuse to start otherwise.",
  types: [INFERENCE_SERVICE],
  check({ name, model, workloads }, _settings, report) {
    const at = `services.${name}.tensorParallel`;
    for (const degree of new Set(workloads.map(({ tensorParallel }) => tensorParallel))) {
      const { attentionHeads, keyValueHeads, latentCache } = model;
      if (attentionHeads % degree !== 0) {
        report({ at, problem: `${model.name} has ${attentionHeads} attention heads, which ${degree} does not divide`, limit: `a divisor of ${attentionHeads}`, remedy: "change tensorParallel, or leave it to the planner" });
      } else if (!latentCache && keyValueHeads % degree !== 0 && degree % keyValueHeads !== 0) {
        report({ at, problem: `${model.name} has ${keyValueHeads} key-value heads, which ${degree} neither divides nor is a multiple of`, limit: `a divisor or a multiple of ${keyValueHeads}`, remedy: "change tensorParallel, or leave it to the planner" });
      }
    }
  },
});
