import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = {
  seconds: { type: "number", minimum: 1, maximum: 3600, description: "Longest time from a server's failure to the next good answer, in seconds.", default: 30 },
} as const;

export const standbyWithinBudget = rule<SiteSpec, typeof settings>({
  name: "standby-within-budget",
  title: "The standby takes over within 30 seconds",
  description: "Where there is a standby, it must be planned to take over within 30 seconds.",
  section: "guide 5.2, facts 6",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Set recovery.standby.switchWithinSeconds to 30 or less. Kubernetes alone needs over five minutes with its defaults; a loaded standby and health checks in front of it do it.",
  types: [SITE],
  settings,
  check({ recovery }, { seconds }, report) {
    const { mode, switchWithinSeconds } = recovery.standby;
    if (mode === "none" || switchWithinSeconds <= seconds) return;
    report({ at: "recovery.standby.switchWithinSeconds", problem: `the standby may take ${switchWithinSeconds} s`, limit: `${seconds} s or less`, remedy: `write ${seconds}` });
  },
});
