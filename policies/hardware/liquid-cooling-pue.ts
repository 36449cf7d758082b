import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = {
  pue: { type: "number", minimum: 1, maximum: 3, description: "PUE that liquid cooling reaches and air cooling does not.", default: 1.1 },
} as const;

export const liquidCoolingPue = rule<SiteSpec, typeof settings>({
  name: "liquid-cooling-pue",
  title: "PUE fits the cooling",
  description: "A liquid-cooled site should reach a PUE of 1.1, and an air-cooled one should not count on less.",
  section: "guide 7",
  severity: "low",
  enforcementLevel: "advisory",
  remediationSteps: "Measure the site's draw and the servers' draw at the same time and write their ratio as site.power.pue.",
  types: [SITE],
  settings,
  check({ site }, settings, report) {
    const { pue, cooling } = site.power;
    if (cooling === "liquid" && pue > settings.pue) {
      report({ at: "site.power.pue", problem: `${pue} with liquid cooling`, limit: `${settings.pue} or less`, remedy: "measure it, and look for what still runs on air" });
    }
    if (cooling === "air" && pue < settings.pue) {
      report({ at: "site.power.pue", problem: `${pue} with air cooling`, limit: `${settings.pue} or more`, remedy: "measure it, or write cooling: liquid" });
    }
  },
});
