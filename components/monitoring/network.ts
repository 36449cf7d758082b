import { namespaces, type Namespace } from "../cluster/names";
import { scraperNamespace } from "../cluster/namespaces";
import type { KubernetesObject } from "../cluster/object";
import type { Environment } from "../environment/schema";
import { networksOf } from "../inference/model-store/network";
import { named, selectorOf } from "./objects";

type Peer = Record<string, unknown>;

export interface Opening {
  /** Absent: any address. */
  peers?: readonly Peer[];
  ports: readonly number[];
}

const inNamespace = (name: string): Peer => ({ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } } });

/** Pods of one program. */
export function pods(namespace: string, program: string): Peer {
  return { ...inNamespace(namespace), podSelector: { matchLabels: selectorOf(program) } };
}

/** All pods of a namespace. */
export function allPods(namespace: string): Peer {
  return inNamespace(namespace);
}

/** Whoever scrapes: our Prometheus, or whatever is in the namespace of the site's own. */
export function scraper(environment: Environment): Peer {
  return environment.monitoring.mode === "standalone" ? pods(namespaces.monitoring, "prometheus") : allPods(scraperNamespace(environment));
}

export function networks(cidrs: readonly string[]): Peer[] {
  return cidrs.map((cidr) => ({ ipBlock: { cidr } }));
}

/** Hosts by their addresses; a name that is not an address may be anywhere on the site's private networks. */
export function hosts(addresses: readonly string[]): Peer[] {
  return networks([...new Set(addresses.flatMap(networksOf))]);
}

/** A host by its name or address: on the site, or anywhere where the site may reach the internet. */
export function host({ site }: Environment, address: string): Pick<Opening, "peers"> {
  return site.internetAccess ? {} : { peers: hosts([address]) };
}

/** The API server: behind its service's address, and where the control plane's servers are when they are known. */
export function apiServer({ cluster, servers }: Environment): Opening {
  const ports = [443, 6443];
  if (cluster.distribution !== "k3s") return { ports };
  const addresses = cluster.controlPlane.flatMap((name) => servers[name]?.address ?? []);
  return { peers: [{ ipBlock: { cidr: cluster.serviceCidr } }, ...hosts([...addresses, ...(cluster.apiAddress === undefined ? [] : [cluster.apiAddress])])], ports };
}

const portsOf = ({ ports }: Opening): Record<string, unknown> => ({ ports: ports.map((port) => ({ protocol: "TCP", port })) });

/** What may reach a program and what it may reach; all else is denied in its namespace, but for DNS. */
export function openings(namespace: Namespace, program: string, { from = [], to = [] }: { from?: readonly Opening[]; to?: readonly Opening[] }): KubernetesObject {
  return named("networking.k8s.io/v1", "NetworkPolicy", namespace, program, program, {
    spec: {
      podSelector: { matchLabels: selectorOf(program) },
      policyTypes: ["Ingress", "Egress"],
      ingress: from.map((opening) => ({ ...(opening.peers === undefined ? {} : { from: opening.peers }), ...portsOf(opening) })),
      egress: to.map((opening) => ({ ...(opening.peers === undefined ? {} : { to: opening.peers }), ...portsOf(opening) })),
    },
  });
}
