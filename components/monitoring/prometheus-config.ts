import { labels, namespaces } from "../cluster/names";
import type { Environment } from "../environment/schema";
import { hostPort } from "../host-port";
import { apiAddressOf, apiServerUrl } from "../servers/k3s-plan";
import { monitoringMode } from "./mode";
import { allocatorPortName, jobs, ports } from "./names";
import { monitoringServer } from "./server";

/** Where Prometheus runs: as a pod that finds its targets through the API server, or on a host of a site without a cluster. */
export type Place = "cluster" | "hosts";

type Job = Record<string, unknown> & { job_name: string };
export type Relabelling = Readonly<Record<string, unknown>>;

/** Of the rules, beside the configuration. */
export const rulesFile = "rules.yml";

/** What a scrape may take: a slow exporter must not run into its next turn. */
const timeoutShare = 2 / 3;

/** Port of our node_exporter on the hosts. A site's own Prometheus operator usually brings one, which has 9100 already. */
export function nodeExporterPort(environment: Environment): number {
  return monitoringMode(environment) === "operator" ? 19100 : ports.nodeExporter;
}

/**
 * Prometheus' configuration as plain data, for `prometheus.yml`. Holds no secret. Every series gets the labels of
 * {@link targetLabels} that apply to it; `honor_labels` keeps those with which dcgm-exporter and kube-state-metrics say
 * whose pod they speak of.
 */
export function prometheusConfig(environment: Environment, place: Place): Record<string, unknown> {
  const { scrapeIntervalSeconds } = environment.monitoring;
  return {
    global: {
      scrape_interval: `${scrapeIntervalSeconds}s`,
      scrape_timeout: `${Math.floor(scrapeIntervalSeconds * timeoutShare)}s`,
      evaluation_interval: `${scrapeIntervalSeconds}s`,
      external_labels: { site: environment.site.name },
    },
    rule_files: [rulesFile],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [serviceAddress("alertmanager", ports.alertmanager, place)] }] }] },
    scrape_configs: scrapeConfigs(environment, place),
  };
}

/** The scrape jobs alone: a Prometheus operator takes them from elsewhere. */
function scrapeConfigs(environment: Environment, place: Place): Job[] {
  const server = monitoringServer(environment) ?? "";
  const own = (job: string, name: string, port: number): Job => ({ job_name: job, static_configs: [{ targets: [serviceAddress(name, port, place)], labels: { server } }] });
  return [
    { job_name: jobs.prometheus, static_configs: [{ targets: [`127.0.0.1:${ports.prometheus}`], labels: { server } }] },
    own(jobs.alertmanager, "alertmanager", ports.alertmanager),
    ...(place === "cluster" ? clusterJobs(environment) : hostJobs(environment)),
    ...probeJobs(environment, place),
    ...meterJobs(environment),
  ];
}

function serviceAddress(name: string, port: number, place: Place): string {
  return place === "cluster" ? `${name}.${namespaces.monitoring}:${port}` : `127.0.0.1:${port}`;
}

export const rename = (from: string, to: string): Relabelling => ({ source_labels: [from], target_label: to });
export const keep = (from: string, regex: string): Relabelling => ({ source_labels: [from], regex, action: "keep" });
/** A label of a Kubernetes object as service discovery spells it. */
const podLabel = (label: string): string => `__meta_kubernetes_pod_label_${label.replace(/[^a-zA-Z0-9]/g, "_")}`;
export const onNode = rename("__meta_kubernetes_pod_node_name", "server");
const podsIn = (namespace: string): Record<string, unknown> => ({ kubernetes_sd_configs: [{ role: "pod", namespaces: { names: [namespace] } }] });

/** One pod of an exporter on every node that has something for it. */
function exporterJob(job: string, app: string, more: Record<string, unknown> = {}): Job {
  return { job_name: job, ...podsIn(namespaces.exporters), relabel_configs: [keep(podLabel("app.kubernetes.io/name"), app), keep("__meta_kubernetes_pod_container_port_name", "metrics"), onNode], ...more };
}

/** Labels of the pods of services: what a metric of an engine is about. */
export const ofService: readonly Relabelling[] = [
  rename("__meta_kubernetes_namespace", "namespace"),
  rename("__meta_kubernetes_pod_name", "pod"),
  rename(podLabel(labels.service), "service"),
  rename(podLabel(labels.role), "role"),
  onNode,
];
const alive: Relabelling = { source_labels: ["__meta_kubernetes_pod_phase"], regex: "Pending|Succeeded|Failed|Completed", action: "drop" };

/** Pods whose engine has metrics, at the port and path that their annotations say. */
export const ofEngines: readonly Relabelling[] = [
  keep("__meta_kubernetes_pod_annotation_prometheus_io_scrape", "true"),
  // Each of a pod's ports is a target by itself; the annotation's port makes one and the same of them.
  { source_labels: ["__meta_kubernetes_pod_ip", "__meta_kubernetes_pod_annotation_prometheus_io_port"], separator: ":", target_label: "__address__" },
  rename("__meta_kubernetes_pod_annotation_prometheus_io_path", "__metrics_path__"),
  ...ofService,
];

