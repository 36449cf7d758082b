import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WrongPassphrase } from "../../../engine/state/secrets";
import { hashFile, walk } from "./hash";
import { KeysUnreadable, SetKeys } from "./keys";
import { inventorySchema, setFiles, type Gap, type GapKind, type Inventory } from "./set";

/** A set that was found to be what was saved. */
export interface VerifiedSet {
  folder: string;
  inventory: Inventory;
  keys: SetKeys;
  /** SHA-256 of the inventory: names this set and no other. */
  sha256: string;
}

/** A set that was changed, damaged or is another one: every problem with it. */
export class SetRefused extends Error {
  constructor(
    readonly folder: string,
    readonly problems: readonly string[],
  ) {
    super(`${folder} is not a whole set:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
  }
}

/**
 * Reads a whole set and compares it with its signed inventory.
 * @throws SetRefused with all problems at once: a wrong signature first, then each file that is missing, changed or not listed.
 * @throws WrongPassphrase where the keys file does not open.
 */
export async function verifySet(folder: string, environment: string, passphrase: string, options: { onFile?: (path: string, done: number, total: number) => void; signal?: AbortSignal } = {}): Promise<VerifiedSet> {
  const keys = await openKeys(folder, passphrase);
  const bytes = await read(folder, setFiles.inventory);
  const signature = (await read(folder, setFiles.signature)).toString("utf8");
  if (!keys.verifies(bytes, signature)) throw new SetRefused(folder, [`${setFiles.inventory} is not what was signed: it was changed, or it is of another set than ${setFiles.keys}`]);
  const inventory = inventorySchema.parse(JSON.parse(bytes.toString("utf8")));
  const problems = await differences(folder, inventory, options);
  if (inventory.environment !== environment) problems.unshift(`it is a set of ${inventory.environment}, not of ${environment}`);
  if (problems.length > 0) throw new SetRefused(folder, problems);
  return { folder, inventory, keys, sha256: (await hashFile(join(folder, setFiles.inventory))).sha256 };
}

async function read(folder: string, name: string): Promise<Buffer> {
  try {
    return await readFile(join(folder, name));
  } catch (error) {
    throw new SetRefused(folder, [`${name} cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"})`]);
  }
}

async function openKeys(folder: string, passphrase: string): Promise<SetKeys> {
  const text = (await read(folder, setFiles.keys)).toString("utf8");
  try {
    return await SetKeys.open(text, passphrase);
  } catch (error) {
    if (error instanceof KeysUnreadable) throw new SetRefused(folder, [`${setFiles.keys}: ${error.message}`]);
    if (error instanceof WrongPassphrase) throw new WrongSetPassphrase(folder);
    throw error;
  }
}

export class WrongSetPassphrase extends Error {
  constructor(folder: string) {
    super(`the passphrase does not open ${join(folder, setFiles.keys)}: give the one that the set was saved under in PULUMI_CONFIG_PASSPHRASE. If it is that one, the file was changed.`);
  }
}

async function differences(folder: string, inventory: Inventory, { onFile, signal }: { onFile?: (path: string, done: number, total: number) => void; signal?: AbortSignal }): Promise<string[]> {
  const problems: string[] = [];
  const { files, others } = await walk(folder);
  const present = new Set(files);
  for (const [index, { path, bytes, sha256 }] of inventory.files.entries()) {
    signal?.throwIfAborted();
    onFile?.(path, index, inventory.files.length);
    if (!present.delete(path)) {
      problems.push(`${path} is missing`);
      continue;
    }
    const found = await hashFile(join(folder, path), signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      return (error as NodeJS.ErrnoException).code ?? "error";
    });
    if (typeof found === "string") problems.push(`${path} cannot be read (${found})`);
    else if (found.bytes !== bytes) problems.push(`${path} has ${found.bytes} bytes, ${bytes} were saved`);
    else if (found.sha256 !== sha256) problems.push(`${path} was changed: its SHA-256 is ${found.sha256.slice(0, 12)}…, saved was ${sha256.slice(0, 12)}…`);
  }
  present.delete(setFiles.inventory);
  present.delete(setFiles.signature);
  for (const path of [...present, ...others].sort()) problems.push(`${path} is in no inventory`);
  return problems;
}

/** What of a set's gaps stands in the way of servers. */
export function gapsThatMatter(inventory: Inventory, servers: readonly string[], without: ReadonlySet<GapKind>): Gap[] {
  return inventory.gaps.filter(({ kind, server }) => !without.has(kind) && (server === undefined || servers.includes(server)));
}
