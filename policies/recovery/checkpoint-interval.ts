import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = {
  steps: { type: "integer", minimum: 1, maximum: 1000000, description: "Most steps between two checkpoints.", default: 1000 },
} as const;

export const checkpointInterval = rule<SiteSpec, typeof settings>({
  name: "checkpoint-interval",
  title: "A checkpoint every 1,000 steps",
  description: "Training jobs must save a checkpoint every 1,000 steps or more often.",
  section: "guide 5.2",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Set recovery.checkpoints.everySteps to 1000 or less. All steps since the last checkpoint are lost with a server.",
  types: [SITE],
  settings,
  check({ recovery, training }, { steps }, report) {
    const { everySteps } = recovery.checkpoints;
    if (Object.keys(training).length === 0 || everySteps <= steps) return;
    report({ at: "recovery.checkpoints.everySteps", problem: `${everySteps} steps between two checkpoints`, limit: `${steps} or fewer`, remedy: `write ${steps}` });
  },
});
