import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const standbyModeFitsServices = rule<SiteSpec>({
  name: "standby-mode-fits-services",
  title: "Standbys that are switched to",
  description: "Services with standby replicas should have a way to switch to them, and a way to switch should have services with standbys.",
  section: "guide 5.2",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Set recovery.standby.mode to keepalived or kubernetes where services have standbyReplicas; give each service that must survive a server a standby, or write mode: none.",
  types: [SITE],
  check({ recovery, services }, _settings, report) {
    const { mode } = recovery.standby;
    const withStandby = Object.entries(services).filter(([, { standbyReplicas }]) => standbyReplicas > 0);
    if (mode === "none") {
      for (const [name, { standbyReplicas }] of withStandby) report({ at: `services.${name}.standbyReplicas`, problem: `${standbyReplicas} standbys hold GPUs and recovery.standby.mode is none, so that nothing switches to them`, limit: "standbys with a mode other than none", remedy: "set the mode to keepalived or kubernetes, or standbyReplicas to 0" });
    } else if (withStandby.length === 0 && Object.keys(services).length > 0) {
      report({ at: "recovery.standby.mode", problem: `${mode}, and no service has a standby`, limit: "a service with standbyReplicas", remedy: "give a service standbyReplicas, or write mode: none" });
    }
  },
});
