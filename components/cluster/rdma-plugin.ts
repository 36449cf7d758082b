import { image } from "../catalog/images";
import type { Environment } from "../environment/schema";
import { rdmaResource } from "./names";
import { hasRdma, rdmaLabel } from "./nodes";
import type { KubernetesObject } from "./object";
import { devicePluginPods } from "./plugin-pods";

/** Pods of one server that may hold its RDMA cards at the same time: more than a node's 110 pods are never there. */
const sharesPerServer = 110;

/** The plugin's own file format: `UserConfigList` of pkg/types in its source. */
export function rdmaPluginConfig({ servers }: Environment): Record<string, unknown> {
  const [resourcePrefix, resourceName] = rdmaResource.split("/");
  const interfaces = Object.values(servers).flatMap(({ nics }) => Object.entries(nics).flatMap(([nic, { rdma }]) => (rdma === "none" ? [] : [nic])));
  return {
    periodicUpdateInterval: 300,
    configList: [{ resourceName, resourcePrefix, rdmaHcaMax: sharesPerServer, selectors: { ifNames: [...new Set(interfaces)].sort() } }],
  };
}

/**
 * The RDMA shared device plugin: pods that ask for `rdma/hca` get the character devices of their server's RDMA cards. The
 * interfaces are those that the environment names, of all servers; each node offers the ones that it has.
 */
export function rdmaPluginObjects(environment: Environment): KubernetesObject[] {
  if (!Object.values(environment.servers).some(hasRdma)) return [];
  return devicePluginPods({
    name: "rdma-device-plugin",
    image: image("rdma-device-plugin", environment),
    config: { folder: "/k8s-rdma-shared-dev-plugin", file: "config.json", content: rdmaPluginConfig(environment) },
    nodeLabel: rdmaLabel,
    container: { securityContext: { privileged: true } },
    // It finds the cards by the host's interfaces, and brings them up.
    pod: { hostNetwork: true },
    hostFolders: { "plugins-registry": "/var/lib/kubelet/plugins_registry", devices: "/dev" },
  });
}
