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
import { monitoringMode } from "./mode";
import { operatorObjects } from "./operator";
import { prometheusObjects } from "./prometheus";
import { restartObjects } from "./restart/restart";
import { measurementsOf, storageFindings } from "./storage";

/** What cannot work as written of a site's monitoring, and what to do. */
export function monitoringFindings(environment: Environment): Finding[] {
  return [...storageFindings(environment), ...receiverFindings(environment)];
}

/**
 * Everything that measures a site and tells of what is wrong with it (guide 5.1). Pure. On a site without a cluster the
 * same programs are steps of the servers, and there are no objects. Objects are in the order in which they are needed.
 * @example planMonitoring(environment, planWorkloads(environment)).map(({ kind }) => kind)
 */
export function planMonitoring(environment: Environment, workloads: WorkloadPlan): KubernetesObject[] {
  const mode = monitoringMode(environment);
  if (mode === "off" || mode === "hosts") return [];
  const exporters = [nodeExporterObjects, dcgmExporterObjects, smokepingProberObjects, kubeStateMetricsObjects, blackboxExporterObjects].flatMap((objects) => objects(environment));
  const place = measurementsOf(environment);
  const own = mode === "operator" ? operatorObjects(environment, workloads) : place === undefined ? [] : [...prometheusObjects(environment, workloads, place), ...alertmanagerObjects(environment, place), ...grafanaObjects(environment, workloads, place)];
  return [...exporters, ...own, ...restartObjects(environment)];
}
