import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const objectStoreOverTls = rule<SiteSpec>({
  name: "object-store-over-tls",
  title: "Regulated data crosses the network encrypted",
  description: "A site with financial or medical data must reach its object store over HTTPS.",
  section: "guide 1",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Give the object store a certificate that the servers trust and write its https:// address.",
  types: [SITE],
  check({ site }, _settings, report) {
    if (site.dataClass === "general" || !site.objectStore?.endpoint.startsWith("http:")) return;
    report({ at: "site.objectStore.endpoint", problem: `${site.objectStore.endpoint} carries ${site.dataClass} data in the clear`, limit: "https://", remedy: "give the object store a certificate and write its https address" });
  },
});
