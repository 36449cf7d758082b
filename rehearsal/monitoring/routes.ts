import { namespaces } from "../../components/cluster/names";
import type { Environment } from "../../components/environment/schema";
import { allocatorPortName, ports } from "../../components/monitoring/names";
import { hostPort } from "../../components/host-port";
import { nodeExporterPort } from "../../components/monitoring/prometheus-config";
import type { PodObject } from "./cluster-state";

/** Whose metrics an address of the site has. */
export type Source =
  | { job: "node" | "gpu" | "latency"; server: string }
  | { job: "engine" | "allocator"; namespace: string; pod: string }
  | { job: "kube-state-metrics" | "meter" | "prometheus" | "alertmanager" | "blackbox" };

/** An address as a URL has it. */
export type Routes = Map<string, Source>;

function siteRoutes({ monitoring }: Environment, suffix: string): [string, Source][] {
  const { meter } = monitoring;
  const at = (name: string, port: number): string => `${suffix === "" ? "127.0.0.1" : `${name}.${suffix}`}:${port}`;
  return [
    [`127.0.0.1:${ports.prometheus}`, { job: "prometheus" }],
    [at("alertmanager", ports.alertmanager), { job: "alertmanager" }],
    [at("blackbox-exporter", ports.blackboxExporter), { job: "blackbox" }],
    ...(meter === undefined ? [] : [[hostPort(meter.address, meter.port), { job: "meter" }] as [string, Source]]),
  ];
}

/** Addresses of a site without a cluster. */
export function hostRoutes(environment: Environment): Routes {
  const ofServers = Object.entries(environment.servers).flatMap(([server, { address }]): [string, Source][] => [
    [hostPort(address, nodeExporterPort(environment)), { job: "node", server }],
    [hostPort(address, ports.dcgmExporter), { job: "gpu", server }],
    [hostPort(address, ports.smokepingProber), { job: "latency", server }],
  ]);
  return new Map([...siteRoutes(environment, ""), ...ofServers]);
}

const exporterJobs: Readonly<Record<string, "node" | "gpu" | "latency">> = { "node-exporter": "node", "dcgm-exporter": "gpu", "smokeping-prober": "latency" };

function podRoutes({ metadata, spec, status }: PodObject): [string, Source][] {
  const ip = status?.podIP;
  const { namespace = "", name, labels = {}, annotations = {} } = metadata;
  if (ip === undefined) return [];
  const portsOf = spec.containers.flatMap(({ ports: each = [] }) => each);
  const job = exporterJobs[labels["app.kubernetes.io/name"] ?? ""];
  if (namespace === namespaces.exporters && job !== undefined) return portsOf.filter((port) => port.name === "metrics").map(({ containerPort }) => [hostPort(ip, containerPort), { job, server: spec.nodeName ?? "" }]);
  if (namespace !== namespaces.inference) return [];
  const scraped = annotations["prometheus.io/scrape"] === "true" ? [annotations["prometheus.io/port"] ?? ""] : [];
  return [
    ...scraped.map((port): [string, Source] => [hostPort(ip, Number(port)), { job: "engine", namespace, pod: name }]),
    ...portsOf.filter((port) => port.name === allocatorPortName).map(({ containerPort }): [string, Source] => [hostPort(ip, containerPort), { job: "allocator", namespace, pod: name }]),
  ];
}

/** Addresses of a site's cluster, where its pods are now. */
export function clusterRoutes(environment: Environment, pods: readonly PodObject[]): Routes {
  const kubernetes: [string, Source] = [`kube-state-metrics.${namespaces.monitoring}:${ports.kubeStateMetrics}`, { job: "kube-state-metrics" }];
  return new Map([...siteRoutes(environment, namespaces.monitoring), kubernetes, ...pods.flatMap(podRoutes)]);
}
