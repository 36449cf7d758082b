import { list, rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = {
  tiers: { type: "array", items: { type: "string" }, description: "Tiers that may hold regulated data. Weights that were trained on it count, so that the hot tier is among them.", default: ["hot", "warm", "cold"] as readonly string[] },
} as const;

export const encryptionAtRest = rule<SiteSpec, typeof settings>({
  name: "encryption-at-rest",
  title: "Regulated data is encrypted at rest",
  description: "At a site with financial or medical data every tier should be declared to be on drives that encrypt what is on them.",
  section: "guide 1",
  severity: "high",
  enforcementLevel: "advisory",
  remediationSteps: "Take self-encrypting drives, have them locked by a key that is not in the server, and write encryptionAtRest: self-encrypting-drives beside the tier. It is a declaration: the product neither sets encryption up nor checks it, and an object store's encryption is its own affair. Make the rule mandatory where an auditor asks for it.",
  types: [SITE],
  settings,
  check({ site, servers }, { tiers: asked }, report) {
    if (site.dataClass === "general") return;
    for (const [name, { tiers }] of Object.entries(servers)) {
      const open = Object.entries(tiers).filter(([tier, { encryptionAtRest }]) => asked.includes(tier) && (encryptionAtRest ?? "none") === "none").map(([tier]) => tier);
      if (open.length === 0) continue;
      report({ at: `servers.${name}.tiers`, problem: `the ${list(open)} ${open.length === 1 ? "tier has" : "tiers have"} encryptionAtRest none at a site with ${site.dataClass} data, so that a drive that is sold or stolen can be read`, limit: "self-encrypting-drives", remedy: "take such drives and write encryptionAtRest: self-encrypting-drives, which is a declaration that the product does not check" });
    }
  },
});
