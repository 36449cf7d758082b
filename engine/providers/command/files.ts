import { readdir } from "node:fs/promises";
import { posix } from "node:path";
import { Archive, Asset } from "../../values";
import type { Value } from "../../values";
import { selectPaths } from "./glob";
import { hashOfFile, hashOfFiles } from "./archive-hash";

async function listFiles(directory: string, under = ""): Promise<string[]> {
  const entries = await readdir(posix.join(directory, under), { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries) {
    const path = posix.join(under, entry.name);
    if (entry.isDirectory()) files.push(...(await listFiles(directory, path)));
    else files.push(path);
  }
  return files;
}

/** The order in which Pulumi writes names. */
export function inByteOrder(names: string[]): string[] {
  return [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

async function readAssets(directory: string, shownDirectory: string, patterns: string[]): Promise<Record<string, Asset>> {
  const selected = selectPaths(patterns, inByteOrder(await listFiles(directory)));
  const assets: Record<string, Asset> = {};
  for (const path of selected) {
    const hash = await hashOfFile({ path: posix.join(directory, path) });
    assets[path] = new Asset(hash, { path: posix.join(shownDirectory, path) });
  }
  return assets;
}

/**
 * The files that a command left and that `assetPaths` and `archivePaths` ask for.
 *
 * @param directory where they are; @param shownDirectory the same as the user named it, which the state keeps.
 */
export async function collectFiles(
  directory: string,
  shownDirectory: string,
  wanted: { assetPaths?: string[] | undefined; archivePaths?: string[] | undefined },
): Promise<Record<string, Value>> {
  const outputs: Record<string, Value> = {};
  if (wanted.assetPaths !== undefined) outputs["assets"] = await readAssets(directory, shownDirectory, wanted.assetPaths);
  if (wanted.archivePaths !== undefined) {
    const assets = await readAssets(directory, shownDirectory, wanted.archivePaths);
    const members = Object.keys(assets).map((name) => ({ name, content: { path: posix.join(directory, name) } }));
    const hash = await hashOfFiles(members);
    outputs["archive"] = new Archive(hash, { assets });
  }
  return outputs;
}
