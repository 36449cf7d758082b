import { mountOf } from "../components/environment";
import type { Environment, Server, Tier, TierName } from "../components/environment/schema";
import { modelsOn } from "../components/inference/model-store/models";
import { sourceFor } from "../components/inference/model-store/source";
import type { BalancedService, BalancerPlan, Target } from "../components/recovery/standby/plan";
import { planSite } from "../components/site/plan";
import type { EmulatedDrive } from "./hardware";
import { RehearsalError } from "./process";
import { balancedBy } from "./recovery/faults";

/** What a rehearsal of a lost hot tier is about. */
export interface LostHotTier {
  balancer: BalancerPlan;
  service: BalancedService;
  /** The active replica whose weights are lost. */
  active: Target;
  /** The server as it is emulated: with its drives and tiers. */
  server: Server;
  tier: Tier;
  mount: string;
  /** Folder on a tier of the same server from which the weights come again. */
  store: string;
  storeTier: TierName;
  /** Folders of models that the plan lays out on that server, the service's own first. */
  models: string[];
  /** Where the environment itself would fetch them from, where that is not the folder. */
  otherSource?: string;
}

/** How the hot tier comes back: with a new drive in the place of the lost one, or on what remains. */
export type Rebuild = "replaced" | "remaining";

/** The fewest drives of which a RAID 0 can be made. */
const fewestDrives = 2;

/** Both ways, where what remains is enough for a RAID 0. */
export function rebuildsOf({ tier }: Pick<LostHotTier, "tier">): Rebuild[] {
  return tier.drives.length > fewestDrives ? ["replaced", "remaining"] : ["replaced"];
}

/**
 * Finds a service with a standby whose active replica's server has a hot tier in RAID 0 on NVMe and a tier to fill it from. Pure.
 * @throws RehearsalError with what the environment lacks
 */
export function lostHotTier(environment: Environment, name: string): LostHotTier {
  const { plan: balancer, service } = balancedBy(environment, name);
  const actives = service.targets.filter(({ role }) => role === "active");
  const active = actives.find((target) => canLose(environment.servers[target.server]));
  const server = environment.servers[active?.server ?? ""];
  const tier = server?.tiers.hot;
  if (active === undefined || server === undefined || tier === undefined) {
    throw new RehearsalError(`${name} has no hot tier that this rehearsal could lose: ${actives.map((target) => target.server).join(", ")}, where ${service.name} answers, needs a hot tier that is raid0 on NVMe drives.`);
  }
  const own = sourceFor(withOwnStore(environment), active.server);
  if (own?.kind !== "directory") throw new RehearsalError(`${name} has nothing that this rehearsal could fill the hot tier of ${active.server} from: give that server a warm or a cold tier.`);
  const storeTier = (["cold", "warm"] as const).find((each) => server.tiers[each] !== undefined && own.path.startsWith(`${mountOf(each, server.tiers[each])}/`)) ?? "warm";
  const laidOut = modelsOn(planSite(environment).workloads, active.server);
  const models = [...laidOut.filter(({ services }) => services.includes(service.name)), ...laidOut.filter(({ services }) => !services.includes(service.name))].map(({ folder }) => folder);
  if (models.length === 0) throw new RehearsalError(`The engines of ${service.name} fetch their weights from a hub themselves: nothing is laid out on ${active.server}.`);
  const source = sourceFor(environment, active.server);
  return {
    balancer, service, active, server, tier, mount: mountOf("hot", tier), store: own.path, storeTier, models,
    ...(source === undefined || (source.kind === "directory" && source.path === own.path) ? {} : { otherSource: source.kind === "object-store" ? "the object store" : source.kind === "nfs" ? "the NFS export of site.modelStore" : source.path }),
  };
}

function canLose(server: Server | undefined): boolean {
  const hot = server?.tiers.hot;
  return hot !== undefined && hot.level === "raid0" && hot.drives.length >= fewestDrives && hot.drives.every((id) => server?.drives[id]?.kind === "nvme");
}

/**
 * The environment with that server's own folder as the model store, and without what measures it: what is planned for the
 * server is planned from this.
 */
export function withOwnStore(environment: Environment): Environment {
  const { objectStore: _objectStore, modelStore: _modelStore, ...site } = environment.site;
  return { ...environment, site, monitoring: { ...environment.monitoring, enabled: false } };
}

/** The environment after a drive of a hot tier was lost: with the new one in its place, or without it. */
export function withoutDrive(environment: Environment, serverName: string, lost: string, replacement?: string): Environment {
  const server = environment.servers[serverName];
  const hot = server?.tiers.hot;
  const facts = server?.drives[lost];
  if (server === undefined || hot === undefined || facts === undefined) throw new Error(`${serverName} has no hot tier with ${lost}`);
  const swap = (id: string): string[] => (id !== lost ? [id] : replacement === undefined ? [] : [replacement]);
  const drives = Object.fromEntries(Object.entries(server.drives).flatMap(([id, drive]) => swap(id).map((each) => [each, drive])));
  return { ...environment, servers: { ...environment.servers, [serverName]: { ...server, drives, tiers: { ...server.tiers, hot: { ...hot, drives: hot.drives.flatMap(swap) } } } } };
}

/** XFS wants 560 MiB where it is told of stripes. */
const hotTierMiB = 640;

/** Gives the drives of the hot tier so much room that the tier can be made of one less. */
export function roomier({ tier }: Pick<LostHotTier, "tier">): (drive: EmulatedDrive) => EmulatedDrive {
  const sizeMiB = Math.ceil(hotTierMiB / Math.max(1, tier.drives.length - 1) / 16) * 16;
  return (drive) => (tier.drives.includes(drive.id) ? { ...drive, sizeMiB } : drive);
}

/** What the tier's own step says is to be done by hand, as it says it. Undefined where it says something else. */
export function handsOn(message: string): { commands: string[]; drives: string[] } | undefined {
  const [, unmount, stop, drives] = /run `(umount [^`]+)` and `(mdadm --stop [^`]+)` by hand, .*they are ([^)]+)\)/s.exec(message) ?? [];
  if (unmount === undefined || stop === undefined || drives === undefined) return undefined;
  return { commands: [unmount, stop.trim()], drives: drives.trim().split(/\s+/) };
}
