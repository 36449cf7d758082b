export { Cluster, type ClusterArgs } from "./cluster";
export { k3sCluster, type K3sCluster } from "./k3s-cluster";
export { K3sNode, type K3sNodeSpec } from "./k3s-node";
export { gpuResource, gpuRuntimeClass, namespaces, priorityClasses, rdmaResource, workloadUser } from "./names";
export type { KubernetesObject } from "./object";
export { planCluster, type ClusterPlan } from "./plan";
export { pinnedTo, restrictedContainer, restrictedPod, tolerationsFor, writableDirs } from "./pod";
