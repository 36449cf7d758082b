import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const hubWeightsNeedInternet = rule<SiteSpec>({
  name: "hub-weights-need-internet",
  title: "Weights from a hub only where there is internet",
  description: "A service must fetch its weights from a hub only at a site whose hosts may reach the internet.",
  section: "guide 1",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Put the weights into the site's model store and write weights.from: store, which also checks them against their checksums; or set site.internetAccess.",
  types: [SITE],
  check({ site, services }, _settings, report) {
    if (site.internetAccess) return;
    for (const [name, { weights }] of Object.entries(services)) {
      if (weights.from === "hub") report({ at: `services.${name}.weights.from`, problem: "hub, at a site without internet access", limit: "store", remedy: "put the weights into the model store and write store" });
    }
  },
});
