import { textfileFolder } from "../monitoring/names";
import type { Environment } from "../environment/schema";
import { checkpointTier } from "../training/checkpoint-volumes";
import { watchedCheckpoints, type WatchedCheckpoints } from "../servers/watched-checkpoints";
import { planTiers } from "../servers/tiers-plan";

/** What a backup holds. restic's tags have the same names. */
export type BackupContent = "checkpoints" | "cluster";

/** Where a server's repository is. */
export type BackupPlace =
  /** On its own cold tier. */
  | { kind: "folder"; path: string }
  /** On the cold tier of another server, reached by SSH. */
  | { kind: "store"; server: string; address: string; port: number; hostKey: string; path: string }
  /** In the site's object store. */
  | { kind: "bucket"; path: string };

/** A server with something that exists nowhere else. */
export interface BackupSource {
  contents: BackupContent[];
  checkpoints: WatchedCheckpoints[];
  /** What keeps the control plane's data, where the server is one of it. */
  cluster?: "sqlite" | "etcd";
  place: BackupPlace;
}

/** A server that looks after repositories: its own, and those of others that come to its cold tier. */
export interface BackupStore {
  place: { kind: "folder" | "bucket"; path: string };
  repositories: { server: string; contents: BackupContent[]; remote: boolean }[];
}

export interface BackupPlan {
  sources: Record<string, BackupSource>;
  stores: Record<string, BackupStore>;
  /** Servers with something to lose and no place for a copy. */
  without: string[];
}

/** Folder of all repositories below the cold tier's mount, and of all in the bucket. */
export const backupFolder = "backup";

/** What only this server has. Weights and images are made again from their sources; measurements are not worth a copy (docs/recovery.md). */
function contentsOf(environment: Environment, name: string): Pick<BackupSource, "checkpoints" | "cluster"> {
  const { distribution, controlPlane } = environment.cluster;
  if (distribution === "none") return { checkpoints: [] };
  const cluster = distribution === "k3s" && controlPlane.includes(name) ? (controlPlane.length > 1 ? "etcd" : "sqlite") : undefined;
  return { checkpoints: watchedCheckpoints(environment, name), ...(cluster === undefined ? {} : { cluster }) };
}

function coldMount(environment: Environment, name: string): string | undefined {
  const server = environment.servers[name];
  return server === undefined ? undefined : planTiers(name, server).find(({ tier }) => tier === "cold")?.mount;
}

/** Servers with a cold tier, storage servers first. */
function coldServers(environment: Environment): string[] {
  const isStorage = (server: string): boolean => environment.servers[server]?.roles.includes("storage") === true;
  return Object.keys(environment.servers).filter((name) => coldMount(environment, name) !== undefined).sort((a, b) => Number(isStorage(b)) - Number(isStorage(a)) || (a < b ? -1 : 1));
}

/** Another server's cold tier before its own: a copy beside the original goes with the server. */
function placeOf(environment: Environment, name: string, cold: readonly string[]): BackupPlace | undefined {
  const { servers, ssh, site } = environment;
  const other = cold.find((candidate) => candidate !== name);
  const store = other === undefined ? undefined : servers[other];
  if (other !== undefined && store !== undefined) return { kind: "store", server: other, address: store.address, port: store.port ?? ssh.port, hostKey: store.hostKey, path: `${coldMount(environment, other) ?? ""}/${backupFolder}` };
  const own = coldMount(environment, name);
  if (own !== undefined) return { kind: "folder", path: `${own}/${backupFolder}` };
  // Only servers with data of their own have the store's keys.
  const reaches = servers[name]?.roles.some((role) => role !== "control-plane") === true;
  return site.objectStore === undefined || !reaches ? undefined : { kind: "bucket", path: `${site.objectStore.bucket}/${backupFolder}` };
}

/** Each server's plan asks for the same one. */
const plans = new WeakMap<Environment, BackupPlan>();

/** Which server backs up what, and where to. Pure; nothing where `recovery.backup.enabled` is false. */
export function planBackups(environment: Environment): BackupPlan {
  const known = plans.get(environment);
  if (known !== undefined) return known;
  const plan = planned(environment);
  plans.set(environment, plan);
  return plan;
}

function planned(environment: Environment): BackupPlan {
  const plan: BackupPlan = { sources: {}, stores: {}, without: [] };
  if (!environment.recovery.backup.enabled) return plan;
  const cold = coldServers(environment);
  for (const name of Object.keys(environment.servers)) {
    const found = contentsOf(environment, name);
    if (found.checkpoints.length === 0 && found.cluster === undefined) continue;
    const place = placeOf(environment, name, cold);
    // A copy on the drives of the original is none.
    const checkpoints = place?.kind === "folder" && checkpointTier(environment, name)?.tier === "cold" ? [] : found.checkpoints;
    const contents: BackupContent[] = [...(checkpoints.length > 0 ? (["checkpoints"] as const) : []), ...(found.cluster === undefined ? [] : (["cluster"] as const))];
    if (place === undefined || contents.length === 0) {
      plan.without.push(name);
      continue;
    }
    plan.sources[name] = { contents, checkpoints, ...(found.cluster === undefined ? {} : { cluster: found.cluster }), place };
    const keeper = place.kind === "store" ? place.server : name;
    plan.stores[keeper] ??= { place: place.kind === "bucket" ? place : { kind: "folder", path: place.path }, repositories: [] };
    plan.stores[keeper].repositories.push({ server: name, contents, remote: place.kind === "store" });
  }
  return plan;
}

function placeArgs(place: BackupPlace): string[] {
  switch (place.kind) {
    case "folder":
      return ["--folder", place.path];
    case "store":
      return ["--store", `${place.address}:${place.port}`, "--store-key", place.hostKey.replace(" ", "=")];
    case "bucket":
      return ["--bucket", place.path];
  }
}

const packages = (...names: string[]): string[] => names.flatMap((name) => ["--package", name]);
const metricsArgs = ({ monitoring }: Environment): string[] => (monitoring.enabled ? ["--metrics-folder", textfileFolder] : []);

/** Flags of backup.sh. */
export function backupArgs(environment: Environment, server: string, { checkpoints, cluster, place }: BackupSource): string[] {
  return [
    "--server", server,
    "--every-hours", String(environment.recovery.backup.everyHours),
    ...checkpoints.flatMap(({ job, path, processes, first }) => ["--checkpoints", `${job}:${processes}:${first ? "yes" : "no"}=${path}`]),
    ...(cluster === undefined ? [] : ["--cluster", cluster]),
    ...placeArgs(place),
    ...metricsArgs(environment),
    ...packages("restic", ...(cluster === "sqlite" ? ["sqlite3"] : []), ...(place.kind === "bucket" ? ["rclone"] : []), ...(place.kind === "store" ? ["openssh-client"] : [])),
  ];
}

/** Flags of backup-store.sh. */
export function backupStoreArgs(environment: Environment, { place, repositories }: BackupStore): string[] {
  const { keepDaily, keepWeekly } = environment.recovery.backup;
  return [
    ...repositories.flatMap(({ server, contents }) => ["--repository", `${server}=${contents.join(",")}`]),
    ...repositories.flatMap(({ server, remote }) => (remote ? ["--remote", server] : [])),
    place.kind === "folder" ? "--folder" : "--bucket", place.path,
    "--keep-daily", String(keepDaily),
    "--keep-weekly", String(keepWeekly),
    ...metricsArgs(environment),
    ...packages("restic", ...(place.kind === "bucket" || repositories.some(({ remote }) => remote) ? ["rclone"] : [])),
  ];
}
