import { compareVersions, minimumDriverOfGpu } from "../../components/catalog";
import { gpuFact } from "../catalog";
import { rule } from "../rule";
import { GPU_DRIVER, type GpuDriverSpec } from "../specs";

export const driverForGpu = rule<GpuDriverSpec>({
  name: "driver-for-gpu",
  title: "A driver that knows the GPU",
  description: "The driver must be new enough for the GPU and for the MIG profile asked of it.",
  section: "facts 1 and 3",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Set software.driver.branch to 580 or newer.",
  types: [GPU_DRIVER],
  check(spec, _settings, report) {
    const { name, mig } = gpuFact(spec.gpus.model);
    const floor = minimumDriverOfGpu[spec.gpus.model]?.driver;
    if (floor !== undefined && compareVersions(spec.version, floor) < 0) {
      report({ at: "software.driver.branch", problem: `driver ${spec.version} on ${spec.server} does not know the ${name}`, limit: `${floor} or newer`, remedy: "set the branch to 580 or newer" });
    }
    if (spec.gpus.mig !== undefined && mig && compareVersions(spec.version, mig.minimumDriver) < 0) {
      report({ at: "software.driver.branch", problem: `driver ${spec.version} on ${spec.server} cannot cut the ${name} into MIG instances`, limit: `${mig.minimumDriver} or newer`, remedy: "set the branch to 580 or newer, or remove gpus.mig" });
    }
  },
});
