import type { Environment } from "../environment/schema";
import { engineRequirements } from "./engines";

/** One container image. */
export interface ImageFact {
  /** Host that publishes it; `site` for images that no one publishes, which each site builds (docs/engines.md). */
  registry: string;
  repository: string;
  tag: string;
  source: string;
}

const { vllm, triton, sglang, deepspeed, colossalai, pytorch } = engineRequirements;
const tensorrtLlm = engineRequirements["tensorrt-llm"];
const tritonRelease = "26.07";
const release = `facts 5: release ${tritonRelease} is ${triton.version}`;
const operatorRelease = "GPU Operator v26.7.0, deployments/gpu-operator/values.yaml";
const siteBuilt = "no image is published at this version; docs/engines.md has the Dockerfile";

/** Every image that runs in a cluster, in one table: all that a site's registry must hold. */
export const images = {
  "vllm": { registry: "docker.io", repository: "vllm/vllm-openai", tag: `v${vllm.version}`, source: "general knowledge (the project's image; its tag is the version)" },
  "vllm-cpu": { registry: "public.ecr.aws", repository: "q9t5s3a7/vllm-cpu-release-repo", tag: `v${vllm.version}`, source: "vLLM's installation page for CPUs" },
  "triton": { registry: "nvcr.io", repository: "nvidia/tritonserver", tag: `${tritonRelease}-py3`, source: release },
  "triton-vllm": { registry: "nvcr.io", repository: "nvidia/tritonserver", tag: `${tritonRelease}-vllm-python-py3`, source: release },
  "triton-tensorrt-llm": { registry: "nvcr.io", repository: "nvidia/tritonserver", tag: `${tritonRelease}-trtllm-python-py3`, source: release },
  "tensorrt-llm": { registry: "nvcr.io", repository: "nvidia/tensorrt-llm/release", tag: tensorrtLlm.version, source: "general knowledge (NVIDIA's release image; its tag is the version)" },
  "sglang": { registry: "docker.io", repository: "lmsysorg/sglang", tag: `v${sglang.version}`, source: "general knowledge (the project's image; its tag is the version)" },
  "deepspeed": { registry: "site", repository: "rackwright/deepspeed", tag: deepspeed.version, source: siteBuilt },
  "colossalai": { registry: "site", repository: "rackwright/colossalai", tag: colossalai.version, source: siteBuilt },
  "pytorch": { registry: "site", repository: "rackwright/pytorch", tag: pytorch.version, source: siteBuilt },
  "rclone": { registry: "docker.io", repository: "rclone/rclone", tag: "1.75.1", source: "general knowledge (the project's image, on Alpine; its tag is the version, which the Go module proxy has)" },
  "vllm-npu": { registry: "site", repository: "rackwright/vllm-npu", tag: vllm.version, source: "vLLM with the NPU vendor's plug-in; docs/engines.md" },
  "leader-worker-set": { registry: "registry.k8s.io", repository: "lws/lws", tag: "v0.9.0", source: "the project's release image; its tag is the version, which the Go module proxy has" },
  "nvidia-device-plugin": { registry: "nvcr.io", repository: "nvidia/k8s-device-plugin", tag: "v0.20.0", source: operatorRelease },
  "gpu-operator": { registry: "nvcr.io", repository: "nvidia/gpu-operator", tag: "v26.7.0", source: operatorRelease },
  "mig-manager": { registry: "nvcr.io", repository: "nvidia/cloud-native/k8s-mig-manager", tag: "v0.15.0", source: operatorRelease },
  "driver-manager": { registry: "nvcr.io", repository: "nvidia/cloud-native/k8s-driver-manager", tag: "v0.12.0", source: operatorRelease },
  "prometheus": { registry: "docker.io", repository: "prom/prometheus", tag: "v3.15.1", source: "release 3.15.1; its Go module is v0.315.1; tag: general knowledge" },
  "alertmanager": { registry: "docker.io", repository: "prom/alertmanager", tag: "v0.34.2", source: "release 0.34.2, which the Go module proxy has; tag: general knowledge" },
  "grafana": { registry: "docker.io", repository: "grafana/grafana", tag: "13.2.3", source: "release 13.2.3; tag: general knowledge" },
  "node-exporter": { registry: "docker.io", repository: "prom/node-exporter", tag: "v1.12.1", source: "release 1.12.1, which the Go module proxy has; tag: general knowledge" },
  "blackbox-exporter": { registry: "docker.io", repository: "prom/blackbox-exporter", tag: "v0.28.0", source: "general knowledge" },
  "smokeping-prober": { registry: "quay.io", repository: "superq/smokeping-prober", tag: "v0.10.0", source: "general knowledge" },
  "kube-state-metrics": { registry: "registry.k8s.io", repository: "kube-state-metrics/kube-state-metrics", tag: "v2.17.0", source: "general knowledge" },
  "dcgm-exporter": { registry: "nvcr.io", repository: "nvidia/k8s/dcgm-exporter", tag: "4.5.3-4.8.2-distroless", source: "facts 5 (the project at 2026-05-12)" },
  "python": { registry: "docker.io", repository: "library/python", tag: "3.13-alpine", source: "general knowledge; runs our own small programs" },
  "rdma-device-plugin": { registry: "ghcr.io", repository: "mellanox/k8s-rdma-shared-dev-plugin", tag: "v1.5.3", source: "k8s-rdma-shared-dev-plugin v1.5.3, deployment/k8s/base/daemonset.yaml" },
} as const satisfies Record<string, ImageFact>;

export type ImageId = keyof typeof images;

/** Whether each site builds it, so that there must be a registry of the site's own. */
export function isSiteBuilt(id: ImageId): boolean {
  return images[id].registry === "site";
}

/**
 * Reference of an image as the cluster's nodes pull it: from the site's registry where it has one, whose host and path
 * replace the publisher's host.
 * @example image("vllm", environment) // registry.corp.example:5000/mirror/vllm/vllm-openai:v0.33.0
 */
export function image(id: ImageId, environment: Pick<Environment, "site">): string {
  const { registry, repository, tag }: ImageFact = images[id];
  return `${environment.site.mirror?.images ?? registry}/${repository}:${tag}`;
}
