import { compareVersions } from "../../components/catalog";
import { toolkitFact } from "../catalog";
import { rule } from "../rule";
import { GPU_DRIVER, type GpuDriverSpec } from "../specs";

export const cudaToolkitNeedsDriver = rule<GpuDriverSpec>({
  name: "cuda-toolkit-needs-driver",
  title: "A driver for the CUDA toolkit",
  description: "The driver must be at least the one that the host's CUDA toolkit needs to run anything.",
  section: "facts 3",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Set software.driver.branch to 580, which runs CUDA 11, 12 and 13, or choose an older software.cudaToolkit.",
  types: [GPU_DRIVER],
  check(spec, _settings, report) {
    if (spec.cudaToolkit === "none") return;
    const { minimumDriver } = toolkitFact(spec.cudaToolkit);
    if (compareVersions(spec.version, minimumDriver) >= 0) return;
    report({ at: "software.cudaToolkit", problem: `CUDA ${spec.cudaToolkit} does not run on driver ${spec.version} (${spec.server})`, limit: `driver ${minimumDriver} or newer`, remedy: "set software.driver.branch to 580 or choose an older toolkit" });
  },
});
