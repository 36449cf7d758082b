import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = {
  everywhere: { type: "boolean", description: "Ask it of every site. Else of those in production: with regulated data, with a standby, or with several servers that have GPUs.", default: false },
} as const;

/** An environment does not say that it is in production; these three are what nobody builds to try things out. */
function inProduction({ site, servers, services }: SiteSpec): boolean {
  const gpuServers = Object.values(servers).filter(({ gpus }) => gpus !== undefined).length;
  return site.dataClass !== "general" || gpuServers > 1 || Object.values(services).some(({ standbyReplicas }) => standbyReplicas > 0);
}

export const alertsReachSomebody = rule<SiteSpec, typeof settings>({
  name: "alerts-reach-somebody",
  title: "Alerts reach somebody",
  description: "A site in production must send its alerts to somebody, warnings included.",
  section: "guide 5.1",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Add a webhook, mail address or chat channel under monitoring.receivers, with minimumSeverity warning or info: the guide's three alerts are warnings.",
  types: [SITE],
  settings,
  check(spec, { everywhere }, report) {
    if (!spec.monitoring.enabled || !(everywhere || inProduction(spec))) return;
    const receivers = Object.values(spec.monitoring.receivers);
    if (receivers.length === 0) {
      report({ at: "monitoring.receivers", problem: "alerts are sent to nobody", limit: "one receiver or more", remedy: "add a webhook, a mail address or a chat channel" });
    } else if (receivers.every(({ minimumSeverity }) => minimumSeverity === "critical")) {
      report({ at: "monitoring.receivers", problem: "every receiver takes critical alerts only, so that nobody is told of the warnings", limit: "a receiver with minimumSeverity warning or info", remedy: "lower minimumSeverity of one receiver" });
    }
  },
});
