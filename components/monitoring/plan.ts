import type { KubernetesObject } from "../cluster/object";
import type { Finding } from "../environment/problems";
import type { Environment } from "../environment/schema";
import type { WorkloadPlan } from "../inference/plan-types";
import { alertmanagerObjects, receiverFindings } from "./alertmanager";
import { blackboxExporterObjects } from "./exporters/blackbox-exporter";
import { dcgmExporterObjects } from "./exporters/dcgm-exporter";
import { kubeStateMetricsObjects } from "./exporters/kube-state-metrics";
import { nodeExporterObjects } from "./exporters/node-exporter";
import { smokepingProberObjects } from "./exporters/smokeping-prober";
import { grafanaObjects } from "./grafana";
import { operatorObjects } from "./operator";
import { prometheusObjects } from "./prometheus";
import { restartObjects } from "./restart/restart";
import { measurementsOf, storageFindings } from "./storage";

/** Monitoring in a cluster, as plain data: no secrets, no Outputs. */
export interface MonitoringPlan {
  /** In the order in which they are needed. */
  objects: KubernetesObject[];
  /** What cannot work as written, and what to do. */
  findings: Finding[];
}

/**
 * Everything that measures a site and tells of what is wrong with it (guide 5.1). Pure. On a site without a cluster the
 * same programs are steps of the servers, and there are no objects.
 * @example planMonitoring(environment, planWorkloads(environment)).objects.map(({ kind }) => kind)
 */
export function planMonitoring(environment: Environment, workloads: WorkloadPlan): MonitoringPlan {
  const { monitoring, cluster } = environment;
  const findings = [...storageFindings(environment), ...receiverFindings(environment)];
  if (!monitoring.enabled || cluster.distribution === "none" || findings.length > 0) return { objects: [], findings };
  const exporters = [nodeExporterObjects, dcgmExporterObjects, smokepingProberObjects, kubeStateMetricsObjects, blackboxExporterObjects].flatMap((objects) => objects(environment));
  const place = measurementsOf(environment);
  const own = monitoring.mode === "operator" || place === undefined ? operatorObjects(environment, workloads) : [...prometheusObjects(environment, workloads, place), ...alertmanagerObjects(environment, place), ...grafanaObjects(environment, workloads, place)];
  return { objects: [...exporters, ...own, ...restartObjects(environment)], findings };
}
