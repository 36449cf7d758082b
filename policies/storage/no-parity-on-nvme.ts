import { rule } from "../rule";
import { STORAGE_TIER, type StorageTierSpec } from "../specs";

export const noParityOnNvme = rule<StorageTierSpec>({
  name: "no-parity-on-nvme",
  title: "No parity RAID for an NVMe hot tier",
  description: "The hot tier on NVMe should not be raid5 or raid6, whose parity costs most of the drives' write speed.",
  section: "facts 8",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Use raid0, for the hot tier can be read again from the warm or cold tier, or raid10 where it must survive a lost drive.",
  types: [STORAGE_TIER],
  check(spec, _settings, report) {
    if (spec.tier !== "hot" || (spec.level !== "raid5" && spec.level !== "raid6")) return;
    if (!spec.drives.some(({ kind }) => kind === "nvme")) return;
    report({ at: `servers.${spec.server}.tiers.hot.level`, problem: `the hot tier on NVMe is ${spec.level}`, limit: "raid0 or raid10", remedy: "choose raid0, or raid10 where it must survive a lost drive" });
  },
});
