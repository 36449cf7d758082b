import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = {
  checkpoints: { type: "integer", minimum: 1, maximum: 100, description: "Fewest checkpoints to keep.", default: 2 },
} as const;

export const checkpointsKept = rule<SiteSpec, typeof settings>({
  name: "checkpoints-kept",
  title: "More than one checkpoint",
  description: "Training jobs should keep two checkpoints or more, for a fault may be in the newest.",
  section: "guide 5.2",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Set recovery.checkpoints.keepLast to 2 or more, as far as the tier has room.",
  types: [SITE],
  settings,
  check({ recovery, training }, { checkpoints }, report) {
    const { keepLast } = recovery.checkpoints;
    if (Object.keys(training).length === 0 || keepLast >= checkpoints) return;
    report({ at: "recovery.checkpoints.keepLast", problem: `only ${keepLast} is kept, so that a job whose newest is bad begins anew`, limit: `${checkpoints} or more`, remedy: `write ${checkpoints}` });
  },
});
