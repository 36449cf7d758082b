import { mountOf } from "../mounts";
import { didYouMean, type Finding } from "../problems";
import type { Server, Tier, TierName } from "../schema";
import type { Checkable } from "./checkable";

const tierNames = ["hot", "warm", "cold"] as const satisfies readonly TierName[];

/**
 * Fewest drives of a level. mdadm makes a RAID 10 of two or three as well; two are a RAID 1, and with an odd number
 * few people can say which two drives may fail, so four and an even number are asked for.
 */
const fewestDrives: Readonly<Record<Tier["level"], number>> = { single: 1, raid0: 2, raid1: 2, raid5: 3, raid6: 4, raid10: 4 };

/** Folders that belong to the system: a file system mounted there hides it. */
const systemFolder = /^\/((bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|run|sbin|sys|usr)(\/.*)?|home|opt|root|srv|tmp|var|var\/lib|var\/log)$/;

function* levelFindings(keys: readonly PropertyKey[], tier: Tier): Generator<Finding> {
  const given = tier.drives.length;
  const least = fewestDrives[tier.level];
  const fault =
    tier.level === "single" && given !== 1 ? "exactly one drive"
    : given < least ? `at least ${least} drives`
    : tier.level === "raid10" && given % 2 !== 0 ? "an even number of drives"
    : undefined;
  if (fault === undefined) return;
  const fix = tier.level === "single" ? "Choose raid0 or raid1 for several drives." : given === 1 ? "Add drives or choose single." : "Add drives or choose another level.";
  yield { keys: [...keys, "drives"], message: `has ${given}, but ${tier.level} takes ${fault}`, fix };
}

function* mountFindings(keys: readonly PropertyKey[], server: Server): Generator<Finding> {
  const mounts = new Map<TierName, string>();
  for (const name of tierNames) {
    const tier = server.tiers[name];
    if (tier === undefined) continue;
    const mount = mountOf(name, tier);
    const place = [...keys, "tiers", name, "mount"];
    if (systemFolder.test(mount)) yield { keys: place, message: "would hide a folder of the system", value: mount, fix: `Leave it out for /srv/${name}, or choose a folder of its own.` };
    for (const [other, otherMount] of mounts) {
      if (mount === otherMount) yield { keys: place, message: `is the same as the mount of the ${other} tier`, value: mount, fix: "Give each tier a mount of its own." };
      else if (mount.startsWith(`${otherMount}/`) || otherMount.startsWith(`${mount}/`)) yield { keys: place, message: `and the mount of the ${other} tier, ${otherMount}, lie one in the other`, value: mount, fix: "Put them side by side." };
    }
    mounts.set(name, mount);
  }
}

function* tierFindings(keys: readonly PropertyKey[], server: Server): Generator<Finding> {
  const known = Object.keys(server.drives);
  const users = new Map<string, TierName>();
  for (const name of tierNames) {
    const tier = server.tiers[name];
    if (tier === undefined) continue;
    const place = [...keys, "tiers", name];
    yield* levelFindings(place, tier);
    for (const [index, id] of tier.drives.entries()) {
      const drivePlace = [...place, "drives", index];
      const user = users.get(id);
      if (!Object.hasOwn(server.drives, id)) {
        yield { keys: drivePlace, message: "is not among the server's drives", value: id, fix: didYouMean(id, known, "Describe it under `drives` first.") };
      } else if (user !== undefined) {
        yield { keys: drivePlace, message: user === name ? "is named twice in this tier" : `is already in the ${user} tier`, value: id, fix: "A drive belongs to one tier, once." };
      }
      users.set(id, user ?? name);
    }
  }
}

/** Drives and tiers of each server, and that no drive is in two servers. */
export function* driveFindings({ servers }: Checkable): Generator<Finding> {
  const owners = new Map<string, string>();
  for (const [name, server] of Object.entries(servers)) {
    const keys = ["servers", name];
    yield* tierFindings(keys, server);
    yield* mountFindings(keys, server);
    for (const id of Object.keys(server.drives)) {
      const owner = owners.get(id);
      if (owner !== undefined) yield { keys: [...keys, "drives", id], message: `is also a drive of ${owner}`, fix: "Ids carry the serial number, so one of the two was copied: read it again with `ls -l /dev/disk/by-id`." };
      else owners.set(id, name);
    }
  }
}
