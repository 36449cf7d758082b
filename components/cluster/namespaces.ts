import { kubernetesMinor } from "../catalog/kubernetes";
import { labels, namespaces, type Namespace } from "./names";
import type { KubernetesObject } from "./object";

/** Device plugins need the host's devices; nothing else runs beside them. */
const podSecurity: Readonly<Record<Namespace, "restricted" | "privileged">> = { inference: "restricted", training: "restricted", accelerators: "privileged" };

function namespace(name: Namespace): KubernetesObject {
  const level = podSecurity[name];
  const modes = ["enforce", "audit", "warn"].flatMap((mode) => [
    [`pod-security.kubernetes.io/${mode}`, level],
    [`pod-security.kubernetes.io/${mode}-version`, `v${kubernetesMinor}`],
  ]);
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { [labels.managedBy]: "rackwright", ...(Object.fromEntries(modes) as Record<string, string>) } } };
}

function defaultDeny(name: Namespace): KubernetesObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "default-deny", namespace: name },
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  };
}

/** Names are looked up at the cluster's own DNS and nowhere else. */
function openDns(name: Namespace): KubernetesObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "dns", namespace: name },
    spec: {
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [
        {
          to: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } }, podSelector: { matchLabels: { "k8s-app": "kube-dns" } } }],
          ports: [{ protocol: "UDP", port: 53 }, { protocol: "TCP", port: 53 }],
        },
      ],
    },
  };
}

/** Namespaces, closed but for DNS. Each component adds a policy for what it opens. */
export function namespaceObjects(): KubernetesObject[] {
  const all = Object.values(namespaces);
  return [...all.map(namespace), ...all.flatMap((name) => [defaultDeny(name), openDns(name)])];
}
