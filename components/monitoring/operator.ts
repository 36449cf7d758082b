import { labels, namespaces } from "../cluster/names";
import type { KubernetesObject } from "../cluster/object";
import type { Environment } from "../environment/schema";
import { hostPort } from "../host-port";
import type { WorkloadPlan } from "../inference/plan-types";
import { boardFiles } from "./grafana";
import { allocatorPortName, jobs } from "./names";
import { named } from "./objects";
import { blackboxAddress, keep, ofEngines, ofService, onNode, probeTargets, rename, type Relabelling } from "./prometheus-config";
import { prometheusRules, ruleGroups } from "./rules";

const namespace = namespaces.exporters;
const group = "monitoring.coreos.com/v1";

/** By which Grafana's sidecar finds boards: the default of kube-prometheus-stack. */
const boardLabel = { grafana_dashboard: "1" };

/** A relabelling of Prometheus' own configuration in the operator's spelling: source_labels is sourceLabels there. */
function spelled(relabelling: Relabelling): Record<string, unknown> {
  return Object.fromEntries(Object.entries(relabelling).map(([key, value]) => [key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()), value]));
}

/** An operator names a job after its monitor; rules and boards ask for ours. */
const asJob = (job: string): Relabelling => ({ target_label: "job", replacement: job });

function monitor(environment: Environment, kind: string, name: string, spec: Record<string, unknown>, apiVersion = group): KubernetesObject {
  const made = named(apiVersion, kind, namespace, name, name, { spec });
  return { ...made, metadata: { ...made.metadata, labels: { ...made.metadata.labels, ...environment.monitoring.operator.labels } } };
}

interface PodMonitor {
  job: string;
  in: string;
  selector: Record<string, unknown>;
  port: string;
  relabelings: readonly Relabelling[];
  more?: Record<string, unknown>;
}

function podMonitor(environment: Environment, { job, in: where, selector, port, relabelings, more = {} }: PodMonitor): KubernetesObject {
  const interval = `${environment.monitoring.scrapeIntervalSeconds}s`;
  return monitor(environment, "PodMonitor", `rackwright-${job}`, { namespaceSelector: { matchNames: [where] }, selector, podMetricsEndpoints: [{ port, interval, relabelings: [...relabelings, asJob(job)].map(spelled), ...more }] });
}

function podMonitors(environment: Environment): KubernetesObject[] {
  const { servers } = environment;
  const exporter = (job: string, program: string, more: Record<string, unknown> = {}): KubernetesObject =>
    podMonitor(environment, { job, in: namespaces.exporters, selector: { matchLabels: { "app.kubernetes.io/name": program } }, port: "metrics", relabelings: [onNode], more });
  const services = { matchExpressions: [{ key: labels.service, operator: "Exists" }] };
  return [
    exporter(jobs.node, "node-exporter"),
    ...(Object.values(servers).some(({ gpus }) => gpus !== undefined) ? [exporter(jobs.gpu, "dcgm-exporter", { honorLabels: true })] : []),
    ...(Object.keys(servers).length > 1 ? [exporter(jobs.latency, "smokeping-prober")] : []),
    exporter(jobs.kubernetes, "kube-state-metrics", { honorLabels: true }),
    // Engines with a port of its own for metrics call it so; the others answer on the port for requests, as their annotation says.
    podMonitor(environment, {
      job: jobs.engine,
      in: namespaces.inference,
      selector: services,
      port: "http",
      relabelings: ofEngines,
    }),
    podMonitor(environment, { job: jobs.allocator, in: namespaces.inference, selector: services, port: allocatorPortName, relabelings: ofService }),
  ];
}

/** What is not a pod: certificates, and the site's meter. */
function others(environment: Environment): KubernetesObject[] {
  const targets = probeTargets(environment);
  const { meter } = environment.monitoring;
  return [
    ...(targets.length === 0 ? [] : [monitor(environment, "Probe", `rackwright-${jobs.probe}`, { jobName: jobs.probe, module: "tls", prober: { url: blackboxAddress(namespace) }, interval: "1m", targets: { staticConfig: { static: targets.map(({ target }) => target), relabelingConfigs: [rename("__param_target", "target"), asJob(jobs.probe)].map(spelled) } } })]),
    ...(meter === undefined ? [] : [monitor(environment, "ScrapeConfig", `rackwright-${jobs.meter}`, { jobName: jobs.meter, metricsPath: meter.path, staticConfigs: [{ targets: [hostPort(meter.address, meter.port)] }], metricRelabelings: [keep("__name__", meter.metric)].map(spelled), relabelings: [asJob(jobs.meter)].map(spelled) }, "monitoring.coreos.com/v1alpha1")]),
  ];
}

/** The same measurements, rules and boards, as the objects that a Prometheus operator and Grafana's sidecar look for. */
export function operatorObjects(environment: Environment, workloads: WorkloadPlan): KubernetesObject[] {
  const { groups } = prometheusRules(ruleGroups(environment, workloads));
  const files = environment.monitoring.grafana.enabled ? boardFiles(environment, workloads) : {};
  const boardMaps = Object.entries(files).map(([file, text]): KubernetesObject => {
    const name = `board-${file.replace(/\.json$/, "")}`;
    const made = named("v1", "ConfigMap", namespace, name, "grafana", { data: { [file]: text } });
    return { ...made, metadata: { ...made.metadata, labels: { ...made.metadata.labels, ...boardLabel } } };
  });
  return [...podMonitors(environment), ...others(environment), monitor(environment, "PrometheusRule", "rackwright", { groups }), ...boardMaps];
}
