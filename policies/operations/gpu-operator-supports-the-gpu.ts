import { gpuFact } from "../catalog";
import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const gpuOperatorSupportsTheGpu = rule<SiteSpec>({
  name: "gpu-operator-supports-the-gpu",
  title: "GPU Operator with cards on its list",
  description: "The GPU Operator should be used with cards that NVIDIA lists for it, among which no GeForce is.",
  section: "facts 1",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Set cluster.gpuStack to device-plugin, which works with every card.",
  types: [SITE],
  check({ cluster, servers }, _settings, report) {
    if (cluster.distribution === "none" || cluster.gpuStack !== "gpu-operator") return;
    for (const [server, { gpus }] of Object.entries(servers)) {
      if (!gpus) continue;
      const { name } = gpuFact(gpus.model);
      if (!name.includes("GeForce")) continue;
      report({ at: "cluster.gpuStack", problem: `gpu-operator with the ${name} in ${server}, which is not on its list`, limit: "device-plugin with GeForce cards", remedy: "set it to device-plugin" });
    }
  },
});
