import { list, rule } from "../rule";
import { INFERENCE_SERVICE, type InferenceServiceSpec } from "../specs";

const settings = {
  engines: { type: "array", items: { type: "string" }, description: "Engines that are not for answering people.", default: ["deepspeed", "colossalai"] as readonly string[] },
} as const;

export const engineForServing = rule<InferenceServiceSpec, typeof settings>({
  name: "engine-for-serving",
  title: "An engine made for serving",
  description: "An interactive service should run on an engine made for serving, not on one made for training.",
  section: "guide 3.2",
  severity: "low",
  enforcementLevel: "advisory",
  remediationSteps: "Write engine: auto, or vllm for interactive text, triton for several models, tensorrt-llm for steady production. The guide gives DeepSpeed to training, with the most memory and the least speed.",
  types: [INFERENCE_SERVICE],
  settings,
  check({ name, service, engine }, { engines }, report) {
    if (service.priority !== "interactive" || !engines.includes(engine)) return;
    report({ at: `services.${name}.engine`, problem: `an interactive service on ${engine}`, limit: `engines other than ${list(engines, "and")}`, remedy: "write auto, vllm, triton, sglang or tensorrt-llm, or priority: batch" });
  },
});
