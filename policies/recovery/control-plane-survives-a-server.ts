import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = {
  servers: { type: "integer", minimum: 3, maximum: 7, description: "Servers of the control plane that a standby needs.", default: 3 },
} as const;

export const controlPlaneSurvivesAServer = rule<SiteSpec, typeof settings>({
  name: "control-plane-survives-a-server",
  title: "A control plane that survives a server",
  description: "The control plane should have an odd number of servers, and three or more where services have a standby.",
  section: "guide 5.2, facts 6",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "List one server, or three, in cluster.controlPlane; small servers do. Two survive no loss, for the other has no majority, and a control plane that is down moves nothing to a standby.",
  types: [SITE],
  settings,
  check({ cluster, recovery }, settings, report) {
    if (cluster.distribution !== "k3s") return;
    const count = cluster.controlPlane.length;
    if (count % 2 === 0) {
      report({ at: "cluster.controlPlane", problem: `${count} servers, of which none may fail that fewer would not survive too`, limit: "an odd number", remedy: "add a server or take one out" });
    } else if (recovery.standby.mode !== "none" && count < settings.servers) {
      report({ at: "cluster.controlPlane", problem: `${count} server with standby mode ${recovery.standby.mode}: where it fails nothing is moved`, limit: `${settings.servers} servers or more`, remedy: "add control-plane servers" });
    }
  },
});
