import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = {
  fromServers: { type: "integer", minimum: 2, maximum: 1000, description: "From how many servers with GPUs on there is a place for a standby.", default: 2 },
} as const;

export const interactiveServicesSurviveAServer = rule<SiteSpec, typeof settings>({
  name: "interactive-services-survive-a-server",
  title: "Interactive services survive a server",
  description: "Where there are several servers with GPUs, an interactive service should have a standby or more than one replica.",
  section: "guide 5.2",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Set standbyReplicas to 1, which is put on another server, or give the service a second replica; write priority: batch where nobody waits for it.",
  types: [SITE],
  settings,
  check({ servers, services }, { fromServers }, report) {
    const withGpus = Object.values(servers).filter(({ gpus, roles }) => gpus !== undefined && roles.includes("worker")).length;
    if (withGpus < fromServers) return;
    for (const [name, { priority, replicas, standbyReplicas }] of Object.entries(services)) {
      if (priority !== "interactive" || replicas + standbyReplicas > 1) continue;
      report({ at: `services.${name}.standbyReplicas`, problem: `one replica and no standby, although ${withGpus} servers have GPUs`, limit: "a standby or a second replica", remedy: "write standbyReplicas: 1, or priority: batch" });
    }
  },
});
