import type { Finding } from "../environment/problems";
import type { Environment } from "../environment/schema";
import type { WorkloadPlan } from "../inference/plan-types";
import type { KubernetesObject } from "./object";

/** A cluster, as plain data: no secrets, no Outputs. */
export interface ClusterPlan {
  /** Objects that are made, in the order in which they are needed. */
  objects: KubernetesObject[];
  /** Fields that are set on objects that exist already and that others own: nodes and default service accounts. */
  patches: KubernetesObject[];
  /** What cannot work as written, and what to do. */
  findings: Finding[];
}

/** What is done on the cluster that an environment's servers form, before any workload. Nothing where there is no cluster. */
export function planCluster(environment: Environment, _plan: WorkloadPlan): ClusterPlan {
  if (environment.cluster.distribution === "none") return { objects: [], patches: [], findings: [] };
  return { objects: [], patches: [], findings: [] };
}
