import { list, rule } from "../rule";
import { INFERENCE_SERVICE, type InferenceServiceSpec } from "../specs";

export const standbyOnAnotherServer = rule<InferenceServiceSpec>({
  name: "standby-on-another-server",
  title: "A standby on another server",
  description: "A service's standby must not run on a server that its active replicas run on, and must be there where it is asked for.",
  section: "guide 5.2",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Add a server with free GPUs for the standby, or set standbyReplicas to 0. What fails with the active replica is no standby.",
  types: [INFERENCE_SERVICE],
  check({ name, service, workloads }, _settings, report) {
    const at = `services.${name}.standbyReplicas`;
    const standbys = workloads.filter(({ role }) => role === "standby");
    const planned = standbys.reduce((sum, { replicas }) => sum + replicas, 0);
    if (planned < service.standbyReplicas) {
      report({ at, problem: `${service.standbyReplicas} standbys are asked for and ${planned} are planned`, limit: `${service.standbyReplicas} standbys`, remedy: "add a server with free GPUs, or ask for fewer" });
    }
    const active = new Set(workloads.filter(({ role }) => role === "active").flatMap(({ servers }) => servers));
    for (const { name: workload, servers } of standbys) {
      const shared = servers.filter((server) => active.has(server));
      if (shared.length > 0) report({ at, problem: `${workload} is on ${list(shared)}, as the active replica is`, limit: "servers without an active replica of the service", remedy: "add a server with free GPUs" });
    }
  },
});
