import { rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";

const settings = {
  gpus: { type: "integer", minimum: 1, maximum: 16, description: "From how many GPUs on the generation matters.", default: 8 },
  generation: { type: "integer", minimum: 3, maximum: 6, description: "Lowest PCIe generation for that many GPUs.", default: 4 },
} as const;

export const pcieGenerationForGpus = rule<ServerSpec, typeof settings>({
  name: "pcie-generation-for-gpus",
  title: "Eight GPUs need PCIe 4.0",
  description: "A server with eight or more GPUs must have PCIe 4.0 or newer.",
  section: "guide 2.1",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Use a host with PCIe 4.0 or newer, or spread the GPUs over more servers. The guide measured 41 % more speed with eight cards on PCIe 4.0 than on 3.0.",
  types: [SERVER],
  settings,
  check(spec, { gpus, generation }, report) {
    const count = spec.gpus?.count ?? 0;
    if (count < gpus || spec.pcieGeneration >= generation) return;
    report({ at: `servers.${spec.name}.pcieGeneration`, problem: `${count} GPUs on PCIe ${spec.pcieGeneration}.0`, limit: `PCIe ${generation}.0 or newer from ${gpus} GPUs on`, remedy: "take a newer host or spread the GPUs over more servers" });
  },
});
