import { textfileFolder } from "../monitoring/names";
import { rdmaNics, rdmaPeers, type RdmaPeer } from "../monitoring/peers";
import type { Environment, Server, TierName } from "../environment/schema";
import { planBareMonitoring, type BareMonitoring } from "./bare-monitoring";
import { packed } from "./packed";
import { planTiers, type TierPlan } from "./tiers-plan";
import { watchedCheckpoints, type WatchedCheckpoints } from "./watched-checkpoints";

/** What a server measures of itself, for there is nobody else who could. */
export interface HostMonitoringPlan {
  /** Where the measurements are left for node_exporter. */
  metricsFolder: string;
  tiers: Pick<TierPlan, "tier" | "level" | "drives" | "arrayName" | "mount">[];
  /** Every drive, with the tier that it is in. */
  drives: { id: string; tier?: TierName }[];
  checkpoints: WatchedCheckpoints[];
  /** Absent where the server or all others have no RDMA. */
  rdma?: { nics: string[]; peers: RdmaPeer[] };
  /** What runs on the host itself; absent where a cluster runs it. */
  bare?: BareMonitoring;
}

function watchedDrives({ drives, tiers }: Server): HostMonitoringPlan["drives"] {
  const tierOf = (id: string): TierName | undefined => (["hot", "warm", "cold"] as const).find((name) => tiers[name]?.drives.includes(id));
  return Object.keys(drives).map((id) => {
    const tier = tierOf(id);
    return { id, ...(tier === undefined ? {} : { tier }) };
  });
}

/** What one server measures of itself; undefined where the environment wants no monitoring. Pure. */
export function planHostMonitoring(environment: Environment, name: string, server: Server): HostMonitoringPlan | undefined {
  if (!environment.monitoring.enabled) return undefined;
  const peers = rdmaPeers(environment, name);
  const bare = planBareMonitoring(environment, name, server);
  return {
    metricsFolder: textfileFolder,
    tiers: planTiers(name, server).map(({ tier, level, drives, arrayName, mount }) => ({ tier, level, drives, arrayName, mount })),
    drives: watchedDrives(server),
    checkpoints: watchedCheckpoints(environment, name),
    ...(peers.length === 0 ? {} : { rdma: { nics: rdmaNics(server), peers } }),
    ...(bare === undefined ? {} : { bare }),
  };
}

/** Flags of monitoring.sh. */
export function monitoringArgs({ metricsFolder, tiers, drives, checkpoints, rdma, bare }: HostMonitoringPlan): string[] {
  return [
    "--metrics-folder", metricsFolder,
    ...tiers.flatMap(({ tier, level, drives: members, arrayName, mount }) => ["--tier", [tier, level, members.length, arrayName, mount].join(":")]),
    ...drives.flatMap(({ id, tier }) => ["--drive", tier === undefined ? id : `${id}=${tier}`]),
    ...checkpoints.flatMap(({ job, path, processes, first }) => ["--checkpoints", `${job}:${processes}:${first ? "yes" : "no"}=${path}`]),
    ...(rdma === undefined ? [] : [...rdma.nics.flatMap((nic) => ["--rdma-nic", nic]), ...rdma.peers.flatMap(({ name, address, nics }) => ["--rdma-peer", `${name}=${address}=${nics}`])]),
    ...(bare === undefined ? [] : bareArgs(bare)),
  ];
}

function bareArgs({ packages, grafanaSource, data, secrets, services }: BareMonitoring): string[] {
  return [
    "--bare", "yes",
    ...(grafanaSource === undefined ? [] : ["--grafana-source", grafanaSource]),
    ...packages.flatMap(({ name }) => ["--package", name]),
    ...data.flatMap(({ path, user }) => ["--data", `${path}=${user}`]),
    ...secrets.flatMap(({ name, path, user }) => ["--secret", `${name}=${path}=${user}`]),
    ...services.flatMap(({ name, files }) => ["--service", name, ...Object.entries(files).flatMap(([path, text]) => ["--file", `${path}=${packed(text)}`])]),
  ];
}
