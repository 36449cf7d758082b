import { gpuFact } from "../catalog";
import { rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";

export const gpuSlotGeneration = rule<ServerSpec>({
  name: "gpu-slot-generation",
  title: "Slots as fast as the cards",
  description: "A PCIe card should sit in a slot of its own generation, for it runs at the slower of the two.",
  section: "facts 2",
  severity: "low",
  enforcementLevel: "advisory",
  remediationSteps: "Use a host of the card's generation where weights are loaded often or GPUs talk over PCIe; else accept it.",
  types: [SERVER],
  check(spec, _settings, report) {
    if (!spec.gpus) return;
    const { name, formFactor, pcieGeneration } = gpuFact(spec.gpus.model);
    if (formFactor !== "pcie" || spec.pcieGeneration >= pcieGeneration) return;
    report({ at: `servers.${spec.name}.pcieGeneration`, problem: `the ${name} has PCIe ${pcieGeneration}.0 and runs at ${spec.pcieGeneration}.0 here`, limit: `PCIe ${pcieGeneration}.0`, remedy: "take a host of that generation, or accept half the speed between card and host" });
  },
});
