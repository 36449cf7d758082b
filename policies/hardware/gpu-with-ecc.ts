import { gpuFact } from "../catalog";
import { rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";

export const gpuWithEcc = rule<ServerSpec>({
  name: "gpu-with-ecc",
  title: "GPUs with error correction",
  description: "A server should have GPUs with ECC memory, which NVIDIA supports in servers.",
  section: "facts 1",
  severity: "low",
  enforcementLevel: "advisory",
  remediationSteps: "Keep GeForce cards to development, as the guide does: bit errors pass unnoticed, NVIDIA AI Enterprise and the GPU Operator do not support them, and DCGM's profiling fields are missing.",
  types: [SERVER],
  check(spec, _settings, report) {
    if (!spec.gpus) return;
    const { name, ecc } = gpuFact(spec.gpus.model);
    if (ecc) return;
    report({ at: `servers.${spec.name}.gpus.model`, problem: `the ${name} has no ECC memory`, limit: "cards with ECC in production", remedy: "take a data-centre card, or accept it for development" });
  },
});
