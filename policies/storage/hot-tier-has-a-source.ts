import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const hotTierHasASource = rule<SiteSpec>({
  name: "hot-tier-has-a-source",
  title: "The hot tier is never the only copy",
  description: "An environment with a hot tier that a lost drive destroys must have a warm tier, a cold tier or an object store to read it from again.",
  section: "guide 2.2",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Add a warm or cold tier to any server of the environment, or an object store to the site. Weights live there and are copied to the hot tier.",
  types: [SITE],
  check({ site, servers }, _settings, report) {
    if (site.objectStore || Object.values(servers).some(({ tiers }) => tiers.warm ?? tiers.cold)) return;
    for (const [name, { tiers }] of Object.entries(servers)) {
      const level = tiers.hot?.level;
      if (level !== "raid0" && level !== "single") continue;
      report({ at: `servers.${name}.tiers.hot`, problem: `the hot tier is ${level} and the environment has no other copy of what is on it`, limit: "a hot tier beside a warm tier, a cold tier or site.objectStore", remedy: "add a warm or cold tier, or an object store" });
    }
  },
});
