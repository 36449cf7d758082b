import { image } from "../../catalog/images";
import type { KubernetesObject } from "../../cluster/object";
import type { Environment } from "../../environment/schema";
import { textfileFolder } from "../names";
import { nodeExporterPort } from "../prometheus-config";
import { hostExporter } from "./daemon";

/** File systems of containers and of the kernel: series without end, and nothing that fills up. */
const ignoredMounts = "^/(dev|proc|run|sys|var/lib/(kubelet|containerd|rancher/k3s/agent/containerd))($|/)";

/** Flags of node_exporter that are the same in a pod and on a bare host. `buddyinfo` is off by default (guide 5.1: memory fragmentation). */
export const nodeExporterFlags: readonly string[] = [
  "--collector.buddyinfo",
  `--collector.textfile.directory=${textfileFolder}`,
  `--collector.filesystem.mount-points-exclude=${ignoredMounts}`,
  // Virtual interfaces of pods come and go.
  "--collector.netdev.device-exclude=^(veth|cali|flannel|cni|lo).*",
  "--collector.netclass.ignored-devices=^(veth|cali|flannel|cni|lo).*",
];

/**
 * node_exporter on every server: drives, arrays, network, InfiniBand, temperatures, and the textfiles of our own scripts. It
 * sees the host's processes and network, for a pod's own would say nothing of the server, and listens on the host's address.
 */
export function nodeExporterObjects(environment: Environment): KubernetesObject[] {
  const port = nodeExporterPort(environment);
  return [
    hostExporter({
      name: "node-exporter",
      image: image("node-exporter", environment),
      args: ["--path.procfs=/host/proc", "--path.sysfs=/host/sys", "--path.rootfs=/host/root", ...nodeExporterFlags, `--web.listen-address=$(HOST_ADDRESS):${port}`],
      port,
      container: { env: [{ name: "HOST_ADDRESS", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } }] },
      security: { runAsNonRoot: true, runAsUser: 65534 },
      pod: { hostNetwork: true, hostPID: true },
      volumes: [
        { name: "proc", mountPath: "/host/proc", source: { hostPath: { path: "/proc" } } },
        { name: "sys", mountPath: "/host/sys", source: { hostPath: { path: "/sys" } } },
        { name: "root", mountPath: "/host/root", source: { hostPath: { path: "/" } }, more: { mountPropagation: "HostToContainer" } },
        { name: "textfiles", mountPath: textfileFolder, source: { hostPath: { path: textfileFolder, type: "DirectoryOrCreate" } } },
      ],
      memoryRequest: "64Mi",
      memoryLimit: "256Mi",
    }),
  ];
}
