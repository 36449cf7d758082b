import { list, rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";

export const tiersShareNoDrive = rule<ServerSpec>({
  name: "tiers-share-no-drive",
  title: "Each drive belongs to one tier",
  description: "A drive must be a member of one tier, and be named there once.",
  section: "guide 2.2",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Give each tier drives of its own. A shared drive takes two tiers with it when it fails, and the second array cannot be made on it.",
  types: [SERVER],
  check(spec, _settings, report) {
    const places = new Map<string, string[]>();
    for (const [tier, entry] of Object.entries(spec.tiers)) {
      for (const id of entry.drives) places.set(id, [...(places.get(id) ?? []), tier]);
    }
    for (const [id, tiers] of places) {
      if (tiers.length < 2) continue;
      report({ at: `servers.${spec.name}.tiers`, problem: `drive ${id} is named ${tiers.length} times: in ${list(tiers)}`, limit: "once", remedy: "name it in one tier and give the other another drive" });
    }
  },
});
