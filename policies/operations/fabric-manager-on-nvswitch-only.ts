import { rule } from "../rule";
import { GPU_DRIVER, type GpuDriverSpec } from "../specs";

export const fabricManagerOnNvswitchOnly = rule<GpuDriverSpec>({
  name: "fabric-manager-on-nvswitch-only",
  title: "Fabric manager on NVSwitch machines, at the driver's version",
  description: "The fabric manager must be installed where GPUs are behind NVSwitch and nowhere else, at exactly the driver's version.",
  section: "facts 3",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Write gpus.nvlink as the hardware is: nvswitch for SXM boards, bridge or none for PCIe cards. The fabric manager follows from it and from the driver's pinned version.",
  types: [GPU_DRIVER],
  check(spec, _settings, report) {
    const at = `servers.${spec.server}.gpus.nvlink`;
    const wanted = spec.gpus.nvlink === "nvswitch";
    if (wanted && spec.fabricManager === false) {
      report({ at, problem: `${spec.gpus.model} behind NVSwitch without a fabric manager: no CUDA program starts`, limit: `fabric manager ${spec.version}`, remedy: "install the fabric manager of the driver's version" });
    } else if (!wanted && spec.fabricManager !== false) {
      report({ at, problem: `fabric manager ${spec.fabricManager} on a server without NVSwitch (nvlink: ${spec.gpus.nvlink}), where it does not start`, limit: "no fabric manager", remedy: "leave it out, or write nvlink: nvswitch where the board has it" });
    } else if (wanted && spec.fabricManager !== spec.version) {
      report({ at, problem: `fabric manager ${String(spec.fabricManager)} behind NVSwitch beside driver ${spec.version}, with which it refuses to start`, limit: `fabric manager ${spec.version}`, remedy: "pin both to one version" });
    }
  },
});