function clusterJobs({ servers }: Environment): Job[] {
  const hasGpus = Object.values(servers).some(({ gpus }) => gpus !== undefined);
  return [
    exporterJob(jobs.node, "node-exporter"),
    ...(hasGpus ? [exporterJob(jobs.gpu, "dcgm-exporter", { honor_labels: true })] : []),
    ...(Object.keys(servers).length > 1 ? [exporterJob(jobs.latency, "smokeping-prober")] : []),
    { job_name: jobs.kubernetes, honor_labels: true, static_configs: [{ targets: [serviceAddress("kube-state-metrics", ports.kubeStateMetrics, "cluster")] }] },
    {
      job_name: jobs.engine,
      ...podsIn(namespaces.inference),
      relabel_configs: [alive, ...ofEngines],
    },
    { job_name: jobs.allocator, ...podsIn(namespaces.inference), relabel_configs: [keep("__meta_kubernetes_pod_container_port_name", allocatorPortName), alive, ...ofService] },
  ];
}

function hostJobs({ servers }: Environment): Job[] {
  const all = Object.entries(servers);
  const job = (name: string, port: number, on: typeof all, more: Record<string, unknown> = {}): Job[] =>
    on.length === 0 ? [] : [{ job_name: name, static_configs: on.map(([server, { address }]) => ({ targets: [hostPort(address, port)], labels: { server } })), ...more }];
  return [
    ...job(jobs.node, ports.nodeExporter, all),
    ...job(jobs.gpu, ports.dcgmExporter, all.filter(([, { gpus }]) => gpus !== undefined), { honor_labels: true }),
    ...job(jobs.latency, ports.smokepingProber, all.length > 1 ? all : []),
  ];
}

/** What is looked at from outside: whether it answers, and how long its certificate is valid. */
export interface ProbeTarget {
  /** URL, or host and port for a certificate alone. */
  target: string;
  /** Of the blackbox exporter's configuration. */
  module: "http" | "tls";
}

/** Everything with a name or a certificate that clients use. */
export function probeTargets(environment: Environment): ProbeTarget[] {
  const { site, cluster, services, monitoring } = environment;
  const api = cluster.distribution === "k3s" ? apiAddressOf(environment) : undefined;
  const hostnames = cluster.distribution === "none" ? [] : [...Object.values(services).map(({ hostname }) => hostname), monitoringMode(environment) === "standalone" && monitoring.grafana.enabled ? monitoring.grafana.hostname : undefined];
  const tls = [
    ...(api === undefined ? [] : [apiServerUrl(api)]),
    ...(site.objectStore?.endpoint.startsWith("https:") === true ? [site.objectStore.endpoint] : []),
    ...hostnames.flatMap((name) => (name === undefined ? [] : [`https://${name}`])),
  ];
  return [...new Set(tls)].map((url) => {
    const { hostname, port } = new URL(url);
    return { target: `${hostname}:${port === "" ? 443 : port}`, module: "tls" };
  });
}

/** Where it answers in a cluster. */
export function blackboxAddress(namespace: string): string {
  return `blackbox-exporter.${namespace}:${ports.blackboxExporter}`;
}

/** Modules of the blackbox exporter. A certificate that is not trusted is still one that ends. */
export function blackboxConfig(): Record<string, unknown> {
  return {
    modules: {
      http: { prober: "http", timeout: "5s", http: { preferred_ip_protocol: "ip4", follow_redirects: false } },
      tls: { prober: "tcp", timeout: "5s", tcp: { preferred_ip_protocol: "ip4", tls: true, tls_config: { insecure_skip_verify: true } } },
    },
  };
}

function probeJobs(environment: Environment, place: Place): Job[] {
  const targets = probeTargets(environment);
  if (targets.length === 0) return [];
  return [
    {
      job_name: jobs.probe,
      metrics_path: "/probe",
      // A certificate ends in days; a look each minute also says within minutes that nothing answers.
      scrape_interval: "1m",
      static_configs: targets.map(({ target, module }) => ({ targets: [target], labels: { __param_module: module } })),
      relabel_configs: [
        rename("__address__", "__param_target"),
        rename("__param_target", "target"),
        { target_label: "__address__", replacement: place === "cluster" ? blackboxAddress(namespaces.monitoring) : `127.0.0.1:${ports.blackboxExporter}` },
      ],
    },
  ];
}

function meterJobs({ monitoring }: Environment): Job[] {
  const { meter } = monitoring;
  if (meter === undefined) return [];
  // A meter's exporter may say much more; only its one gauge is kept.
  const metric_relabel_configs = [keep("__name__", meter.metric)];
  return [{ job_name: jobs.meter, metrics_path: meter.path, static_configs: [{ targets: [hostPort(meter.address, meter.port)] }], metric_relabel_configs }];
}
