import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from "node:fs";
import * as path from "node:path";

/** Replaces a file at once, so that there is always a whole one. What a run that was cut off has left beside it is written over. */
export function writeWhole(file: string, content: string | Buffer, mode: number): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const handle = openSync(`${file}.new`, "w", mode);
  try {
    writeFileSync(handle, content);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(`${file}.new`, file);
}
