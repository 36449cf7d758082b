import { gpu, type EngineId } from "../../catalog";
import { exportsAllocator } from "../../inference/engines/allocator";
import { enginePod } from "../../inference/engines/pod";
import { planHostBalancers } from "../../recovery/standby/host-step";
import { planTiers, type TierPlan } from "../../servers/tiers-plan";
import { rdmaServers } from "../../cluster/nodes";
import { ruleGroups } from "../rules";
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
  /** k3s keeps certificates of its own on every host. */
  hasHostCertificates: boolean;
  tiers: TierPlan[];
  hasArrays: boolean;
  engines: Set<EngineId>;
  /** Some service's processes say how torch's allocator uses GPU memory. */
  hasTorch: boolean;
  /** HAProxy and keepalived pass requests on. */
  hasBalancers: boolean;
  /** Names an alert for a panel where this environment has it, and nothing elsewhere. */
  watchedBy: (alert: string) => { alert?: string };
}

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
  const alerts = new Set(ruleGroups(environment, workloads).flatMap((group) => group.alerts.map(({ name }) => name)));
  return {
    servers: servers.map(([name]) => name),
    hasGpus: gpus.length > 0,
    hasProfiling: cards.some((card) => card?.dataCentre === true),
    hasNvlink: gpus.some(({ nvlink }) => nvlink !== "none"),
    hasEcc: cards.some((card) => card?.ecc === true),
    hasRdma: rdmaServers(environment.servers).length > 1,
    hasCluster: environment.cluster.distribution !== "none",
    hasHostCertificates: environment.cluster.distribution === "k3s",
    tiers,
    hasArrays: tiers.some(({ level }) => level !== "single"),
    engines: new Set(services.map(({ engine }) => engine)),
    hasTorch: services.some((service) => service.workloads.some((workload) => exportsAllocator({ environment, workload }, enginePod({ environment, service, workload }).program))),
    hasBalancers: planHostBalancers(environment) !== undefined,
    watchedBy: (alert) => (alerts.has(alert) ? { alert } : {}),
  };
}

export function hasTokens({ engines }: Facts): boolean {
  return tokenEngines.some((engine) => engines.has(engine));
}

/** Matcher of the file systems of tiers. */
export function mounts({ tiers }: Facts): string {
  return `mountpoint=~"${[...new Set(tiers.map(({ mount }) => mount))].join("|")}"`;
}
