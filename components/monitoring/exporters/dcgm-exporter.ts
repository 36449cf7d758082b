import { image } from "../../catalog/images";
import { gpuRuntimeClass, namespaces } from "../../cluster/names";
import { gpuPresentLabel } from "../../cluster/nodes";
import type { KubernetesObject } from "../../cluster/object";
import type { Environment } from "../../environment/schema";
import { ports } from "../names";
import { openings, scraper } from "../network";
import { configMap } from "../objects";
import { hostExporter } from "./daemon";
import { dcgmCounters } from "./dcgm-counters";

const name = "dcgm-exporter";
const folder = "/etc/dcgm-exporter/rackwright";
const file = "counters.csv";
/** Where the kubelet says which pod holds which device. */
const podResources = "/var/lib/kubelet/pod-resources";

/** dcgm-exporter on every node with NVIDIA GPUs, with our own list of counters; nothing where there are none. */
export function dcgmExporterObjects(environment: Environment): KubernetesObject[] {
  if (!Object.values(environment.servers).some(({ gpus }) => gpus !== undefined)) return [];
  const counters = dcgmCounters();
  return [
    configMap(namespaces.exporters, name, name, { [file]: counters }),
    hostExporter({
      name,
      image: image("dcgm-exporter", environment),
      args: ["--collectors", `${folder}/${file}`, "--address", `:${ports.dcgmExporter}`, "--kubernetes"],
      port: ports.dcgmExporter,
      container: { env: [{ name: "NVIDIA_VISIBLE_DEVICES", value: "all" }, { name: "NVIDIA_DRIVER_CAPABILITIES", value: "compute,utility" }] },
      // Profiling fields, utilisation of the compute engines among them, need the capability (facts 5); the socket is root's.
      security: { runAsUser: 0, capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] }, allowPrivilegeEscalation: true },
      pod: { runtimeClassName: gpuRuntimeClass },
      volumes: [
        { name: "counters", mountPath: folder, source: { configMap: { name } } },
        { name: "pod-resources", mountPath: podResources, source: { hostPath: { path: podResources, type: "DirectoryOrCreate" } } },
        { name: "tmp", mountPath: "/tmp", source: { emptyDir: {} }, more: { readOnly: false } },
      ],
      files: [counters],
      nodeSelector: { [gpuPresentLabel]: "true" },
      memoryRequest: "256Mi",
      memoryLimit: "1Gi",
    }),
    openings(namespaces.exporters, name, { from: [{ peers: [scraper(environment)], ports: [ports.dcgmExporter] }] }),
  ];
}
