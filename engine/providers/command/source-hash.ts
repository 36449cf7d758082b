import { readdir, stat } from "node:fs/promises";
import { join, posix, resolve } from "node:path";
import { Archive, Asset, Secret } from "../../values";
import type { PropertyMap, Value } from "../../values";
import { hashOfFile, hashOfFiles } from "./archive-hash";
import type { ArchiveMember } from "./archive-hash";
import { inByteOrder } from "./files";

const PACKED = [".tar", ".tgz", ".tar.gz", ".zip", ".jar"];

/** Pulumi's own folder, which is never part of an archive. */
const BOOKKEEPING = ".pulumi";

function isPacked(path: string): boolean {
  return PACKED.some((ending) => path.endsWith(ending));
}

async function membersOfFolder(folder: string, under = ""): Promise<ArchiveMember[]> {
  const entries = await readdir(join(folder, under), { withFileTypes: true });
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const members: ArchiveMember[] = [];
  for (const name of inByteOrder([...byName.keys()])) {
    if (name === BOOKKEEPING) continue;
    const path = join(folder, under, name);
    const entry = byName.get(name);
    if (entry?.isDirectory() === true) members.push(...(await membersOfFolder(folder, posix.join(under, name))));
    else if (entry?.isSymbolicLink() !== true || !(await stat(path)).isDirectory()) {
      members.push({ name: posix.join(under, name), content: { path } });
    }
  }
  return members;
}

async function membersOfPath(path: string): Promise<ArchiveMember[]> {
  if (!(await stat(path)).isDirectory()) throw new Error(`'${path}' is neither a recognized archive type nor a directory`);
  return membersOfFolder(path);
}

async function membersOf(assets: PropertyMap, programDir: string): Promise<ArchiveMember[]> {
  const members: ArchiveMember[] = [];
  for (const name of inByteOrder(Object.keys(assets))) {
    const item = assets[name];
    if (item instanceof Asset) members.push({ name, content: contentOf(item, programDir) });
    else if (item instanceof Archive) {
      const inner = await membersOfArchive(item, programDir);
      members.push(...inner.map((member) => ({ ...member, name: posix.join(name, member.name) })));
    }
  }
  return members;
}

async function membersOfArchive(archive: Archive, programDir: string): Promise<ArchiveMember[]> {
  const { source } = archive;
  if ("assets" in source) return membersOf(source.assets, programDir);
  if ("path" in source && !isPacked(source.path)) return membersOfPath(resolve(programDir, source.path));
  const what = "path" in source ? source.path : source.uri;
  throw new Error(`${what} lies packed inside another archive, which the embedded engine does not open; unpack it first`);
}

function contentOf(asset: Asset, programDir: string): ArchiveMember["content"] {
  if ("text" in asset.source) return asset.source;
  if ("path" in asset.source) return { path: resolve(programDir, asset.source.path) };
  throw new Error(`${asset.source.uri}: the embedded engine fetches nothing from the network; use a file of this machine`);
}

async function hashOfArchive(archive: Archive, programDir: string): Promise<string> {
  if ("path" in archive.source && isPacked(archive.source.path)) {
    return hashOfFile({ path: resolve(programDir, archive.source.path) });
  }
  return hashOfFiles(await membersOfArchive(archive, programDir));
}

/**
 * Gives an asset or archive its hash where it has none yet, as Pulumi's engine does with what a program
 * sends. Relative paths start from the program's folder.
 *
 * @throws Error where a file or folder is missing or cannot be read.
 */
export async function withHashes(value: Value, programDir: string): Promise<Value> {
  if (value instanceof Secret) {
    const inner = await withHashes(value.value, programDir);
    return inner === value.value ? value : new Secret(inner);
  }
  if (value instanceof Asset) {
    return value.hash === "" ? new Asset(await hashOfFile(contentOf(value, programDir)), value.source) : value;
  }
  if (value instanceof Archive) {
    return value.hash === "" ? new Archive(await hashOfArchive(value, programDir), value.source) : value;
  }
  return value;
}
