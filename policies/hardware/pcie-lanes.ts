import { pcieLanes as lanesOfCpu } from "../../components/catalog";
import { cpuFact, gpuFact } from "../catalog";
import { rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";

const settings = {
  reservedLanes: { type: "integer", minimum: 0, maximum: 256, description: "Lanes that the board keeps for itself, for a boot drive or a management controller.", default: 0 },
} as const;

/** One lane's rate in Gbit/s, one way (facts 8). */
const laneGbps = { 3: 7.88, 4: 15.75, 5: 31.5 } as const;

/** The narrowest slot that carries a NIC at its full speed. What is built in beside the chipset takes no lanes. */
function nicLanes(speedGbps: number, generation: ServerSpec["pcieGeneration"]): number {
  if (speedGbps <= 1) return 0;
  return [1, 2, 4, 8].find((lanes) => lanes * laneGbps[generation] >= speedGbps) ?? 16;
}

export const pcieLanes = rule<ServerSpec, typeof settings>({
  name: "pcie-lanes",
  title: "Enough PCIe lanes",
  description: "GPUs, NVMe drives and NICs must have lanes of their own to the CPUs, unless PCIe switches are on the board.",
  section: "guide 2.1, facts 2",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Add the second CPU, take CPUs with more lanes, or take fewer devices; write pcieSwitch: true where the board has PCIe switches. Eight cards on two Ice Lake CPUs use all 128 lanes and leave none for drives and network.",
  types: [SERVER],
  settings,
  check(spec, { reservedLanes }, report) {
    if (spec.pcieSwitch) return;
    const gpus = (spec.gpus ? spec.gpus.count * gpuFact(spec.gpus.model).pcieLanes : 0) + (spec.npus?.count ?? 0) * 16;
    const nvme = Object.values(spec.drives).filter(({ kind }) => kind === "nvme").length * 4;
    const nics = Object.values(spec.nics).reduce((sum, { speedGbps }) => sum + nicLanes(speedGbps, spec.pcieGeneration), 0);
    const available = lanesOfCpu(cpuFact(spec.cpu.model), spec.cpu.sockets) - reservedLanes;
    const needed = gpus + nvme + nics;
    if (needed <= available) return;
    report({ at: `servers.${spec.name}.cpu`, problem: `${needed} PCIe lanes are needed (accelerators ${gpus}, NVMe ${nvme}, NICs ${nics}) and ${spec.cpu.sockets}x ${cpuFact(spec.cpu.model).name} has ${available}`, limit: `${available} lanes`, remedy: "add a CPU, take fewer devices, or write pcieSwitch: true where the board has PCIe switches" });
  },
});
