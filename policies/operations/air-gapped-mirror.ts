import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const airGappedMirror = rule<SiteSpec>({
  name: "air-gapped-mirror",
  title: "A site without internet has its mirrors",
  description: "A site without internet access must name a mirror for packages, for images where it runs a cluster, and for k3s's own files where that is its cluster.",
  section: "facts 8",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Set site.mirror.apt to the site's copy of the distribution's and NVIDIA's repositories, site.mirror.images to its registry and site.mirror.files to its plain files; or set site.internetAccess where hosts may reach out.",
  types: [SITE],
  check({ site, servers, cluster }, _settings, report) {
    if (site.internetAccess || Object.keys(servers).length === 0) return;
    if (!site.mirror?.apt) {
      report({ at: "site.mirror.apt", problem: "the site has no internet access and no package mirror, so that nothing can be installed", limit: "the base URL of a mirror", remedy: "set it, or site.internetAccess where hosts may reach out" });
    }
    if (cluster.distribution !== "none" && !site.mirror?.images) {
      report({ at: "site.mirror.images", problem: `the site has no internet access, a cluster (${cluster.distribution}) and no image registry`, limit: "a registry on the site", remedy: "set it, or site.internetAccess where hosts may reach out" });
    }
    if (cluster.distribution === "k3s" && !site.mirror?.files) {
      report({ at: "site.mirror.files", problem: "the site has no internet access, a cluster (k3s) and no copy of k3s itself", limit: "the base URL of plain files", remedy: "set it, or site.internetAccess where hosts may reach out" });
    }
  },
});
