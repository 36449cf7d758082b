import { list, rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const threeTiers = rule<SiteSpec>({
  name: "three-tiers",
  title: "Hot, warm and cold storage",
  description: "A site with GPUs should have a hot tier, a warm tier, and a cold tier or an object store.",
  section: "guide 2.2",
  severity: "low",
  enforcementLevel: "advisory",
  remediationSteps: "Give the GPU servers a hot tier on NVMe for weights, and any server a warm tier on SSD for checkpoints and a cold tier on rotating drives, or the site an object store, for history.",
  types: [SITE],
  check({ site, servers }, _settings, report) {
    const all = Object.values(servers);
    if (!all.some(({ gpus }) => gpus !== undefined)) return;
    const missing = (["hot", "warm", "cold"] as const).filter((tier) => !all.some(({ tiers }) => tiers[tier] !== undefined) && !(tier === "cold" && site.objectStore !== undefined));
    if (missing.length > 0) report({ at: "servers", problem: `no server has a ${list(missing, "or")} tier`, limit: "hot, warm, and cold or site.objectStore", remedy: "add the tier to a server" });
  },
});
