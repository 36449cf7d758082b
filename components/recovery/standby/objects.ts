import { isIP } from "node:net";
import { labels, namespaces } from "../../cluster/names";
import type { KubernetesObject } from "../../cluster/object";
import type { Environment } from "../../environment/schema";
import { shortHash } from "../../hash";
import { commonLabels, componentLabel, workloadSelector } from "../../inference/engines/pod";
import type { ServicePlan } from "../../inference/plan-types";
import { planHostBalancers } from "./host-step";

const longestName = 58;

/** Name of the Service by which balancers reach one workload. */
export function nodePortName(workload: string): string {
  return `${workload.length <= longestName ? workload : `${workload.slice(0, longestName - 9)}-${shortHash(workload, 8)}`}-node`;
}

/**
 * A Service with a node port for each workload that balancers pass requests on to. Not one for all of a service's: what a
 * node itself sends to a node port reaches any endpoint, and a balancer may run on a replica's own node.
 */
export function nodePortServices(environment: Environment, service: ServicePlan, targetPort: number): KubernetesObject[] {
  const targets = planHostBalancers(environment)?.services.find(({ name }) => name === service.name)?.targets ?? [];
  return service.workloads.flatMap((workload) => {
    const target = targets.find(({ name }) => name === workload.name);
    if (target === undefined) return [];
    return [
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: nodePortName(workload.name), namespace: namespaces.inference, labels: { ...commonLabels(service.name), [labels.role]: workload.role } },
        spec: {
          type: "NodePort",
          // Requests keep the balancer's address, which the network policy asks for, and no other node passes them on.
          externalTrafficPolicy: "Local",
          selector: { ...workloadSelector({ service, workload }), [componentLabel]: "api" },
          ports: [{ name: "http", port: targetPort, targetPort, nodePort: target.port, protocol: "TCP" }],
        },
      },
    ];
  });
}

/** Addresses from which balancers reach a service's pods, for its network policy. */
export function balancerPeers(environment: Environment, service: string): Record<string, unknown>[] {
  const plan = planHostBalancers(environment);
  if (plan?.services.some(({ name }) => name === service) !== true) return [];
  return plan.balancers.map(({ address }) => ({ ipBlock: { cidr: `${address}/${isIP(address) === 6 ? 128 : 32}` } }));
}
