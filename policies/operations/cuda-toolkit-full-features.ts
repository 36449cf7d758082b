import { compareVersions } from "../../components/catalog";
import { toolkitFact } from "../catalog";
import { rule } from "../rule";
import { GPU_DRIVER, type GpuDriverSpec } from "../specs";

export const cudaToolkitFullFeatures = rule<GpuDriverSpec>({
  name: "cuda-toolkit-full-features",
  title: "A driver as new as the CUDA toolkit",
  description: "The driver should be at least the one that came with the host's CUDA toolkit, or features of the toolkit are missing.",
  section: "facts 3",
  severity: "low",
  enforcementLevel: "advisory",
  remediationSteps: "Set software.driver.branch to 580, or choose the toolkit that fits the branch: 12.2 for 535, 12.8 for 570, 13.0 for 580.",
  types: [GPU_DRIVER],
  check(spec, _settings, report) {
    if (spec.cudaToolkit === "none") return;
    const { minimumDriver, bundledDriver } = toolkitFact(spec.cudaToolkit);
    if (compareVersions(spec.version, minimumDriver) < 0 || compareVersions(spec.version, bundledDriver) >= 0) return;
    report({ at: "software.cudaToolkit", problem: `CUDA ${spec.cudaToolkit} runs on driver ${spec.version} (${spec.server}) by minor-version compatibility only`, limit: `driver ${bundledDriver} or newer for all of its features`, remedy: "set software.driver.branch to 580 or choose an older toolkit" });
  },
});
