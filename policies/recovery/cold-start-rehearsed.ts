import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = {
  days: { type: "integer", minimum: 1, maximum: 3650, description: "Longest time between two rehearsals, in days.", default: 180 },
} as const;

export const coldStartRehearsed = rule<SiteSpec, typeof settings>({
  name: "cold-start-rehearsed",
  title: "The cold start is rehearsed",
  description: "A start from the cold images should be rehearsed twice a year or more often.",
  section: "guide 5.2",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Set recovery.coldStart.rehearseEveryDays to 180 or less. The rule reads how often it is meant to be done; when it was last done is not in the environment.",
  types: [SITE],
  settings,
  check({ recovery }, { days }, report) {
    const { rehearseEveryDays } = recovery.coldStart;
    if (rehearseEveryDays <= days) return;
    report({ at: "recovery.coldStart.rehearseEveryDays", problem: `${rehearseEveryDays} days between two rehearsals of a cold start`, limit: `${days} days or fewer`, remedy: `write ${days}` });
  },
});
