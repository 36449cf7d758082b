import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { CliError, exitCodes } from "../exit";

/** Phases of a rebuild, in their order. */
export const phases = ["verify", "reach", "host keys", "packages", "arrays", "data", "steps", "check"] as const;
export type Phase = (typeof phases)[number];

/** What a rebuild has done so far. Every phase finds by itself what is left to do; this says which set and servers it is about, and what took how long. */
export interface Journal {
  environment: string;
  /** SHA-256 of the set's inventory. */
  inventory: string;
  generation: string;
  /** Servers that are made again. */
  servers: string[];
  startedAt: string;
  /** How often it was started. */
  starts: number;
  /** Seconds by phase, all starts together; a phase that was cut off counts from its start to the next one's only where it ended. */
  seconds: Partial<Record<Phase, number>>;
  /** When the check at the end found nothing. */
  finishedAt?: string;
}

/** Reads a journal that was left behind; undefined where there is none or where it says that all was done. */
export function unfinishedJournal(file: string): Journal | undefined {
  if (!existsSync(file)) return undefined;
  const journal = JSON.parse(readFileSync(file, "utf8")) as Journal;
  return journal.finishedAt === undefined ? journal : undefined;
}

/**
 * The journal of a start: goes on with the one that is there, or begins a new one.
 * @throws CliError where another set is being put back already.
 */
export function openJournal(file: string, about: Pick<Journal, "environment" | "inventory" | "generation">, now: Date): Journal {
  const before = unfinishedJournal(file);
  if (before === undefined) return { ...about, servers: [], startedAt: now.toISOString(), starts: 1, seconds: {} };
  if (before.inventory !== about.inventory) {
    throw new CliError(`a cold start of ${about.environment} from the set ${before.generation} has begun and is not done: go on with that set, or remove ${file} to begin anew with ${about.generation}.`, exitCodes.badInput);
  }
  return { ...before, starts: before.starts + 1 };
}

/** Replaces the file at once, so that there is always a whole one. */
export function writeJournal(file: string, journal: Journal): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const handle = openSync(`${file}.new`, "w", 0o600);
  try {
    writeFileSync(handle, `${JSON.stringify(journal, null, 2)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(`${file}.new`, file);
}
