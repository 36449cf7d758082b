import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const noTimeSlicingWhereRegulated = rule<SiteSpec>({
  name: "no-time-slicing-where-regulated",
  title: "No GPU shared without isolation where data is regulated",
  description: "Sites with financial or medical data should share GPUs by MIG, not by time slicing, which does not isolate memory.",
  section: "guide 1",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Take cluster.timeSlicing out, and cut GPUs that have MIG with gpus.mig. Pods that take turns on a GPU are kept apart by the driver alone, and one that fails can take the others with it.",
  types: [SITE],
  check({ site, cluster }, _settings, report) {
    const { timeSlicing } = cluster;
    if (site.dataClass === "general" || timeSlicing === undefined || timeSlicing === 1) return;
    report({ at: "cluster.timeSlicing", problem: `${timeSlicing} pods take turns on a GPU with ${site.dataClass} data`, limit: "1 pod a GPU, or MIG", remedy: "remove it, or use gpus.mig" });
  },
});
