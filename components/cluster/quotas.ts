import type { Finding } from "../environment/problems";
import type { Environment } from "../environment/schema";
import { layoutRequests } from "../inference/model-store/resources";
import type { WorkloadPlan } from "../inference/plan-types";
import { nodeCapacity } from "./capacity";
import { gpuResource, namespaces } from "./names";
import type { KubernetesObject } from "./object";

type QuotaNamespace = "inference" | "training";

interface Need {
  devices: Map<string, number>;
  cpus: number;
  memoryGiB: number;
}

function needOf({ services, training }: WorkloadPlan, namespace: QuotaNamespace): Need {
  const need: Need = { devices: new Map(), cpus: 0, memoryGiB: 0 };
  const add = (pods: number, resource: string | undefined, devices: number, cpus: number, memoryGiB: number): void => {
    if (resource !== undefined) need.devices.set(resource, (need.devices.get(resource) ?? 0) + pods * devices);
    need.cpus += pods * cpus;
    need.memoryGiB += pods * memoryGiB;
  };
  if (namespace === "inference") {
    // When weights change, they are laid out beside the engines that still run.
    const laidOut = new Set(Object.values(services).flatMap(({ spec, workloads }) => (spec.weights.from === "store" ? workloads.flatMap(({ servers }) => servers) : [])));
    add(laidOut.size, undefined, 0, layoutRequests.cpus, layoutRequests.memoryGiB);
    for (const { workloads } of Object.values(services)) {
      for (const { replicas, servers, resource, devicesPerPod, cpus, memoryGiB } of workloads) add(replicas * servers.length, resource, devicesPerPod, cpus, memoryGiB);
    }
  } else {
    for (const { servers, resource, devicesPerPod, cpus, memoryGiB } of Object.values(training)) add(servers.length, resource, devicesPerPod, cpus, memoryGiB);
  }
  return need;
}

/** Extended resources of all accelerators of a site, in alphabetical order. */
function acceleratorResources(environment: Environment): string[] {
  const offered = Object.values(environment.servers).flatMap((server) => nodeCapacity(server, environment).devices.map(({ resource }) => resource));
  return [...new Set(offered)].sort();
}

/**
 * What each namespace may hold. Accelerators are always bounded, by what the plan needs where the environment says nothing,
 * so that nothing unplanned takes one; CPU and memory only where the environment bounds them.
 */
export function quotaObjects(environment: Environment, plan: WorkloadPlan): KubernetesObject[] {
  const resources = acceleratorResources(environment);
  return (["inference", "training"] as const).flatMap((namespace): KubernetesObject[] => {
    const { gpus, cpus, memoryGiB } = environment.cluster.quotas[namespace] ?? {};
    const { devices } = needOf(plan, namespace);
    const hard: Record<string, string> = {};
    for (const resource of resources) {
      const amount = resource === gpuResource ? (gpus ?? devices.get(resource) ?? 0) : (devices.get(resource) ?? 0);
      hard[`requests.${resource}`] = String(amount);
    }
    if (cpus !== undefined) hard["requests.cpu"] = String(cpus);
    if (memoryGiB !== undefined) hard["requests.memory"] = `${memoryGiB}Gi`;
    if (Object.keys(hard).length === 0) return [];
    return [{ apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "accelerators", namespace: namespaces[namespace] }, spec: { hard } }];
  });
}

/** Quotas that are smaller than what is planned: the last pods would never be made. */
export function* quotaFindings(environment: Environment, plan: WorkloadPlan): Generator<Finding> {
  for (const namespace of ["inference", "training"] as const) {
    const quota = environment.cluster.quotas[namespace];
    if (quota === undefined) continue;
    const need = needOf(plan, namespace);
    const needs = { gpus: need.devices.get(gpuResource) ?? 0, cpus: need.cpus, memoryGiB: need.memoryGiB };
    for (const key of ["gpus", "cpus", "memoryGiB"] as const) {
      const given = quota[key];
      if (given === undefined || needs[key] <= given) continue;
      yield { keys: ["cluster", "quotas", namespace, key], message: `is less than the ${needs[key]} that the ${namespace === "inference" ? "services" : "training jobs"} are planned with`, value: given, fix: `Write ${Math.ceil(needs[key])} or more, or leave it out.` };
    }
  }
}
