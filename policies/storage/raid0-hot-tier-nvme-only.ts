import { rule } from "../rule";
import { STORAGE_TIER, type StorageTierSpec } from "../specs";

export const raid0HotTierNvmeOnly = rule<StorageTierSpec>({
  name: "raid0-hot-tier-nvme-only",
  title: "RAID 0 only for the hot tier and only on NVMe",
  description: "RAID 0 must be used for the hot tier alone, and on NVMe drives alone.",
  section: "guide 2.2",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Give warm and cold tiers a level that survives a lost drive, and build the hot tier's RAID 0 from NVMe drives. One lost member loses the whole of a RAID 0 array, so it may hold only what can be read again from another tier.",
  types: [STORAGE_TIER],
  check(spec, _settings, report) {
    if (spec.level !== "raid0") return;
    const at = `servers.${spec.server}.tiers.${spec.tier}`;
    if (spec.tier !== "hot") {
      report({ at: `${at}.level`, problem: `the ${spec.tier} tier is raid0, so that one lost drive loses all of it`, limit: "raid0 on the hot tier only", remedy: "choose raid1, raid10, raid5 or raid6" });
    }
    for (const drive of spec.drives.filter(({ kind }) => kind !== "nvme")) {
      report({ at: `${at}.drives`, problem: `${drive.id} in the raid0 array is a drive of kind ${drive.kind}`, limit: "nvme in a raid0 array", remedy: "take NVMe drives, or another level" });
    }
  },
});
