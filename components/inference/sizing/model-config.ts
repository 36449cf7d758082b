import type { ModelFact } from "../../catalog";
import type { Finding } from "../../environment/problems";

export type ModelConfigResult = { ok: true; model: ModelFact } | { ok: false; findings: Finding[] };

export function modelFromConfig(_config: Record<string, unknown>, _parametersBillion?: number): ModelConfigResult {
  return { ok: false, findings: [{ keys: ["model_type"], message: "is not known" }] };
}
