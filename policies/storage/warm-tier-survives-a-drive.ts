import { list, rule } from "../rule";
import { STORAGE_TIER, type StorageTierSpec } from "../specs";

const settings = {
  levels: { type: "array", items: { type: "string" }, description: "Levels that survive a lost drive.", default: ["raid1", "raid5", "raid6", "raid10"] as readonly string[] },
} as const;

export const warmTierSurvivesADrive = rule<StorageTierSpec, typeof settings>({
  name: "warm-tier-survives-a-drive",
  title: "Checkpoints survive the loss of a drive",
  description: "The warm tier, which holds checkpoints, must be on a level that survives a lost drive.",
  section: "guide 2.2",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Give the warm tier two drives and raid1, or more drives and raid10, raid5 or raid6.",
  types: [STORAGE_TIER],
  settings,
  check(spec, { levels }, report) {
    if (spec.tier !== "warm" || levels.includes(spec.level)) return;
    report({ at: `servers.${spec.server}.tiers.warm.level`, problem: `the warm tier is ${spec.level}, so that one lost drive loses the checkpoints`, limit: list(levels, "or"), remedy: "add a drive and choose raid1, or another of these levels" });
  },
});
