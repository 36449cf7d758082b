import { branchFact } from "../catalog";
import { asOf, hasEnded } from "../lifecycle";
import { rule } from "../rule";
import { GPU_DRIVER, type GpuDriverSpec } from "../specs";

const settings = { asOf } as const;

export const driverBranchSupported = rule<GpuDriverSpec, typeof settings>({
  name: "driver-branch-supported",
  title: "A driver branch that still gets fixes",
  description: "The driver's branch should be one that NVIDIA still supports.",
  section: "facts 0.1 and 3",
  severity: "high",
  enforcementLevel: "advisory",
  remediationSteps: "Set software.driver.branch to 580, the long-term branch until August 2028. Programs built for CUDA 12 run on it unchanged; the guide's 535 ended in June 2026 and 570 in February 2026.",
  types: [GPU_DRIVER],
  settings,
  check(spec, settings, report) {
    const { endOfLife } = branchFact(spec.branch);
    if (endOfLife === undefined || !hasEnded(endOfLife, settings.asOf)) return;
    report({ at: "software.driver.branch", problem: `branch ${spec.branch} on ${spec.server} has had no fixes since its support ended in ${endOfLife}`, limit: "a supported branch, such as 580", remedy: "set the branch to 580" });
  },
});
