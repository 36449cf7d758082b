import { list, rule } from "../rule";
import { STORAGE_TIER, type StorageTierSpec } from "../specs";

const settings = {
  capacityDifferencePercent: { type: "number", minimum: 0, maximum: 100, description: "By how much the largest member may exceed the smallest.", default: 5 },
} as const;

export const arrayDrivesAlike = rule<StorageTierSpec, typeof settings>({
  name: "array-drives-alike",
  title: "An array of drives that are alike",
  description: "The drives of an array should be of one kind and of about one capacity, for the slowest sets the speed and the smallest what is used of the others.",
  section: "facts 8",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Build each array from drives of one model, and use the others for another tier.",
  types: [STORAGE_TIER],
  settings,
  check(spec, { capacityDifferencePercent }, report) {
    if (spec.level === "single") return;
    const at = `servers.${spec.server}.tiers.${spec.tier}.drives`;
    const kinds = [...new Set(spec.drives.map(({ kind }) => kind))].sort();
    if (kinds.length > 1) {
      report({ at, problem: `the array mixes ${list(kinds)} drives and runs at the speed of the slowest`, limit: "drives of one kind", remedy: "use drives of one kind for this tier" });
    }
    const capacities = spec.drives.map(({ capacityGB }) => capacityGB);
    const smallest = Math.min(...capacities);
    const largest = Math.max(...capacities);
    if (largest > smallest * (1 + capacityDifferencePercent / 100)) {
      // A RAID 0 uses the rest of its larger members too, striped over those alone.
      const consequence = spec.level === "raid0" ? `past the first ${smallest} GB of each it runs on fewer drives` : `all are used as ${smallest} GB`;
      report({ at, problem: `members of ${smallest} GB and ${largest} GB: ${consequence}`, limit: `a difference of ${capacityDifferencePercent} % at most`, remedy: "use drives of one capacity for this tier" });
    }
  },
});
