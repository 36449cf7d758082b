import { rule } from "../rule";
import { STORAGE_TIER, type StorageTierSpec } from "../specs";

export const coldTierOnCapacityDrives = rule<StorageTierSpec>({
  name: "cold-tier-on-capacity-drives",
  title: "Cold tier on rotating drives",
  description: "The cold tier should be on rotating drives or in an object store, where a terabyte costs least.",
  section: "guide 2.2",
  severity: "low",
  enforcementLevel: "advisory",
  remediationSteps: "Move history to rotating drives or to the site's object store, and give the faster drives to the hot or warm tier.",
  types: [STORAGE_TIER],
  check(spec, _settings, report) {
    if (spec.tier !== "cold") return;
    for (const drive of spec.drives.filter(({ kind }) => kind !== "hdd")) {
      report({ at: `servers.${spec.server}.tiers.cold.drives`, problem: `${drive.id} is a drive of kind ${drive.kind}`, limit: "hdd, or an object store in place of the tier", remedy: "give the drive to the hot or warm tier" });
    }
  },
});
