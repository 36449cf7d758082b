import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";

/** SHA-256 and length of a file, read once. */
export async function hashFile(file: string, signal?: AbortSignal): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20, ...(signal === undefined ? {} : { signal }) })) {
    const part = chunk as Buffer;
    bytes += part.length;
    hash.update(part);
  }
  return { bytes, sha256: hash.digest("hex") };
}

export interface Walked {
  /** Regular files below the folder, relative, with forward slashes, sorted. */
  files: string[];
  /** What is neither a file nor a folder, such as a link. */
  others: string[];
}

/** Everything below a folder. Links are not followed. */
export async function walk(folder: string): Promise<Walked> {
  const files: string[] = [];
  const others: string[] = [];
  for (const entry of await readdir(folder, { recursive: true })) {
    const found = await lstat(join(folder, entry));
    const path = relative(folder, join(folder, entry)).split(sep).join("/");
    if (found.isFile()) files.push(path);
    else if (!found.isDirectory()) others.push(path);
  }
  return { files: files.sort(), others: others.sort() };
}
