/** Where Prometheus scrapes what: the value of the label `job`. */
export const jobs = {
  prometheus: "prometheus",
  alertmanager: "alertmanager",
  /** node_exporter, one on every server. */
  node: "node",
  /** dcgm-exporter, one on every server with NVIDIA GPUs. */
  gpu: "gpu",
  /** kube-state-metrics, one for the cluster. */
  kubernetes: "kube-state-metrics",
  /** Metrics of the inference engines themselves. */
  engine: "engine",
  /** What torch's allocator says inside of the engines' processes. */
  allocator: "allocator",
  /** smokeping_prober, one on every server: from each to its peers. */
  latency: "latency",
  /** blackbox_exporter: certificates and addresses that clients use. */
  probe: "probe",
  /** The site's own electricity meter. */
  meter: "meter",
} as const;

export const ports = {
  prometheus: 9090,
  alertmanager: 9093,
  grafana: 3000,
  nodeExporter: 9100,
  dcgmExporter: 9400,
  kubeStateMetrics: 8080,
  smokepingProber: 9374,
  blackboxExporter: 9115,
  /** In engine pods. */
  allocator: 9401,
} as const;

/** Name of the container port of {@link ports}.allocator in engine pods. */
export const allocatorPortName = "allocator";

/** Folder on every server where scripts leave metrics for node_exporter. */
export const textfileFolder = "/var/lib/rackwright/metrics";

/**
 * Labels that all series have in common, whatever they come from: `server` is the server's name in the environment,
 * `service` and `role` (`active` or `standby`) are those of the inference service that a pod belongs to.
 */
export const targetLabels = ["job", "server", "service", "role", "namespace", "pod"] as const;
