import { parseEnvironment, type Environment, type EnvironmentInput } from "../../../components/environment";
import { hostKey } from "../../support/environments";

type ServerInput = EnvironmentInput["servers"][string];
type ServiceInput = NonNullable<EnvironmentInput["services"]>[string];

/** A worker with eight GPUs on NVSwitch and a hot tier, unless told otherwise. */
export function worker(index: number, changes: Partial<ServerInput> = {}): ServerInput {
  const drive = `nvme-SAMSUNG_MZQL27T6HBLA-00A07_S6CK${String(index).padStart(6, "0")}`;
  return {
    address: `10.${30 + Math.floor(index / 65_536)}.${Math.floor(index / 256) % 256}.${index % 256}`,
    hostKey: hostKey(`placement-${index}`),
    cpu: { model: "xeon-platinum-8480c", sockets: 2 },
    memoryGiB: 2048,
    pcieGeneration: 5,
    pcieSwitch: true,
    gpus: { model: "h100-80gb-sxm5", count: 8, nvlink: "nvswitch" },
    nics: { eno1: { speedGbps: 100 }, ibs0: { speedGbps: 400, rdma: "infiniband" } },
    drives: { [drive]: { kind: "nvme", capacityGB: 7680 } },
    tiers: { hot: { level: "single", drives: [drive] } },
    ...changes,
  };
}

/** Servers by name with these services, on a cluster that exists. */
export function site(servers: Record<string, ServerInput>, services: Record<string, ServiceInput>, more: Partial<EnvironmentInput> = {}): EnvironmentInput {
  return { site: { name: "lab", internetAccess: true, racks: { "rack-a": {}, "rack-b": {} } }, ssh: { user: "ops" }, servers, cluster: { distribution: "existing" }, services, ...more };
}

export function parsed(input: EnvironmentInput): Environment {
  const result = parseEnvironment(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 1));
  return result.environment;
}

/** A mixture of services that a site of this size has room for. */
export function largeSite(servers: number, services: number): EnvironmentInput {
  const kinds: ServiceInput[] = [
    { model: "llama-3.1-8b", engine: "vllm", contextTokens: 8192, concurrency: 16, replicas: 4 },
    { model: "llama-3.1-70b", engine: "vllm", contextTokens: 16384, concurrency: 16, replicas: 2, standbyReplicas: 1 },
    { model: "qwen2.5-32b", engine: "auto", contextTokens: 16384, concurrency: 8, replicas: 3 },
    { model: "vit-l-16", engine: "triton", precision: "fp16", concurrency: 32, replicas: 2 },
    { model: "deepseek-v3", engine: "sglang", contextTokens: 8192, concurrency: 8 },
  ];
  return site(
    Object.fromEntries(Array.from({ length: servers }, (_, index) => [`gpu-${String(index).padStart(4, "0")}`, worker(index)])),
    Object.fromEntries(Array.from({ length: services }, (_, index) => [`service-${String(index).padStart(3, "0")}`, kinds[index % kinds.length] as ServiceInput])),
  );
}
