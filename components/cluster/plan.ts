import type { Finding } from "../environment/problems";
import type { Environment } from "../environment/schema";
import type { WorkloadPlan } from "../inference/plan-types";
import { k3sFindings } from "../servers/k3s-plan";
import { priorityObjects, runtimeClassObjects } from "./classes";
import { devicePluginObjects, timeSlicingFindings, toolkitFindings } from "./device-plugin";
import { gpuOperatorObjects } from "./gpu-operator";
import { leaderWorkerSetObjects } from "./leader-worker-set";
import { namespaceObjects } from "./namespaces";
import { nodePatches } from "./nodes";
import type { KubernetesObject } from "./object";
import { quotaFindings, quotaObjects } from "./quotas";
import { rdmaPluginObjects } from "./rdma-plugin";

/** A cluster, as plain data: no secrets, no Outputs. What is done on its hosts is `clusterSteps` of each server's plan. */
export interface ClusterPlan {
  /** Objects that are made, in the order in which they are needed. */
  objects: KubernetesObject[];
  /** Labels and taints that are set on nodes, which join by themselves: objects of kind `Node` with these fields only. */
  nodes: KubernetesObject[];
  /** What cannot work as written, and what to do. */
  findings: Finding[];
}

/**
 * What is done on the cluster that an environment's servers form, before any workload. Nothing where there is no cluster.
 * @example planCluster(environment, planWorkloads(environment)).objects.map(({ kind }) => kind)
 */
export function planCluster(environment: Environment, plan: WorkloadPlan): ClusterPlan {
  const { distribution, gpuStack } = environment.cluster;
  if (distribution === "none") return { objects: [], nodes: [], findings: [] };
  return {
    objects: [
      ...namespaceObjects(environment),
      ...priorityObjects(),
      ...runtimeClassObjects(environment),
      ...quotaObjects(environment, plan),
      ...(gpuStack === "gpu-operator" ? gpuOperatorObjects(environment) : devicePluginObjects(environment)),
      ...rdmaPluginObjects(environment),
      ...leaderWorkerSetObjects(environment, plan),
    ],
    nodes: nodePatches(environment),
    findings: [...k3sFindings(environment), ...toolkitFindings(environment), ...quotaFindings(environment, plan), ...timeSlicingFindings(environment, plan)],
  };
}
