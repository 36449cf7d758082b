import { isIP } from "node:net";
import { labels, namespaces } from "../../cluster/names";
import type { KubernetesObject } from "../../cluster/object";

/** Label of the pods that fetch weights; the policy below opens the store to them and to nothing else. */
export const layoutLabels = { "app.kubernetes.io/name": "model-layout" } as const;

/** Private networks (RFC 1918): where a store on the site is when it is known by its name only. */
export const privateNetworks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/** Networks that the host of an address may be in. NetworkPolicy knows no names, so that a name opens all private networks. */
export function networksOf(host: string): string[] {
  const address = host.replace(/^\[|\]$/g, "");
  switch (isIP(address)) {
    case 4:
      return [`${address}/32`];
    case 6:
      return [`${address}/128`];
    default:
      return privateNetworks;
  }
}

export function portOf(url: URL): number {
  return url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
}

/** The one way out of the layout's pods: to the object store's port. The cluster's DNS is open to the whole namespace. */
export function storePolicy(endpoint: string): KubernetesObject {
  const url = new URL(endpoint);
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "model-layout", namespace: namespaces.inference, labels: { [labels.managedBy]: "rackwright" } },
    spec: {
      podSelector: { matchLabels: { ...layoutLabels } },
      policyTypes: ["Egress"],
      egress: [{ to: networksOf(url.hostname).map((cidr) => ({ ipBlock: { cidr } })), ports: [{ protocol: "TCP", port: portOf(url) }] }],
    },
  };
}
