export { Cluster, type ClusterArgs } from "./cluster";
export { gpuRuntimeClass, namespaces, priorityClasses, rdmaResource, workloadUser } from "./names";
export type { KubernetesObject } from "./object";
export { planCluster, type ClusterPlan } from "./plan";
export { pinnedTo, restrictedContainer, restrictedPod, tolerationsFor, writableDirs } from "./pod";
