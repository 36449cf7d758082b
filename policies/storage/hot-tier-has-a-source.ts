import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const hotTierHasASource = rule<SiteSpec>({
  name: "hot-tier-has-a-source",
  title: "The hot tier is never the only copy",
  description: "What is on a hot tier that a lost drive destroys must be made again from elsewhere: the environment has a warm tier, a cold tier, an object store or an NFS export of weights, and the model store itself is on no hot tier.",
  section: "guide 2.2",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Add a warm or cold tier to any server of the environment, or an object store to the site. Weights live there and are copied to the hot tier.",
  types: [SITE],
  check({ site, servers }, _settings, report) {
    const { modelStore } = site;
    const hasASource = site.objectStore !== undefined || modelStore?.kind === "nfs" || Object.values(servers).some(({ tiers }) => tiers.warm ?? tiers.cold);
    for (const [name, { tiers }] of Object.entries(servers)) {
      const { hot } = tiers;
      if (hot?.level !== "raid0" && hot?.level !== "single") continue;
      if (!hasASource) {
        report({ at: `servers.${name}.tiers.hot`, problem: `the hot tier is ${hot.level} and the environment has no other copy of what is on it`, limit: "a hot tier beside a warm tier, a cold tier or site.objectStore", remedy: "add a warm or cold tier, or an object store" });
      }
      const mount = hot.mount ?? "/srv/hot";
      if (modelStore?.kind === "directory" && `${modelStore.path}/`.startsWith(`${mount}/`)) {
        report({ at: "site.modelStore.path", problem: `${modelStore.path} is on the hot tier of ${name}, which is ${hot.level}: weights would exist there alone`, limit: "a folder on the warm or cold tier", remedy: "name a folder on a tier that survives a lost drive" });
      }
    }
  },
});
