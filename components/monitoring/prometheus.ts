import { stringify } from "yaml";
import { image } from "../catalog/images";
import { namespaces } from "../cluster/names";
import type { KubernetesObject } from "../cluster/object";
import type { Environment } from "../environment/schema";
import { apiPort, metricsPort } from "../inference/engines/engine";
import type { WorkloadPlan } from "../inference/plan-types";
import { ports } from "./names";
import { allPods, apiServer, hosts, host, openings, pods, type Opening } from "./network";
import { access, configMap, programDeployment, programService } from "./objects";
import { nodeExporterPort, prometheusConfig, rulesFile } from "./prometheus-config";
import { restartName } from "./restart/restart";
import { prometheusRules, ruleGroups } from "./rules";
import { claimOf, measurementVolume, type Measurements } from "./storage";

const name = "prometheus";
const folder = "/etc/prometheus";
const data = "/prometheus";
/** What discovery by pods needs, in the namespaces where they are discovered. */
const discovery = [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] }];

/** Prometheus' own units are powers of two though they are written without the i; whole megabytes, for less than one would be none. */
export function retentionSize({ monitoring }: Environment): string {
  return `${Math.max(1, Math.floor(monitoring.retentionGiB * 1024))}MB`;
}

/** 200 servers with 8 GPUs took 1,010 MiB, before the head had its two hours: 5 MiB a server, twice of that here (docs/speed.md). */
const memoryMiB = { base: 512, perServer: 10 } as const;

/** Limit of its memory: a rack that is added must not be what ends it. */
export function prometheusMemoryMiB({ servers }: Environment): number {
  return Math.max(2048, 2 * (memoryMiB.base + memoryMiB.perServer * Object.keys(servers).length));
}

/** Flags beyond the defaults, the same in a pod and on a bare host. */
export function prometheusFlags(environment: Environment, dataFolder: string): string[] {
  return [`--storage.tsdb.path=${dataFolder}`, `--storage.tsdb.retention.size=${retentionSize(environment)}`];
}

/** Both files of Prometheus. */
export function prometheusFiles(environment: Environment, workloads: WorkloadPlan, place: "cluster" | "hosts"): Record<string, string> {
  return { "prometheus.yml": stringify(prometheusConfig(environment, place)), [rulesFile]: stringify(prometheusRules(ruleGroups(environment, workloads)), { lineWidth: 0 }) };
}

/** Where it goes to fetch metrics, and nowhere else. */
function outwards(environment: Environment): Opening[] {
  const { monitoring, exporters, inference } = namespaces;
  const addresses = Object.values(environment.servers).map(({ address }) => address);
  const { meter } = environment.monitoring;
  return [
    apiServer(environment),
    { peers: [pods(monitoring, "alertmanager")], ports: [ports.alertmanager] },
    { peers: [pods(monitoring, "kube-state-metrics")], ports: [ports.kubeStateMetrics] },
    { peers: [pods(monitoring, "blackbox-exporter")], ports: [ports.blackboxExporter] },
    { peers: [pods(exporters, "dcgm-exporter")], ports: [ports.dcgmExporter] },
    { peers: hosts(addresses), ports: [nodeExporterPort(environment), ports.smokepingProber] },
    // Engines choose the port of their metrics; their own policies say which of them is open.
    { peers: [allPods(inference)], ports: [apiPort, metricsPort, ports.allocator] },
    ...(meter === undefined ? [] : [{ ...host(environment, meter.address), ports: [meter.port] }]),
  ];
}

export function prometheusObjects(environment: Environment, workloads: WorkloadPlan, place: Measurements): KubernetesObject[] {
  const namespace = namespaces.monitoring;
  const files = prometheusFiles(environment, workloads, "cluster");
  const program = {
    name,
    namespace,
    image: image("prometheus", environment),
    args: [`--config.file=${folder}/prometheus.yml`, ...prometheusFlags(environment, data)],
    ports: { http: ports.prometheus },
    ready: "/-/ready",
    requests: { cpu: "200m", memory: "1536Mi" },
    memoryLimit: `${prometheusMemoryMiB(environment)}Mi`,
    serviceAccount: name,
    servers: [place.server],
    volumes: [
      { name: "configuration", mountPath: folder, readOnly: true, source: { configMap: { name } } },
      { name: "data", mountPath: data, source: { persistentVolumeClaim: { claimName: claimOf("prometheus") } } },
    ],
    files: Object.values(files),
    // It closes its files in order; a log that was cut off is read again for minutes at the next start.
    pod: { terminationGracePeriodSeconds: 300 },
  };
  const readers = [pods(namespace, "grafana"), pods(namespace, restartName), pods(namespace, name)];
  return [
    ...measurementVolume(environment, place, "prometheus"),
    configMap(namespace, name, name, files),
    ...access(namespace, name, [namespaces.exporters, namespaces.inference].map((where) => ({ in: where, rules: discovery }))),
    openings(namespace, name, { from: [{ peers: readers, ports: [ports.prometheus] }], to: outwards(environment) }),
    programService(program),
    programDeployment(environment, program),
  ];
}
