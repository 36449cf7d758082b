import { weightsGB } from "../../catalog";
import type { Environment, Server } from "../../environment/schema";
import type { ServicePlan } from "../plan-types";

/**
 * What an engine's loader takes from a drive that has more to give: 405.9 GB in 235 s (facts 6, a published vLLM log),
 * read by an ordinary loader. Budgets are made for this, not for the parallel streams that are usually faster.
 */
const loaderGBps = 1.7;

/** Sequential reads of one drive, well below what its link carries (facts 8: 3.9, 7.9 and 15.8 GB/s for x4): a filled drive is slower than its label. */
const nvmeGBps = { 3: 1.5, 4: 3, 5: 6 } as const;
const sataGBps = 0.4;
const hddGBps = 0.12;

/** Reads come from this many drives at once. */
const readers = {
  single: () => 1,
  raid0: (drives: number) => drives,
  raid1: () => 1,
  raid5: (drives: number) => drives - 1,
  raid6: (drives: number) => drives - 2,
  raid10: (drives: number) => drives / 2,
} as const;

/** Import of the engine's own code, which is gigabytes of libraries. General knowledge: 20 to 60 s on a cold page cache. */
const processStartSeconds = 60;
/** A server that is busy, a slower drive, a first compilation: what a budget is above the estimate. */
const margin = 3;
const leastBudgetSeconds = 300;

/** Decimal gigabytes of all weights that one pod of a service reads. */
export function weightsToLoadGB(service: ServicePlan): number {
  const own = service.weightsGB ?? service.spec.weights.sizeGB ?? weightsGB(service.model, service.spec.precision);
  return Object.values(service.moreModels ?? {}).reduce((sum, more) => sum + more.weightsGB, own);
}

/** What the hot tier gives, read in sequence. A server without one reads from its slowest kind of drive. */
export function hotTierReadGBps(server: Server | undefined): number {
  const hot = server?.tiers.hot;
  if (server === undefined || hot === undefined) return hddGBps;
  const speeds = hot.drives.map((id) => {
    const kind = server.drives[id]?.kind;
    return kind === "nvme" ? nvmeGBps[server.pcieGeneration] : kind === "sata-ssd" ? sataGBps : hddGBps;
  });
  return Math.min(...speeds) * readers[hot.level](hot.drives.length);
}

/**
 * Estimate of the time from a container's start to its first answer, in seconds. The slowest of the replica's servers
 * counts. Weights from a hub come over the network first: 100 MB/s are assumed.
 */
export function loadSeconds(environment: Environment, service: ServicePlan, servers: readonly string[], preparationSeconds: number): number {
  const slowest = Math.min(...servers.map((name) => hotTierReadGBps(environment.servers[name])), loaderGBps);
  const rate = service.spec.weights.from === "hub" ? Math.min(slowest, 0.1) : slowest;
  return Math.ceil(processStartSeconds + weightsToLoadGB(service) / rate + preparationSeconds);
}

/** What Kubernetes waits before it takes a start for failed: several times the estimate. */
export function startBudgetSeconds(estimateSeconds: number): number {
  return Math.max(leastBudgetSeconds, Math.ceil((margin * estimateSeconds) / 10) * 10);
}
