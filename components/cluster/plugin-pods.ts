import { shortHash } from "../hash";
import { namespaces } from "./names";
import type { KubernetesObject } from "./object";

const namespace = namespaces.accelerators;
const kubeletFolder = "/var/lib/kubelet/device-plugins";

export interface DevicePlugin {
  name: string;
  image: string;
  /** The plugin's own file and the folder in which it looks for it. */
  config: { folder: string; file: string; content: Record<string, unknown> };
  /** Nodes with this label run it. */
  nodeLabel: string;
  /** Beyond what every plugin has: command, environment, security context. */
  container: Record<string, unknown>;
  /** Beyond what every plugin has. */
  pod: Record<string, unknown>;
  /** Folders of the host beside the kubelet's, by the name of the volume. */
  hostFolders?: Record<string, string>;
}

/** Of a configuration, in an annotation of its pods: they read it once, and have to be made anew when it changes. */
export function configHash(text: string): string {
  return shortHash(text, 16);
}

/** A device plugin: its configuration, and one pod on every node that has what it offers. */
export function devicePluginPods({ name, image, config, nodeLabel, container, pod, hostFolders = {} }: DevicePlugin): KubernetesObject[] {
  const text = `${JSON.stringify(config.content, null, 2)}\n`;
  const labels = { "app.kubernetes.io/name": name };
  const folders = Object.entries({ "device-plugins": kubeletFolder, ...hostFolders });
  return [
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data: { [config.file]: text } },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name, namespace, labels },
      spec: {
        selector: { matchLabels: labels },
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
        template: {
          metadata: { labels, annotations: { "rackwright.dev/config": configHash(text) } },
          spec: {
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            priorityClassName: "system-node-critical",
            nodeSelector: { [nodeLabel]: "true" },
            tolerations: [{ operator: "Exists" }],
            ...pod,
            containers: [
              {
                name: "device-plugin",
                image,
                resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "256Mi" } },
                ...container,
                volumeMounts: [{ name: "config", mountPath: config.folder, readOnly: true }, ...folders.map(([volume, path]) => ({ name: volume, mountPath: path }))],
              },
            ],
            volumes: [{ name: "config", configMap: { name } }, ...folders.map(([volume, path]) => ({ name: volume, hostPath: { path, type: "Directory" } }))],
          },
        },
      },
    },
  ];
}
