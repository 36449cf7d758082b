import type { Environment } from "../environment/schema";

/** Kubernetes that objects are written for; pod security is pinned to it, so that an upgrade of the cluster changes no rule by itself. */
export const kubernetesMinor = "1.35";

/** k3s that servers get. Its files are verified against the release's own `sha256sum-amd64.txt`. */
export const k3sRelease = {
  version: "v1.35.4+k3s1",
  /** Where its files are for sites with internetAccess. */
  downloads: "https://github.com/k3s-io/k3s/releases/download/v1.35.4%2Bk3s1",
  source: "k3s releases (v1.35.4+k3s1, 2026-04-29); Kubernetes 1.35.4",
} as const;

/** A container image of the cluster's own parts. */
export interface ClusterImage {
  registry: string;
  repository: string;
  tag: string;
  source: string;
}

const operatorRelease = "GPU Operator v26.7.0, deployments/gpu-operator/values.yaml";

export const clusterImages = {
  "nvidia-device-plugin": { registry: "nvcr.io", repository: "nvidia/k8s-device-plugin", tag: "v0.20.0", source: operatorRelease },
  "rdma-device-plugin": { registry: "ghcr.io", repository: "mellanox/k8s-rdma-shared-dev-plugin", tag: "v1.5.3", source: "Mellanox/k8s-rdma-shared-dev-plugin v1.5.3, deployment/k8s/base/daemonset.yaml" },
  "gpu-operator": { registry: "nvcr.io", repository: "nvidia/gpu-operator", tag: "v26.7.0", source: operatorRelease },
  "mig-manager": { registry: "nvcr.io", repository: "nvidia/cloud-native/k8s-mig-manager", tag: "v0.15.0", source: operatorRelease },
  "driver-manager": { registry: "nvcr.io", repository: "nvidia/cloud-native/k8s-driver-manager", tag: "v0.12.0", source: operatorRelease },
} as const satisfies Record<string, ClusterImage>;

export type ClusterImageId = keyof typeof clusterImages;

/** Registry and folder of an image, of its own registry or of the site's copies. */
export function clusterImageRepository(id: ClusterImageId, { site }: Environment): string {
  const { registry, repository } = clusterImages[id];
  return `${site.mirror?.images ?? registry}/${repository}`;
}

/** An image as a pod names it. */
export function clusterImage(id: ClusterImageId, environment: Environment): string {
  return `${clusterImageRepository(id, environment)}:${clusterImages[id].tag}`;
}
