import { stringify } from "yaml";
import { image } from "../catalog/images";
import { clientLabel, ingressNamespace, namespaces } from "../cluster/names";
import type { KubernetesObject } from "../cluster/object";
import type { Environment } from "../environment/schema";
import type { WorkloadPlan } from "../inference/plan-types";
import { boards } from "./dashboards";
import { ports } from "./names";
import { allPods, openings, pods } from "./network";
import { configMap, named, programDeployment, programService } from "./objects";
import { claimOf, measurementVolume, type Measurements } from "./storage";

const name = "grafana";
export const boardsFolder = "/etc/grafana/boards";
const provisioning = "/etc/grafana/provisioning";
const secretFolder = "/etc/rackwright/grafana";
const data = "/var/lib/grafana";

/** Secret with the administrator's password: made by the component. */
export const grafanaSecret = { name: "grafana", key: "admin-password" } as const;

/** By which boards name their data source. */
export const dataSourceUid = "prometheus";

/**
 * Settings that differ from Grafana's own: it reports to nobody, asks nobody for news, updates and plug-ins, and has no
 * accounts but those that an administrator makes. Variables of Grafana's image, and of its service on a bare host.
 */
export const grafanaVariables: Readonly<Record<string, string>> = {
  GF_ANALYTICS_REPORTING_ENABLED: "false",
  GF_ANALYTICS_CHECK_FOR_UPDATES: "false",
  GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: "false",
  GF_NEWS_NEWS_FEED_ENABLED: "false",
  GF_SECURITY_DISABLE_GRAVATAR: "true",
  GF_PLUGINS_PREINSTALL_DISABLED: "true",
  GF_PLUGINS_PLUGIN_ADMIN_ENABLED: "false",
  GF_USERS_ALLOW_SIGN_UP: "false",
  GF_SNAPSHOTS_EXTERNAL_ENABLED: "false",
  GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: `${boardsFolder}/site.json`,
};

/** Files of Grafana's provisioning: the one data source, and the folder of boards. */
export function grafanaProvisioning(prometheusUrl: string, boardsPath = boardsFolder): { dataSources: string; boards: string } {
  return {
    dataSources: stringify({ apiVersion: 1, datasources: [{ name: "Prometheus", uid: dataSourceUid, type: "prometheus", access: "proxy", url: prometheusUrl, isDefault: true, editable: false }] }),
    boards: stringify({ apiVersion: 1, providers: [{ name: "rackwright", folder: "Rackwright", type: "file", disableDeletion: true, allowUiUpdates: false, options: { path: boardsPath } }] }),
  };
}

/** Boards by the name of their file. */
export function boardFiles(environment: Environment, workloads: WorkloadPlan): Record<string, string> {
  return Object.fromEntries(boards(environment, workloads).map(({ file, model }) => [file, JSON.stringify(model)]));
}

/** Grafana with its data source and boards; nothing where the environment wants none. */
export function grafanaObjects(environment: Environment, workloads: WorkloadPlan, place: Measurements): KubernetesObject[] {
  const { enabled, hostname } = environment.monitoring.grafana;
  if (!enabled) return [];
  const namespace = namespaces.monitoring;
  const files = boardFiles(environment, workloads);
  const provisioned = grafanaProvisioning(`http://prometheus.${namespace}:${ports.prometheus}`);
  const program = {
    name,
    namespace,
    image: image("grafana", environment),
    args: [],
    ports: { http: ports.grafana },
    ready: "/api/health",
    requests: { cpu: "100m", memory: "256Mi" },
    memoryLimit: "1Gi",
    servers: [place.server],
    env: [
      ...Object.entries({ ...grafanaVariables, GF_PATHS_DATA: data, GF_PATHS_PROVISIONING: provisioning, GF_SECURITY_ADMIN_PASSWORD__FILE: `${secretFolder}/${grafanaSecret.key}` }).map(([variable, value]) => ({ name: variable, value })),
      ...(hostname === undefined ? [] : [{ name: "GF_SERVER_ROOT_URL", value: `https://${hostname}/` }]),
    ],
    volumes: [
      { name: "data", mountPath: data, source: { persistentVolumeClaim: { claimName: claimOf("grafana") } } },
      { name: "boards", mountPath: boardsFolder, readOnly: true, source: { configMap: { name: "grafana-boards" } } },
      { name: "data-sources", mountPath: `${provisioning}/datasources`, readOnly: true, source: { configMap: { name: "grafana-data-sources" } } },
      { name: "board-folders", mountPath: `${provisioning}/dashboards`, readOnly: true, source: { configMap: { name: "grafana-board-folders" } } },
      { name: "secrets", mountPath: secretFolder, readOnly: true, source: { secret: { secretName: grafanaSecret.name, defaultMode: 0o440 } } },
      { name: "tmp", mountPath: "/tmp", source: { emptyDir: {} } },
    ],
    files: [...Object.values(provisioned), ...Object.values(files)],
  };
  const clients = [{ namespaceSelector: {}, podSelector: { matchLabels: clientLabel } }, ...(hostname === undefined ? [] : [allPods(ingressNamespace)])];
  return [
    ...measurementVolume(environment, place, "grafana"),
    configMap(namespace, "grafana-boards", name, files),
    configMap(namespace, "grafana-data-sources", name, { "rackwright.yaml": provisioned.dataSources }),
    configMap(namespace, "grafana-board-folders", name, { "rackwright.yaml": provisioned.boards }),
    openings(namespace, name, { from: [{ peers: clients, ports: [ports.grafana] }], to: [{ peers: [pods(namespace, "prometheus")], ports: [ports.prometheus] }] }),
    programService(program),
    ...(hostname === undefined ? [] : [ingress(environment, hostname)]),
    programDeployment(environment, program),
  ];
}

function ingress({ cluster }: Environment, hostname: string): KubernetesObject {
  const backend = { service: { name, port: { name: "http" } } };
  return named("networking.k8s.io/v1", "Ingress", namespaces.monitoring, name, name, { spec: { ingressClassName: cluster.ingressClass, rules: [{ host: hostname, http: { paths: [{ path: "/", pathType: "Prefix", backend }] } }] } });
}
