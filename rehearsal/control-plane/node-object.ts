/** A node as its kubelet and device plugins would describe it to the API server. */
export interface NodeShape {
  name: string;
  /** @default 127.0.0.1 */
  address?: string;
  /** Of the node. `cpu`, `memory`, extended resources such as nvidia.com/gpu; `pods` is 110 unless it says otherwise. */
  capacity: Readonly<Record<string, string>>;
  /** What of it pods can have. @default - all of it */
  allocatable?: Readonly<Record<string, string>>;
  /** Besides those that every kubelet sets. @default - none */
  labels?: Readonly<Record<string, string>>;
  /** @default - none */
  taints?: readonly { key: string; value?: string; effect: string }[];
}

/** As the node registers itself. */
export function nodeObject({ name, capacity, allocatable, labels = {}, taints = [] }: NodeShape): Record<string, unknown> {
  const whole = { pods: "110", ...capacity };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", ...labels } },
    spec: taints.length === 0 ? {} : { taints },
    status: { capacity: whole, allocatable: { ...whole, ...allocatable }, nodeInfo: { kubeletVersion: "v1.35.4", operatingSystem: "linux", architecture: "amd64" } },
  };
}
