import { isMap } from "../../../values";
import { get, maps, nameOf, namespaceOf, text } from "../object";
import type { KubeObject } from "../object";
import type { Judge, Surroundings } from "./progress";

/** Endpoints come one by one; a Service that selects no pod at all is settled after so long. */
const SETTLED_MS = 10_000;

interface Endpoints {
  ready: number;
  pending: number;
}

async function endpointsOf(namespace: string, service: string, { api, signal }: Surroundings): Promise<Endpoints> {
  const slices = await api.list("discovery.k8s.io/v1", "EndpointSlice", namespace, { labelSelector: `kubernetes.io/service-name=${service}` }, { signal });
  const endpoints = slices.flatMap((slice) => maps(slice, "endpoints"));
  const ready = endpoints.filter((endpoint) => get(endpoint, "conditions", "ready") !== false).length;
  return { ready, pending: endpoints.length - ready };
}

function hasAddress(object: KubeObject): boolean {
  return maps(object, "status", "loadBalancer", "ingress").length > 0;
}

export const service: Judge = async (live, around) => {
  const type = text(live, "spec", "type") ?? "ClusterIP";
  if (type === "LoadBalancer" && !hasAddress(live)) {
    return { done: false, status: "no address was allocated yet; does anything in the cluster serve Services of type LoadBalancer?" };
  }
  const selector = get(live, "spec", "selector");
  const selects = isMap(selector) && Object.keys(selector).length > 0;
  if (type === "ExternalName" || text(live, "spec", "clusterIP") === "None" || !selects) return { done: true, status: "ready" };
  const { ready, pending } = await endpointsOf(namespaceOf(live), nameOf(live), around);
  const settled = around.quietMs(`${String(ready)}/${String(pending)}`) >= SETTLED_MS;
  return {
    done: pending === 0 && (ready > 0 || settled),
    status: ready + pending === 0 ? "no pod has the labels of its selector" : `${String(ready)} of ${String(ready + pending)} endpoints ready`,
  };
};

export const ingress: Judge = async (live, around) => {
  const services = new Set(maps(live, "spec", "rules").flatMap((rule) => maps(rule, "http", "paths").map((path) => text(path, "backend", "service", "name") ?? "")));
  services.delete("");
  const missing: string[] = [];
  for (const name of services) {
    const slices = await around.api.list("discovery.k8s.io/v1", "EndpointSlice", namespaceOf(live), { labelSelector: `kubernetes.io/service-name=${name}` }, { signal: around.signal });
    if (slices.length > 0) continue;
    const [found] = await around.api.list("v1", "Service", namespaceOf(live), { fieldSelector: `metadata.name=${name}` }, { signal: around.signal });
    if (text(found, "spec", "type") !== "ExternalName") missing.push(name);
  }
  if (missing.length > 0) return { done: false, status: `no endpoints for the services ${missing.join(", ")}` };
  return { done: hasAddress(live), status: hasAddress(live) ? "ready" : "no address yet; does an ingress controller serve this class?" };
};
