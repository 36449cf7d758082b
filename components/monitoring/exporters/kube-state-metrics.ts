import { image } from "../../catalog/images";
import { labels } from "../../cluster/names";
import { homeOf } from "../../cluster/namespaces";
import type { KubernetesObject } from "../../cluster/object";
import type { Environment } from "../../environment/schema";
import { metrics } from "../metrics";
import { jobs, ports } from "../names";
import { apiServer, openings, scraper } from "../network";
import { access, programDeployment, programService } from "../objects";

const name = "kube-state-metrics";
const telemetryPort = 8081;
const shown = [labels.service, labels.role, labels.server].join(",");
/** What it watches, by API group: what {@link metrics} needs, and no Secret. */
const watched = { "": ["nodes", "pods", "persistentvolumeclaims"], apps: ["deployments"], batch: ["jobs"] } as const;

/** kube-state-metrics with the metrics that rules and boards use, and the labels that say whose pod it is. */
export function kubeStateMetricsObjects(environment: Environment): KubernetesObject[] {
  const namespace = homeOf(environment);
  const program = {
    name,
    namespace,
    image: image("kube-state-metrics", environment),
    args: [
      `--port=${ports.kubeStateMetrics}`,
      `--telemetry-port=${telemetryPort}`,
      `--resources=${Object.values(watched).flat().join(",")}`,
      `--metric-labels-allowlist=pods=[${shown}],deployments=[${shown}],jobs=[${shown}]`,
      `--metric-allowlist=${Object.keys(metrics[jobs.kubernetes]).join(",")}`,
    ],
    ports: { metrics: ports.kubeStateMetrics, telemetry: telemetryPort },
    ready: "/healthz",
    requests: { cpu: "50m", memory: "128Mi" },
    memoryLimit: "512Mi",
    serviceAccount: name,
    // It belongs to no server; it must run where GPU servers are all there is, too.
    pod: { tolerations: [{ operator: "Exists", effect: "NoSchedule" }] },
  };
  return [
    ...access(namespace, name, [{ rules: Object.entries(watched).map(([group, resources]) => ({ apiGroups: [group], resources, verbs: ["list", "watch"] })) }]),
    openings(namespace, name, { from: [{ peers: [scraper(environment)], ports: [ports.kubeStateMetrics] }], to: [apiServer(environment)] }),
    programService(program),
    programDeployment(environment, program),
  ];
}
