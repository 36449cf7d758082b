import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { CliError, exitCodes } from "./exit";

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "unknown error";

function bad(flag: string, file: string, problem: string): CliError {
  return new CliError(`${flag}: ${file} ${problem}`, exitCodes.badInput);
}

/**
 * Whether a file can be written at this place, asked before long work. A device or a folder is never replaced.
 * @returns the file itself, where the name is a link to it
 * @throws CliError with exit code 2
 */
export function writableFile(flag: string, file: string): string {
  const folder = path.dirname(path.resolve(file));
  const kind = statSync(file, { throwIfNoEntry: false });
  if (kind?.isDirectory() === true || file.endsWith(path.sep)) throw bad(flag, file, "is a folder. Name a file in it.");
  if (kind !== undefined && !kind.isFile()) throw bad(flag, file, "is no ordinary file and is not replaced. Name another, or write - for the standard output.");
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw bad(flag, file, `cannot be written: there is no folder ${folder}.`);
  return kind === undefined ? path.resolve(file) : realpathSync(file);
}

/**
 * Writes a file as a whole or not at all: what was there stays until the new one is complete.
 * @throws CliError with exit code 2 where it cannot be written
 */
export function replaceFile(flag: string, file: string, text: string): void {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(6).toString("hex")}`);
  try {
    const handle = openSync(temporary, "wx");
    try {
      writeFileSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw bad(flag, file, `cannot be written (${codeOf(error)}).`);
  }
}
