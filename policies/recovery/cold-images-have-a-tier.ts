import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const coldImagesHaveATier = rule<SiteSpec>({
  name: "cold-images-have-a-tier",
  title: "Cold images lie on a tier that keeps them",
  description: "A site with a cluster must have a warm or cold tier, or an object store, for the images of a cold start.",
  section: "guide 5.2",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Give a server a cold or warm tier or the site an object store, and name it as recovery.coldStart.imagesTier. The hot tier is lost with any one drive.",
  types: [SITE],
  check({ site, servers, cluster, recovery }, _settings, report) {
    if (cluster.distribution === "none") return;
    const has = (tier: "warm" | "cold"): boolean => (tier === "cold" && site.objectStore !== undefined) || Object.values(servers).some(({ tiers }) => tiers[tier] !== undefined);
    const { imagesTier } = recovery.coldStart;
    const wanted: readonly ("warm" | "cold")[] = imagesTier === undefined ? ["cold", "warm"] : [imagesTier];
    if (wanted.some(has)) return;
    report({ at: "recovery.coldStart.imagesTier", problem: `no server has a ${wanted.join(" or ")} tier${wanted.includes("cold") ? " and the site has no object store" : ""}, so that the images of a cold start lie nowhere`, limit: "a tier that is there", remedy: "add the tier or an object store, or name another" });
  },
});
