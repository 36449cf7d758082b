import type { Environment, Server } from "../environment/schema";
import { planTiers, type TierPlan } from "../servers/tiers-plan";

/** Where measurements are kept: the warm tier, else the cold one. Never the hot tier, which holds only copies. */
export function measurementsTier(server: string, spec: Server): TierPlan | undefined {
  const tiers = planTiers(server, spec);
  return tiers.find(({ tier }) => tier === "warm") ?? tiers.find(({ tier }) => tier === "cold");
}

/** Lower is better: a warm tier is on SSDs, and a storage server has no GPU work that would suffer. */
function rank({ roles, tiers }: Server): number {
  return (tiers.warm === undefined ? 2 : 0) + (roles.includes("storage") ? 0 : 1);
}

/** The server that keeps the measurements: the one that the environment names, else the best of those with a warm or cold tier. */
export function monitoringServer({ monitoring, servers }: Environment): string | undefined {
  if (monitoring.server !== undefined) return monitoring.server;
  if (!chosen.has(servers)) chosen.set(servers, bestOf(servers));
  return chosen.get(servers);
}

/** Each server's plan asks, and the answer takes a look at all. */
const chosen = new WeakMap<Environment["servers"], string | undefined>();

function bestOf(servers: Environment["servers"]): string | undefined {
  const able = Object.entries(servers).filter(([, { tiers }]) => tiers.warm !== undefined || tiers.cold !== undefined);
  // By name where they are alike, so that reordering the file moves nothing.
  return able.sort(([first, a], [second, b]) => rank(a) - rank(b) || (first < second ? -1 : 1))[0]?.[0];
}

/** Folders below `<mount>/monitoring`, one for each program that keeps something. */
export const measurementFolders = { prometheus: "monitoring/prometheus", alertmanager: "monitoring/alertmanager", grafana: "monitoring/grafana" } as const;
