import { namespaces } from "../../cluster/names";
import type { KubernetesObject } from "../../cluster/object";
import { shortHash } from "../../hash";
import { named, selectorOf } from "../objects";

export interface HostExporter {
  name: string;
  image: string;
  args: string[];
  port: number;
  /** Of the container, beyond what all have; security is restricted but for what is said here. */
  container?: Record<string, unknown>;
  security?: Record<string, unknown>;
  /** Of the pod. */
  pod?: Record<string, unknown>;
  volumes?: readonly { name: string; mountPath: string; source: Record<string, unknown>; more?: Record<string, unknown> }[];
  /** Texts of its files: a change makes new pods. */
  files?: readonly string[];
  nodeSelector?: Record<string, string>;
  memoryRequest: string;
  memoryLimit: string;
}

/** An exporter on every node, or on those with a label. It tolerates every taint: a node that is drained is still looked at. */
export function hostExporter({ name, image, args, port, container = {}, security = {}, pod = {}, volumes = [], files = [], nodeSelector, memoryRequest, memoryLimit }: HostExporter): KubernetesObject {
  const selector = selectorOf(name);
  return named("apps/v1", "DaemonSet", namespaces.exporters, name, name, {
    spec: {
      selector: { matchLabels: selector },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "10%" } },
      template: {
        metadata: { labels: selector, ...(files.length === 0 ? {} : { annotations: { "rackwright.dev/config": shortHash(files.join("\0"), 16) } }) },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          priorityClassName: "system-node-critical",
          tolerations: [{ operator: "Exists" }],
          ...(nodeSelector === undefined ? {} : { nodeSelector }),
          ...pod,
          containers: [
            {
              name,
              image,
              args,
              ports: [{ name: "metrics", containerPort: port, protocol: "TCP" }],
              resources: { requests: { cpu: "50m", memory: memoryRequest }, limits: { memory: memoryLimit } },
              securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] }, ...security },
              ...container,
              volumeMounts: volumes.map(({ name: volume, mountPath, more = {} }) => ({ name: volume, mountPath, readOnly: true, ...more })),
            },
          ],
          volumes: volumes.map(({ name: volume, source }) => ({ name: volume, ...source })),
        },
      },
    },
  });
}
