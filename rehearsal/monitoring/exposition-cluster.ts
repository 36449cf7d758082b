import { samplesOf, type Sample } from "./exposition";
import type { ClusterState, PodState } from "./state";

const sample = samplesOf("kube-state-metrics");
const phases = ["Pending", "Running", "Succeeded", "Failed", "Unknown"] as const;
const readiness = ["true", "false", "unknown"] as const;

/** As kube-state-metrics spells the labels that it is told to show. */
function shown(labels: Readonly<Record<string, string>>): Record<string, string | undefined> {
  return { label_rackwright_dev_service: labels["rackwright.dev/service"], label_rackwright_dev_role: labels["rackwright.dev/role"], label_rackwright_dev_server: labels["rackwright.dev/server"] };
}

function unitOf(resource: string): string {
  return resource === "cpu" ? "core" : resource === "memory" || resource.endsWith("storage") ? "byte" : "integer";
}

/** Resources of devices lose what Prometheus cannot have in a label's value's neighbours: `nvidia_com_gpu`. */
const spelled = (resource: string): string => resource.replace(/[^A-Za-z0-9]/g, "_");

function podSamples(pod: PodState): Sample[] {
  const { namespace, name, uid, server, phase, ready } = pod;
  const labels = { namespace, pod: name, uid };
  return [
    sample("kube_pod_info", { ...labels, node: server }, 1),
    sample("kube_pod_labels", { ...labels, ...shown(pod.labels) }, 1),
    ...phases.map((each) => sample("kube_pod_status_phase", { ...labels, phase: each }, each === phase ? 1 : 0)),
    ...readiness.map((condition) => sample("kube_pod_status_ready", { ...labels, condition }, condition === String(ready) ? 1 : 0)),
    ...(pod.ready ? [sample("kube_pod_status_ready_time", labels, pod.readyAt)] : []),
    ...pod.containers.flatMap(({ name: container, startedAt, restarts, waiting, requests }) => [
      ...(waiting === undefined && phase === "Running" ? [sample("kube_pod_container_state_started", { ...labels, container }, startedAt)] : []),
      sample("kube_pod_container_status_restarts_total", { ...labels, container }, restarts),
      ...(waiting === undefined ? [] : [sample("kube_pod_container_status_waiting_reason", { ...labels, container, reason: waiting }, 1)]),
      ...Object.entries(requests).map(([resource, amount]) => sample("kube_pod_container_resource_requests", { ...labels, container, node: server, resource: spelled(resource), unit: unitOf(resource) }, amount)),
    ]),
  ];
}

/** What kube-state-metrics says of a cluster. */
export function clusterSamples({ nodes, pods, deployments, jobs, claims }: ClusterState): Sample[] {
  return [
    ...nodes.flatMap(({ name, conditions, unschedulable, allocatable }) => [
      ...Object.entries(conditions).flatMap(([condition, is]) => ["true", "false", "unknown"].map((status) => sample("kube_node_status_condition", { node: name, condition, status }, status === is.toLowerCase() ? 1 : 0))),
      sample("kube_node_spec_unschedulable", { node: name }, unschedulable ? 1 : 0),
      ...Object.entries(allocatable).map(([resource, amount]) => sample("kube_node_status_allocatable", { node: name, resource: spelled(resource), unit: unitOf(resource) }, amount)),
    ]),
    ...pods.flatMap(podSamples),
    ...deployments.flatMap(({ namespace, name, labels, wanted, available }) => [
      sample("kube_deployment_spec_replicas", { namespace, deployment: name }, wanted),
      sample("kube_deployment_status_replicas_available", { namespace, deployment: name }, available),
      sample("kube_deployment_labels", { namespace, deployment: name, ...shown(labels) }, 1),
    ]),
    ...jobs.flatMap(({ namespace, name, labels, active, failed }) => {
      const { label_rackwright_dev_service, label_rackwright_dev_server } = shown(labels);
      return [
        ...(failed > 0 ? [sample("kube_job_failed", { namespace, job_name: name, condition: "true" }, 1)] : []),
        sample("kube_job_status_active", { namespace, job_name: name }, active),
        sample("kube_job_status_failed", { namespace, job_name: name, reason: failed > 0 ? "BackoffLimitExceeded" : undefined }, failed),
        sample("kube_job_labels", { namespace, job_name: name, label_rackwright_dev_service, label_rackwright_dev_server }, 1),
      ];
    }),
    ...claims.flatMap(({ namespace, name, phase }) => ["Bound", "Pending", "Lost"].map((each) => sample("kube_persistentvolumeclaim_status_phase", { namespace, persistentvolumeclaim: name, phase: each }, each === phase ? 1 : 0))),
  ];
}
