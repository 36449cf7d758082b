import { labels as labelNames, namespaces } from "../../components/cluster/names";
import { cpuAmount, memoryBytes } from "./quantity";
import type { ClusterState, ContainerState, PodState } from "./state";

interface Meta {
  namespace?: string;
  name: string;
  uid: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

export interface PodObject {
  metadata: Meta;
  spec: { nodeName?: string; containers: { name: string; ports?: { name?: string; containerPort: number }[]; resources?: { requests?: Record<string, string> } }[] };
  status?: { phase?: PodState["phase"]; podIP?: string; conditions?: { type: string; status: string; lastTransitionTime?: string }[] };
}

/** Lists of a cluster's objects, as the API server has them. */
export interface ClusterObjects {
  nodes: { metadata: Meta; spec?: { unschedulable?: boolean }; status?: { conditions?: { type: string; status: string }[]; allocatable?: Record<string, string> } }[];
  pods: PodObject[];
  deployments: { metadata: Meta; spec?: { replicas?: number }; status?: { availableReplicas?: number } }[];
  jobs: { metadata: Meta; status?: { active?: number; failed?: number } }[];
  claims: { metadata: Meta; status?: { phase?: string } }[];
}

/** KWOK's pods are ready in the second in which they start. A real engine reads its weights meanwhile. */
export const emulatedLoadSeconds = 45;

const amounts = (of: Readonly<Record<string, string>> | undefined): Record<string, number> => Object.fromEntries(Object.entries(of ?? {}).map(([resource, text]) => [resource, resource === "cpu" ? cpuAmount(text) : memoryBytes(text)]));

/** KWOK ends a job's pods as soon as they start. Those that train are taken for running: that is what there is to watch. */
const trains = ({ namespace, labels = {} }: Meta): boolean => namespace === namespaces.training && labels[labelNames.service] !== undefined;

function podState({ metadata, spec, status }: PodObject, now: number): PodState {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const readyAt = ready?.lastTransitionTime === undefined ? now : Date.parse(ready.lastTransitionTime) / 1000;
  const containers = spec.containers.map(({ name, resources, ports = [] }): ContainerState => ({ name, startedAt: readyAt - emulatedLoadSeconds, restarts: 0, requests: amounts(resources?.requests), ports: ports.flatMap((port) => port.name ?? []) }));
  return { namespace: metadata.namespace ?? "", name: metadata.name, uid: metadata.uid, ip: status?.podIP ?? "", server: spec.nodeName ?? "", labels: metadata.labels ?? {}, phase: trains(metadata) && status?.phase === "Succeeded" ? "Running" : (status?.phase ?? "Pending"), ready: ready?.status === "True" || trains(metadata), readyAt, containers };
}

/** What kube-state-metrics would say of a cluster's objects. */
export function clusterState({ nodes, pods, deployments, jobs, claims }: ClusterObjects, now: number): ClusterState {
  const named = ({ namespace = "", name }: Meta): { namespace: string; name: string } => ({ namespace, name });
  return {
    nodes: nodes.map(({ metadata, spec, status }) => ({
      name: metadata.name,
      conditions: Object.fromEntries((status?.conditions ?? []).map(({ type, status: is }) => [type, is === "True" || is === "False" ? is : "Unknown"])),
      unschedulable: spec?.unschedulable ?? false,
      allocatable: amounts(status?.allocatable),
    })),
    pods: pods.map((pod) => podState(pod, now)),
    deployments: deployments.map(({ metadata, spec, status }) => ({ ...named(metadata), labels: metadata.labels ?? {}, wanted: spec?.replicas ?? 1, available: status?.availableReplicas ?? 0 })),
    jobs: jobs.map(({ metadata, status }) => ({ ...named(metadata), labels: metadata.labels ?? {}, active: trains(metadata) ? 1 : (status?.active ?? 0), failed: status?.failed ?? 0 })),
    claims: claims.map(({ metadata, status }) => ({ ...named(metadata), phase: status?.phase ?? "Pending" })),
  };
}
