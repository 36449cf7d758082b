import { image } from "../catalog/images";
import type { Environment } from "../environment/schema";
import { configHash } from "./device-plugin";
import { namespaces, rdmaResource } from "./names";
import { hasRdma, rdmaLabel } from "./nodes";
import type { KubernetesObject } from "./object";

const name = "rdma-device-plugin";
const namespace = namespaces.accelerators;

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
  const config = `${JSON.stringify(rdmaPluginConfig(environment), null, 2)}\n`;
  const labels = { "app.kubernetes.io/name": name };
  const hostFolder = (path: string): Record<string, unknown> => ({ hostPath: { path, type: "Directory" } });
  return [
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data: { "config.json": config } },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name, namespace, labels },
      spec: {
        selector: { matchLabels: labels },
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
        template: {
          metadata: { labels, annotations: { "rackwright.dev/config": configHash(config) } },
          spec: {
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            // It finds the cards by the host's interfaces, and brings them up.
            hostNetwork: true,
            priorityClassName: "system-node-critical",
            nodeSelector: { [rdmaLabel]: "true" },
            tolerations: [{ operator: "Exists" }],
            containers: [
              {
                name: "device-plugin",
                image: image("rdma-device-plugin", environment),
                resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "256Mi" } },
                securityContext: { privileged: true },
                volumeMounts: [
                  { name: "config", mountPath: "/k8s-rdma-shared-dev-plugin", readOnly: true },
                  { name: "device-plugins", mountPath: "/var/lib/kubelet/device-plugins" },
                  { name: "plugins-registry", mountPath: "/var/lib/kubelet/plugins_registry" },
                  { name: "devices", mountPath: "/dev" },
                ],
              },
            ],
            volumes: [
              { name: "config", configMap: { name } },
              { name: "device-plugins", ...hostFolder("/var/lib/kubelet/device-plugins") },
              { name: "plugins-registry", ...hostFolder("/var/lib/kubelet/plugins_registry") },
              { name: "devices", ...hostFolder("/dev") },
            ],
          },
        },
      },
    },
  ];
}
