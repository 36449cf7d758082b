import { list, rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const monitoringEnabled = rule<SiteSpec>({
  name: "monitoring-enabled",
  title: "GPUs are watched",
  description: "A site with GPUs should have monitoring, or one of its own that watches the same.",
  section: "guide 5.1",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Set monitoring.enabled, which needs a server with a warm or cold tier; disable this rule where the site has its own.",
  types: [SITE],
  check({ monitoring, servers }, _settings, report) {
    if (monitoring.enabled) return;
    const withGpus = Object.entries(servers).filter(([, { gpus }]) => gpus !== undefined).map(([name]) => name);
    if (withGpus.length > 0) report({ at: "monitoring.enabled", problem: `nothing watches the GPUs of ${list(withGpus)}`, limit: "true", remedy: "write true, or disable this rule where another monitoring watches them" });
  },
});
