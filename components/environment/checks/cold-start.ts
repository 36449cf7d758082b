import { mountOf } from "../mounts";
import type { Finding } from "../problems";
import type { Checkable } from "./checkable";

/** Folders that a set for a cold start is to hold lie on some server's tier. */
export function* coldStartFindings({ recovery, servers, allServersKnown }: Checkable): Generator<Finding> {
  if (recovery === undefined || !allServersKnown) return;
  const mounts = Object.values(servers).flatMap(({ tiers }) => (["hot", "warm", "cold"] as const).flatMap((name) => (tiers[name] === undefined ? [] : [mountOf(name, tiers[name])])));
  for (const [index, folder] of recovery.coldStart.folders.entries()) {
    if (mounts.some((mount) => folder === mount || folder.startsWith(`${mount}/`))) continue;
    yield { keys: ["recovery", "coldStart", "folders", index], message: "lies on no tier of any server", value: folder, allowed: `folders below ${[...new Set(mounts)].sort().join(", ") || "the mount of a tier, of which there is none"}`, fix: "Name a folder on a tier, or leave it out." };
  }
}
