import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const regulatedDataStaysOnSite = rule<SiteSpec>({
  name: "regulated-data-stays-on-site",
  title: "Regulated data has no way out",
  description: "A site with financial or medical data must not give its hosts and services access to the internet.",
  section: "guide 1",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Set site.internetAccess to false and bring packages, images and weights in through the site's mirror and model store.",
  types: [SITE],
  check({ site }, _settings, report) {
    if (site.dataClass === "general" || !site.internetAccess) return;
    report({ at: "site.internetAccess", problem: `hosts and services with ${site.dataClass} data may reach the internet`, limit: "false", remedy: "write false and set site.mirror" });
  },
});
