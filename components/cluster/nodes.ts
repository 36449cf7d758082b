import { gpu } from "../catalog";
import type { Environment, Server } from "../environment/schema";
import type { KubernetesObject } from "./object";
import { taintsOf } from "./node-taints";

/** Label of the nodes that device plugins for NVIDIA GPUs run on. NVIDIA's feature discovery uses the same. */
export const gpuPresentLabel = "nvidia.com/gpu.present";

/** Label of nodes with at least one RDMA card. */
export const rdmaLabel = "rackwright.dev/rdma";

export function hasRdma(server: Server): boolean {
  return Object.values(server.nics).some(({ rdma }) => rdma !== "none");
}

/** Names of the servers with a card for RDMA. */
export function rdmaServers(servers: Environment["servers"]): string[] {
  return Object.entries(servers).flatMap(([name, server]) => (hasRdma(server) ? [name] : []));
}

/** Whether these servers may talk to each other over RDMA: all of them must have a card for it. */
export function allHaveRdma(servers: Environment["servers"], names: readonly string[]): boolean {
  const able = new Set(rdmaServers(servers));
  return names.every((name) => able.has(name));
}

/** As NVIDIA's feature discovery would say it: the environment knows the hardware, so that none has to run. */
function gpuLabels({ cluster, software }: Environment, { gpus }: Server): Record<string, string> {
  if (gpus === undefined) return {};
  const fact = gpu(gpus.model);
  const shared = gpus.mig === undefined && (cluster.timeSlicing ?? 1) > 1;
  return {
    [gpuPresentLabel]: "true",
    "nvidia.com/gpu.count": String(gpus.count),
    ...(fact === undefined ? {} : { "nvidia.com/gpu.product": `${fact.name.split(/\s+/).join("-")}${shared ? "-SHARED" : ""}`, "nvidia.com/mig.capable": String(fact.mig !== undefined) }),
    ...(cluster.gpuStack === "gpu-operator" ? operatorLabels(software.os, gpus.mig) : {}),
  };
}

/** What the GPU Operator looks for on nodes, in the words of node feature discovery; the last is for its MIG manager to carry out. */
function operatorLabels(os: Environment["software"]["os"], mig: string | undefined): Record<string, string> {
  const [id = "", version = ""] = os.split("-");
  return {
    "feature.node.kubernetes.io/pci-10de.present": "true",
    "feature.node.kubernetes.io/system-os_release.ID": id,
    "feature.node.kubernetes.io/system-os_release.VERSION_ID": version,
    ...(mig === undefined ? {} : { "nvidia.com/mig.config": `all-${mig.replace("+", ".")}` }),
  };
}

function labelsOf(environment: Environment, server: Server): Record<string, string> {
  return {
    ...(server.rack === undefined ? {} : { "rackwright.dev/rack": server.rack.name }),
    ...(server.gpus === undefined ? {} : { "rackwright.dev/gpu": server.gpus.model }),
    ...(hasRdma(server) ? { [rdmaLabel]: "true" } : {}),
    ...gpuLabels(environment, server),
    ...server.labels,
  };
}

/**
 * Labels and taints of the nodes, which have their servers' names. Nodes join by themselves, so that only these fields are
 * set; the annotation takes them over where the kubelet or an administrator has set them before.
 */
export function nodePatches(environment: Environment): KubernetesObject[] {
  return Object.entries(environment.servers).flatMap(([name, server]) => {
    const labels = labelsOf(environment, server);
    const taints = taintsOf(environment, server);
    if (Object.keys(labels).length === 0 && taints.length === 0) return [];
    return [
      {
        apiVersion: "v1",
        kind: "Node",
        metadata: { name, annotations: { "pulumi.com/patchForce": "true" }, ...(Object.keys(labels).length === 0 ? {} : { labels }) },
        ...(taints.length === 0 ? {} : { spec: { taints } }),
      },
    ];
  });
}
