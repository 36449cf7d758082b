import { branchFact } from "../catalog";
import { rule } from "../rule";
import { GPU_DRIVER, type GpuDriverSpec } from "../specs";

const settings = {
  asOf: { type: "string", pattern: "^(today|\\d{4}-\\d{2}(-\\d{2})?)$", description: "The day to judge by, as YYYY-MM-DD, or today.", default: "today" },
} as const;

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
  check(spec, { asOf }, report) {
    const { endOfLife } = branchFact(spec.branch);
    const day = asOf === "today" ? new Date().toISOString() : asOf;
    if (endOfLife === undefined || day.slice(0, 7) <= endOfLife) return;
    report({ at: "software.driver.branch", problem: `branch ${spec.branch} on ${spec.server} has had no fixes since its support ended in ${endOfLife}`, limit: "a supported branch, such as 580", remedy: "set the branch to 580" });
  },
});
