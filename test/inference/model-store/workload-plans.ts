import { model as modelOf } from "../../../components/catalog";
import { parseEnvironment, type Environment, type EnvironmentInput } from "../../../components/environment";
import type { ServicePlan, WorkloadPlan } from "../../../components/inference/plan-types";
import { generatedServer } from "../../support/environments";

type Service = NonNullable<EnvironmentInput["services"]>[string];

export interface StoreInput {
  servers?: number;
  site?: Partial<EnvironmentInput["site"]>;
  services?: Record<string, Service>;
  /** Changes what servers are. */
  change?: (servers: EnvironmentInput["servers"]) => void;
}

/** An environment of generated servers: a hot tier of two NVMe drives and a mirrored warm tier on each. */
export function storeEnvironment({ servers = 2, site = {}, services = {}, change }: StoreInput = {}): Environment {
  const input: EnvironmentInput = {
    site: { name: "lab", ...site },
    servers: Object.fromEntries(Array.from({ length: servers }, (_, index) => [`gpu-${index + 1}`, generatedServer(index + 1)])),
    cluster: { distribution: "existing" },
    services,
  };
  change?.(input.servers);
  const result = parseEnvironment(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.environment;
}

/** A plan that runs each service on the servers that are named for it, or on all. */
export function workloadsOn(environment: Environment, servers: Readonly<Record<string, readonly string[]>> = {}, weightsGB = 15): WorkloadPlan {
  const services = Object.entries(environment.services).map(([name, spec]): [string, ServicePlan] => {
    const workloads = (Object.hasOwn(servers, name) ? (servers[name] ?? []) : Object.keys(environment.servers)).map((server) => ({
      name: `${name}-${server}`, role: "active" as const, replicas: 1, servers: [server], accelerator: "a100-80gb-pcie", resource: "nvidia.com/gpu", devicesPerPod: 1, cpus: 4, memoryGiB: 16,
      // The model store looks at no sizing.
      sizing: {} as ServicePlan["workloads"][number]["sizing"],
    }));
    const model = modelOf("qwen2.5-7b");
    if (model === undefined) throw new Error("no such model");
    return [name, { name, spec, model, engine: "vllm", engineReason: "as stated", notes: [], weightsGB, workloads }];
  });
  return { services: Object.fromEntries(services), training: {}, findings: [] };
}
