import { mountOf } from "../environment";
import type { Environment, Server, TierName } from "../environment/schema";
import { sourceFor } from "../inference/model-store/source";
import { monitoringMode } from "../monitoring/mode";
import { measurementFolders } from "../monitoring/server";
import { measurementsOf } from "../monitoring/storage";

/** Tier that checkpoints go to: the one that the environment names, else warm where there is one, else cold. */
function checkpointTier({ recovery }: Environment, { tiers }: Server): TierName {
  return recovery.checkpoints.tier ?? (tiers.warm === undefined ? "cold" : "warm");
}

/**
 * Folders on a tier that workloads use, below its mount. They belong to the workloads' user: local volumes of Kubernetes
 * need a folder that exists.
 */
export function foldersOn(environment: Environment, serverName: string, tierName: TierName): string[] {
  const server = Object.hasOwn(environment.servers, serverName) ? environment.servers[serverName] : undefined;
  const tier = server?.tiers[tierName];
  if (server === undefined || tier === undefined) return [];
  const folders = new Set<string>();
  if (Object.keys(environment.services).length > 0) {
    if (tierName === "hot") folders.add("models");
    const source = sourceFor(environment, serverName);
    const below = `${mountOf(tierName, tier)}/`;
    if (source?.kind === "directory" && source.path.startsWith(below)) folders.add(source.path.slice(below.length));
  }
  const trains = Object.values(environment.training).some(({ servers }) => servers.includes(serverName));
  if (trains && checkpointTier(environment, server) === tierName) folders.add("checkpoints");
  for (const folder of measurementFoldersOn(environment, serverName, tierName)) folders.add(folder);
  return [...folders];
}

/** Prometheus, Alertmanager and Grafana as pods keep theirs in local volumes. On bare hosts they have users of their own, and the step that installs them makes the folders. */
function measurementFoldersOn(environment: Environment, server: string, tier: TierName): string[] {
  if (monitoringMode(environment) !== "standalone") return [];
  const place = measurementsOf(environment);
  return place?.server === server && place.tier.tier === tier ? Object.values(measurementFolders) : [];
}
