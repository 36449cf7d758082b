import { z } from "zod";

/** Names of the files that every set has, relative to its folder. */
export const setFiles = {
  inventory: "inventory.json",
  /** Ed25519 over the inventory's bytes, in base64. */
  signature: "inventory.sig",
  keys: "keys.json",
  environment: "environment.yaml",
  state: "state.json",
  project: "project.tar.gz",
  start: "start.sh",
  /** Downloads of the servers by address: `mirror/<scheme>/<host>/<path>`. */
  mirror: "mirror",
  images: "images",
  servers: "servers",
} as const;

/** What a set may lack. */
export const gapKinds = ["project", "state", "package", "host-key", "k3s", "image", "manifest", "data"] as const;
export type GapKind = (typeof gapKinds)[number];

const gap = z.strictObject({
  kind: z.enum(gapKinds),
  /** Server that lacks it; absent where it concerns the whole site. */
  server: z.string().optional(),
  name: z.string(),
  reason: z.string(),
});

const file = z.strictObject({
  /** Below the set's folder, with forward slashes. */
  path: z.string().regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$))[^\0\n]+$/),
  bytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/** What a set holds and what it lacks; the signature is over its bytes as they are written. */
export const inventorySchema = z.strictObject({
  format: z.literal(1),
  environment: z.string(),
  /** Name of the set's folder: the time at which it was begun. */
  generation: z.string(),
  createdAt: z.iso.datetime(),
  /** Version of the program that made it, and the commit of its sources where that is known. */
  madeBy: z.strictObject({ version: z.string(), commit: z.string().optional() }),
  servers: z.array(z.strictObject({ name: z.string(), hostKey: z.string(), packages: z.array(z.strictObject({ name: z.string(), version: z.string() })) })),
  files: z.array(file),
  gaps: z.array(gap),
});

export type Inventory = z.output<typeof inventorySchema>;
export type InventoryFile = Inventory["files"][number];
export type Gap = Inventory["gaps"][number];

/** Folder of one server's own files in a set. */
export function serverFolder(server: string): string {
  return `${setFiles.servers}/${server}`;
}

const generationPattern = /^\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z$/;

/**
 * Name of a set that is begun now: sorts by time.
 * @example "2026-11-26T07-30-00Z"
 */
export function generationName(now: Date): string {
  return now.toISOString().replace(/\.\d+Z$/, "Z").replaceAll(":", "-");
}

export function isGeneration(name: string): boolean {
  return generationPattern.test(name);
}
