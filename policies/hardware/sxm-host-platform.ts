import { cpuFact, gpuFact } from "../catalog";
import { list, rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";

const settings = {
  allow: { type: "array", items: { type: "string" }, description: "Servers that are as described although no vendor lists them.", default: [] as readonly string[] },
  boardSizes: { type: "array", items: { type: "string" }, description: "GPUs on the boards that SXM modules come on.", default: ["4", "8"] as readonly string[] },
} as const;

export const sxmHostPlatform = rule<ServerSpec, typeof settings>({
  name: "sxm-host-platform",
  title: "SXM boards on a host that ships with them",
  description: "SXM modules should be on a board of 4 or 8, in a host whose PCIe generation is the modules' own.",
  section: "facts 2",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Use 4th-generation Xeon Scalable, EPYC 9004 or newer for H100 and H200 SXM5: no shipping system was found with an older CPU, the guide's 3rd generation included. Name the server in the rule's `allow` setting where it exists all the same.",
  types: [SERVER],
  settings,
  check(spec, { allow, boardSizes }, report) {
    if (!spec.gpus || allow.includes(spec.name)) return;
    const { name, formFactor, pcieGeneration } = gpuFact(spec.gpus.model);
    if (formFactor === "pcie") return;
    const host = cpuFact(spec.cpu.model);
    const generation = Math.min(spec.pcieGeneration, host.pcieGeneration);
    if (generation < pcieGeneration) {
      report({ at: `servers.${spec.name}.cpu.model`, problem: `${name} (${formFactor.toUpperCase()}) in a PCIe ${generation}.0 host with ${host.name}, a pairing that no vendor was found to ship`, limit: `a host with PCIe ${pcieGeneration}.0`, remedy: `take a newer CPU, or add ${spec.name} to this rule's allow setting if the server exists` });
    }
    if (!boardSizes.includes(String(spec.gpus.count))) {
      report({ at: `servers.${spec.name}.gpus.count`, problem: `${spec.gpus.count} ${formFactor.toUpperCase()} modules`, limit: `boards of ${list(boardSizes, "or")}`, remedy: `correct the count, or add ${spec.name} to this rule's allow setting if the server exists` });
    }
  },
});
