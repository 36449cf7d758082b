import { gpu } from "../../components/catalog";
import { rule } from "../rule";
import { INFERENCE_SERVICE, type InferenceServiceSpec } from "../specs";

export const fp8Native = rule<InferenceServiceSpec>({
  name: "fp8-native",
  title: "FP8 on GPUs that calculate in FP8",
  description: "Weights in FP8 should run on GPUs with FP8 arithmetic, for on others they save memory but no time.",
  section: "guide 4.1, facts 0.11",
  severity: "low",
  enforcementLevel: "advisory",
  remediationSteps: "Use Ada, Hopper or Blackwell cards for FP8, or int8 or int4 on A100 and A40. Make the rule mandatory where weight-only FP8 is not wanted.",
  types: [INFERENCE_SERVICE],
  check({ name, service, workloads }, _settings, report) {
    if (service.precision !== "fp8") return;
    for (const id of new Set(workloads.map(({ accelerator }) => accelerator))) {
      const fact = gpu(id);
      if (fact?.nativeFp8 === true) continue;
      report({ at: `services.${name}.precision`, problem: `fp8 on ${fact?.name ?? id}, which has no FP8 arithmetic, is weight-only: half the memory, calculated in 16 bits`, limit: "GPUs of compute capability 8.9 or newer", remedy: "take such GPUs, another precision, or accept weight-only FP8" });
    }
  },
});
