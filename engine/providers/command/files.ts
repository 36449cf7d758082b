import { readFile, readdir } from "node:fs/promises";
import { createHash } from "node:crypto";
import { posix } from "node:path";
import { Archive, Asset } from "../../values";
import type { Value } from "../../values";
import { selectPaths } from "./glob";
import { hashOfFiles } from "./archive-hash";

async function listFiles(directory: string, under = ""): Promise<string[]> {
  const entries = await readdir(posix.join(directory, under), { withFileTypes: true });
  const nested = await Promise.all(
    entries.map((entry) => {
      const path = posix.join(under, entry.name);
      return entry.isDirectory() ? listFiles(directory, path) : [path];
    }),
  );
  return nested.flat();
}

async function readAssets(directory: string, shownDirectory: string, patterns: string[]): Promise<Record<string, Asset>> {
  const selected = selectPaths(patterns, (await listFiles(directory)).sort());
  const assets: Record<string, Asset> = {};
  for (const path of selected) {
    const hash = createHash("sha256").update(await readFile(posix.join(directory, path))).digest("hex");
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
    const hash = await hashOfFiles(Object.keys(assets).map((name) => ({ name, path: posix.join(directory, name) })));
    outputs["archive"] = new Archive(hash, { assets });
  }
  return outputs;
}
