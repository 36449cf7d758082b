import type { Gap, Inventory } from "../../components/recovery/cold-start/set";
import type { VerifiedSet } from "../../components/recovery/cold-start/verify";
import { phases } from "../cold-start/journal";
import type { Rebuilt } from "../cold-start/rebuild";
import type { Saved } from "../cold-start/save";
import { table } from "../table";
import type { Terminal } from "../terminal";
import { renderHostReport } from "./drift";

const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

function size(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power] ?? ""}`;
}

/** Files and bytes of a set by the first part of their paths. */
function contents({ files }: Inventory): string {
  const parts = new Map<string, { files: number; bytes: number }>();
  for (const { path, bytes } of files) {
    const part = path.split("/")[0] ?? path;
    const known = parts.get(part) ?? { files: 0, bytes: 0 };
    parts.set(part, { files: known.files + 1, bytes: known.bytes + bytes });
  }
  return table([...parts].map(([part, { files: count, bytes }]) => [part, `${count} ${count === 1 ? "file" : "files"}`, size(bytes)]), "  ");
}

function gaps(list: readonly Gap[]): string {
  if (list.length === 0) return "Nothing is missing.\n";
  return `Missing:\n${table(list.map(({ kind, server, name, reason }) => [kind, server ?? "", name, reason]), "  ")}`;
}

export function renderSaved({ folder, inventory, removed, fingerprint, seconds }: Saved, style: Terminal["style"]): string {
  const made = inventory.gaps.length === 0 ? style("green", "A whole set") : style("yellow", "A set with gaps");
  const old = removed.length === 0 ? "" : `Older sets that made room: ${removed.join(", ")}.\n`;
  const times = `Time: ${seconds.map(({ part, seconds: took }) => `${part} ${took.toFixed(1)} s`).join(", ")}.\n`;
  return `${made} is in ${folder}\n${contents(inventory)}${gaps(inventory.gaps)}${old}${times}Signed by ${fingerprint}. Keep that beside the passphrase: without the passphrase the set cannot be used.\n`;
}

export function renderVerified({ folder, inventory, keys }: VerifiedSet): string {
  return `${folder} is what was saved at ${inventory.createdAt}, signed by ${keys.fingerprint}.\n${contents(inventory)}${gaps(inventory.gaps)}`;
}

export function renderRebuilt({ ok, servers, hosts, kept, notInSet, seconds, starts }: Rebuilt, style: Terminal["style"]): string {
  const rows = phases.flatMap((phase) => (seconds[phase] === undefined ? [] : [[phase, `${seconds[phase].toFixed(1)} s`]]));
  const sum = Object.values(seconds).reduce((total, each) => total + each, 0);
  const stayed = kept.length === 0 ? "" : `Stayed as they were, for they differ from what was saved:\n${kept.map((file) => `  ${file}\n`).join("")}`;
  const asked = notInSet.length === 0 ? "" : `Asked for and not in the set:\n${notInSet.map((address) => `  ${address}\n`).join("")}`;
  const again = starts === 1 ? "" : `, in ${starts} starts`;
  return `${renderHostReport(hosts, style)}${stayed}${asked}${table([...rows, ["all", `${sum.toFixed(1)} s${again}`]], "  ")}${ok ? style("green", "Rebuilt") : style("red", "Not as wanted")}: ${servers.join(", ")}.\n`;
}
