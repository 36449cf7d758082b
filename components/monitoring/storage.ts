import { namespaces } from "../cluster/names";
import type { KubernetesObject } from "../cluster/object";
import { gibOf, volumePair } from "../cluster/volumes";
import type { Finding } from "../environment/problems";
import type { Environment } from "../environment/schema";
import type { TierPlan } from "../servers/tiers-plan";
import { monitoringMode } from "./mode";
import { measurementFolders, measurementsTier, monitoringServer } from "./server";

/** What each program keeps of its own, below the tier's mount. */
export type Keeper = keyof typeof measurementFolders;

/** Beyond the retention: the write-ahead log and blocks that are being compacted (general knowledge: a tenth to a fifth). */
const headroom = 1.2;
/** Silences and what was notified; boards that people made, and who they are. */
const smallGiB = { alertmanager: 1, grafana: 5 } as const;

export interface Measurements {
  server: string;
  tier: TierPlan;
}

/** Whether Prometheus is ours, so that measurements are kept on one of the environment's servers. */
export function keepsMeasurements(environment: Environment): boolean {
  const mode = monitoringMode(environment);
  return mode === "standalone" || mode === "hosts";
}

/** Where measurements are kept; undefined where no server has a warm or cold tier, or where a site's operator keeps them. */
export function measurementsOf(environment: Environment): Measurements | undefined {
  const server = monitoringServer(environment);
  const spec = server === undefined || !Object.hasOwn(environment.servers, server) ? undefined : environment.servers[server];
  const tier = server === undefined || spec === undefined ? undefined : measurementsTier(server, spec);
  return server === undefined || tier === undefined ? undefined : { server, tier };
}

function gibFor({ monitoring }: Environment, keeper: Keeper): number {
  return keeper === "prometheus" ? Math.ceil(monitoring.retentionGiB * headroom) : smallGiB[keeper];
}

/** Claim of a program's folder. */
export const claimOf = (keeper: Keeper): string => `measurements-${keeper}`;

/** A folder on the tier as a volume that comes back with what was in it when monitoring is removed and added again. */
export function measurementVolume(environment: Environment, { server, tier }: Measurements, keeper: Keeper): KubernetesObject[] {
  const { volume, claim } = volumePair({ name: claimOf(keeper), namespace: namespaces.monitoring, gib: gibFor(environment, keeper), accessMode: "ReadWriteOnce", source: { local: { path: `${tier.mount}/${measurementFolders[keeper]}` } }, server });
  return [volume, claim];
}

/** A site that has nowhere to keep its measurements, or not enough room. */
export function* storageFindings(environment: Environment): Generator<Finding> {
  const { monitoring, servers } = environment;
  if (!keepsMeasurements(environment)) return;
  const named = monitoring.server;
  if (named !== undefined && !Object.hasOwn(servers, named)) {
    yield { keys: ["monitoring", "server"], message: "is not a server of this environment", value: named, fix: "Describe it under `servers`, or leave it out." };
    return;
  }
  const place = measurementsOf(environment);
  if (place === undefined) {
    yield {
      keys: named === undefined ? ["monitoring"] : ["monitoring", "server"],
      message: named === undefined ? "has no server to keep its measurements on: none has a warm or a cold tier" : "has no warm and no cold tier to keep the measurements on",
      ...(named === undefined ? {} : { value: named }),
      fix: "Give a server a warm tier, or write monitoring.enabled: false.",
    };
    return;
  }
  const need = monitoring.retentionGiB * headroom;
  const usable = gibOf(place.tier.usableGB);
  if (need > usable) {
    yield { keys: ["monitoring", "retentionGiB"], message: `and what Prometheus needs beside it are ${Math.ceil(need)} GiB, but the ${place.tier.tier} tier of ${place.server} holds ${Math.floor(usable)} GiB`, value: monitoring.retentionGiB, fix: `Write ${Math.floor(usable / headroom)} or less, or name another server in monitoring.server.` };
  }
}
