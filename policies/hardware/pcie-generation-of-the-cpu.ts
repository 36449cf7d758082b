import { cpuFact } from "../catalog";
import { rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";

export const pcieGenerationOfTheCpu = rule<ServerSpec>({
  name: "pcie-generation-of-the-cpu",
  title: "No PCIe generation that the CPU lacks",
  description: "A server must not claim a newer PCIe generation than its CPU has.",
  section: "facts 2",
  severity: "medium",
  enforcementLevel: "mandatory",
  remediationSteps: "Write the PCIe generation of the slots as they are, or the CPU that is in the server.",
  types: [SERVER],
  check(spec, _settings, report) {
    const { name, pcieGeneration } = cpuFact(spec.cpu.model);
    if (spec.pcieGeneration <= pcieGeneration) return;
    report({ at: `servers.${spec.name}.pcieGeneration`, problem: `PCIe ${spec.pcieGeneration}.0 with an ${name}, which has PCIe ${pcieGeneration}.0`, limit: `${pcieGeneration} or less`, remedy: "correct the generation or the CPU" });
  },
});
