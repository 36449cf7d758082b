import type { Environment } from "../environment/schema";

/**
 * Who runs Prometheus: nobody, our own pods, the operator of a cluster that has one, or the hosts of a site without a cluster,
 * whatever `monitoring.mode` says there.
 */
export type MonitoringMode = "off" | "standalone" | "operator" | "hosts";

export function monitoringMode({ monitoring, cluster }: Pick<Environment, "monitoring" | "cluster">): MonitoringMode {
  if (!monitoring.enabled) return "off";
  return cluster.distribution === "none" ? "hosts" : monitoring.mode;
}
