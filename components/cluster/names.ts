/** Where what runs. Pod security is `restricted` but for device plugins and exporters, which need what is of the host. */
export const namespaces = { inference: "inference", training: "training", accelerators: "accelerators", monitoring: "monitoring", exporters: "exporters" } as const;
export type Namespace = (typeof namespaces)[keyof typeof namespaces];

/** Where the ingress controller runs. */
export const ingressNamespace = "kube-system";

/** Pods with this label, in any namespace, may send requests to inference services and look at Grafana. */
export const clientLabel = { "rackwright.dev/client": "true" } as const;

/** Labels that Rackwright's own objects carry; selectors and network policies use them. */
export const labels = {
  managedBy: "app.kubernetes.io/managed-by",
  /** Name of the inference service or training job. */
  service: "rackwright.dev/service",
  /** `active` or `standby`. */
  role: "rackwright.dev/role",
  /** Server that a workload is planned on; the first of several. */
  server: "rackwright.dev/server",
} as const;

/** Interactive requests push batch work aside when both want a GPU. */
export const priorityClasses = { interactive: "rackwright-interactive", batch: "rackwright-batch" } as const;

/** Secret in the namespace `inference` that holds the key of inference services' clients. */
export const inferenceApiKeySecret = { name: "inference-api-key", key: "key" } as const;

/** Runtime class of pods that use NVIDIA GPUs. A name of our own: k3s and the GPU Operator each make one called `nvidia`. */
export const gpuRuntimeClass = "rackwright-nvidia";

/** Extended resource of whole GPUs, and of their shares where they are time-sliced. */
export const gpuResource = "nvidia.com/gpu";

/** User and group that workloads run as, and that own the folder of the models on the hot tier. */
export const workloadUser = 10001;

/** Claim of one server's model folder (on its hot tier), in the namespace `inference`. Mounted at `/models`. */
export function modelsClaim(server: string): string {
  return `models-${server}`;
}

/** Claim of one server's checkpoint folder (on the tier that `recovery.checkpoints` names), in `training`. Mounted at `/checkpoints`. */
export function checkpointsClaim(server: string): string {
  return `checkpoints-${server}`;
}

/** Extended resource of the RDMA device plugin: one of a node's RDMA cards, shared. Asked for by pods that talk to other servers. */
export const rdmaResource = "rdma/hca";
