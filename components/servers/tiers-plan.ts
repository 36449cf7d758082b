import { mountOf } from "../environment";
import type { Server, Tier, TierName } from "../environment/schema";
import { shortHash } from "../hash";

/** What a storage tier will be. */
export interface TierPlan {
  tier: TierName;
  level: Tier["level"];
  /** Names under /dev/disk/by-id, in the order of the array. */
  drives: string[];
  mount: string;
  chunkKiB: number;
  /** Name in the array's superblocks. mdadm keeps 32 characters, of which `rackwright:` takes eleven. */
  arrayName: string;
  /** Drives' worth of data in one stripe: XFS's stripe width in chunks. */
  dataDrives: number;
  /** What the drives hold together, in decimal gigabytes. */
  rawGB: number;
  /** What the array holds, in decimal gigabytes, before the filesystem takes its share. */
  usableGB: number;
  /** How many drives may fail, whichever they are, without losing data. */
  survivesDrives: number;
}

export const tierNames = ["hot", "warm", "cold"] as const satisfies readonly TierName[];

const longestArrayName = 20;

/** `<server>-<tier>` where that fits, else the server's name is cut and told apart by a hash. */
export function arrayName(server: string, tier: TierName): string {
  const full = `${server}-${tier}`;
  if (full.length <= longestArrayName) return full;
  const hash = shortHash(server, 6);
  const room = longestArrayName - tier.length - hash.length - 2;
  return `${server.slice(0, room)}-${hash}-${tier}`;
}

/** Drives' worth of data in one stripe (facts 8). */
export function dataDrives(level: Tier["level"], count: number): number {
  switch (level) {
    case "single":
    case "raid1":
      return 1;
    case "raid0":
      return count;
    case "raid5":
      return count - 1;
    case "raid6":
      return count - 2;
    case "raid10":
      // The near-2 layout of an odd number of drives repeats only after all of them.
      return count % 2 === 0 ? count / 2 : count;
  }
}

/** Decimal gigabytes that an array of these drives holds. Redundant levels use of each drive what the smallest has. */
export function usableGB(level: Tier["level"], capacitiesGB: readonly number[]): number {
  const count = capacitiesGB.length;
  const smallest = Math.min(...capacitiesGB);
  switch (level) {
    case "single":
    case "raid0":
      return capacitiesGB.reduce((sum, capacity) => sum + capacity, 0);
    case "raid1":
      return smallest;
    case "raid5":
      return smallest * (count - 1);
    case "raid6":
      return smallest * (count - 2);
    case "raid10":
      return (smallest * count) / 2;
  }
}

/** How many drives may fail, whichever they are. RAID 10 may survive more, if no pair loses both. */
export function survivesDrives(level: Tier["level"], count: number): number {
  switch (level) {
    case "single":
    case "raid0":
      return 0;
    case "raid1":
      return count - 1;
    case "raid5":
    case "raid10":
      return 1;
    case "raid6":
      return 2;
  }
}

function planTier(serverName: string, name: TierName, tier: Tier, drives: Server["drives"]): TierPlan {
  const capacities = tier.drives.map((id) => drives[id]?.capacityGB ?? 0);
  return {
    tier: name,
    level: tier.level,
    drives: [...tier.drives],
    mount: mountOf(name, tier),
    chunkKiB: tier.chunkKiB,
    arrayName: arrayName(serverName, name),
    dataDrives: dataDrives(tier.level, tier.drives.length),
    rawGB: capacities.reduce((sum, capacity) => sum + capacity, 0),
    usableGB: usableGB(tier.level, capacities),
    survivesDrives: survivesDrives(tier.level, tier.drives.length),
  };
}

/** The tiers of a server, hot first. */
export function planTiers(serverName: string, server: Server): TierPlan[] {
  return tierNames.flatMap((name) => {
    const tier = server.tiers[name];
    return tier === undefined ? [] : [planTier(serverName, name, tier, server.drives)];
  });
}
