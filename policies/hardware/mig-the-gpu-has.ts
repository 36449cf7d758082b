import { gpuFact } from "../catalog";
import { list, rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";

export const migTheGpuHas = rule<ServerSpec>({
  name: "mig-the-gpu-has",
  title: "MIG profiles that the GPU has",
  description: "A MIG profile must be one that the GPU can be cut into.",
  section: "facts 1",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Choose a profile that `nvidia-smi mig -lgip` lists, or share the GPU by cluster.timeSlicing. A40, L40S, RTX 6000 Ada and RTX 4090 have no MIG.",
  types: [SERVER],
  check(spec, _settings, report) {
    const profile = spec.gpus?.mig;
    if (!spec.gpus || profile === undefined) return;
    const { name, mig } = gpuFact(spec.gpus.model);
    const at = `servers.${spec.name}.gpus.mig`;
    if (!mig) {
      report({ at, problem: `profile ${profile} asked of ${name}, which has no MIG`, limit: "no profile", remedy: "remove it, and use cluster.timeSlicing to share the GPU" });
    } else if (!mig.profiles.includes(profile.replace(/\+me$/, ""))) {
      report({ at, problem: `${name} has no profile ${profile}`, limit: list(mig.profiles, "or"), remedy: "choose one of these" });
    }
  },
});
