import { gpu, type EngineId } from "../../catalog";
import { planTiers, type TierPlan } from "../../servers/tiers-plan";
import type { BoardInput } from "./board";

/** What an environment has, and so what its boards can show. */
export interface Facts {
  servers: string[];
  /** Of NVIDIA: what dcgm-exporter measures. */
  hasGpus: boolean;
  /** Some GPU has DCGM's profiling fields: data-centre cards do (facts 1). */
  hasProfiling: boolean;
  hasNvlink: boolean;
  hasEcc: boolean;
  /** Two servers or more have a card for RDMA, so that there is a way to measure. */
  hasRdma: boolean;
  hasCluster: boolean;
  tiers: TierPlan[];
  hasArrays: boolean;
  engines: Set<EngineId>;
  /** Some service has a Deployment: replicas that span servers are LeaderWorkerSets instead. */
  hasDeployments: boolean;
}

/** Engines whose processes torch's allocator can be asked in: they are Python programs. */
const torchEngines: readonly EngineId[] = ["vllm", "sglang", "deepspeed", "colossalai", "pytorch"];
/** Engines that count the tokens they make. */
const tokenEngines: readonly EngineId[] = ["vllm", "sglang"];
/** Our own servers around libraries. */
export const ownEngines: readonly EngineId[] = ["deepspeed", "colossalai", "pytorch"];

export function factsOf({ environment, workloads }: BoardInput): Facts {
  const servers = Object.entries(environment.servers);
  const tiers = servers.flatMap(([name, server]) => planTiers(name, server));
  const gpus = servers.flatMap(([, server]) => (server.gpus === undefined ? [] : [server.gpus]));
  const services = Object.values(workloads.services);
  const cards = gpus.map(({ model }) => gpu(model));
  return {
    servers: servers.map(([name]) => name),
    hasGpus: gpus.length > 0,
    hasProfiling: cards.some((card) => card?.dataCentre === true),
    hasNvlink: gpus.some(({ nvlink }) => nvlink !== "none"),
    hasEcc: cards.some((card) => card?.ecc === true),
    hasRdma: servers.filter(([, { nics }]) => Object.values(nics).some(({ rdma }) => rdma !== "none")).length > 1,
    hasCluster: environment.cluster.distribution !== "none",
    tiers,
    hasArrays: tiers.some(({ level }) => level !== "single"),
    engines: new Set(services.map(({ engine }) => engine)),
    hasDeployments: services.some((service) => service.workloads.some((workload) => workload.servers.length === 1)),
  };
}

export function hasTorch({ engines }: Facts): boolean {
  return torchEngines.some((engine) => engines.has(engine));
}

export function hasTokens({ engines }: Facts): boolean {
  return tokenEngines.some((engine) => engines.has(engine));
}

/** Matcher of the file systems of tiers. */
export function mounts({ tiers }: Facts): string {
  return `mountpoint=~"${[...new Set(tiers.map(({ mount }) => mount))].join("|")}"`;
}
