import { rule } from "../rule";
import { STORAGE_TIER, type StorageTierSpec } from "../specs";

export const warmTierOnSsd = rule<StorageTierSpec>({
  name: "warm-tier-on-ssd",
  title: "Warm tier on SATA SSD or better",
  description: "The warm tier must be on solid-state drives, for a job waits while it writes a checkpoint.",
  section: "guide 2.2",
  severity: "medium",
  enforcementLevel: "mandatory",
  remediationSteps: "Use SATA SSD or NVMe drives for the warm tier, and keep rotating drives for the cold tier.",
  types: [STORAGE_TIER],
  check(spec, _settings, report) {
    if (spec.tier !== "warm") return;
    for (const drive of spec.drives.filter(({ kind }) => kind === "hdd")) {
      report({ at: `servers.${spec.server}.tiers.warm.drives`, problem: `${drive.id} is a rotating drive (kind hdd)`, limit: "sata-ssd or nvme", remedy: "take a SATA SSD or better, or move the drive to the cold tier" });
    }
  },
});
