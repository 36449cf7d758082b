import { kubernetesMinor } from "../catalog/kubernetes";
import type { Environment } from "../environment/schema";
import { labels, namespaces, type Namespace } from "./names";
import type { KubernetesObject } from "./object";

/** Device plugins need the host's devices and exporters the host's own figures; nothing else runs beside them. */
export const podSecurity: Readonly<Record<Namespace, "restricted" | "privileged">> = { inference: "restricted", training: "restricted", accelerators: "privileged", monitoring: "restricted", exporters: "privileged" };

/** Where what needs nothing of a host runs: beside Prometheus, or with the exporters where a site's operator has its own place. */
export function homeOf({ monitoring }: Environment): Namespace {
  return monitoring.mode === "standalone" ? namespaces.monitoring : namespaces.exporters;
}

/** From where metrics are scraped. */
export function scraperNamespace({ monitoring }: Environment): string {
  return monitoring.mode === "standalone" ? namespaces.monitoring : monitoring.operator.namespace;
}

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

/** The namespaces that an environment has: exporters come with monitoring, and a site with an operator has its Prometheus elsewhere. */
export function namespacesOf({ monitoring }: Environment): Namespace[] {
  const absent = new Set<Namespace>(!monitoring.enabled ? [namespaces.monitoring, namespaces.exporters] : monitoring.mode === "operator" ? [namespaces.monitoring] : []);
  return Object.values(namespaces).filter((name) => !absent.has(name));
}

/** Namespaces, closed but for DNS. Each component adds a policy for what it opens. */
export function namespaceObjects(environment: Environment): KubernetesObject[] {
  const all = namespacesOf(environment);
  return [...all.map(namespace), ...all.flatMap((name) => [defaultDeny(name), openDns(name)])];
}
