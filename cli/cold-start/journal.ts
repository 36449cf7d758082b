import { existsSync, readFileSync } from "node:fs";
import { CliError, exitCodes } from "../exit";
import { writeWhole } from "./whole-file";

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
  /** Whether the state is that of the new servers: from here on it tells what has been made on them. */
  stateTaken?: boolean;
  /** How often it was started. */
  starts: number;
  /** Seconds by phase, all starts together; a phase that was cut off counts from its start to the next one's only where it ended. */
  seconds: Partial<Record<Phase, number>>;
  /** When the check at the end found nothing. */
  finishedAt?: string;
}

/** Reads a journal that was left behind; undefined where there is none or where it says that all was done. */
export function unfinishedJournal(file: string): Journal | undefined {
  const journal = readJournal(file);
  return journal?.finishedAt === undefined ? journal : undefined;
}

/** The journal of the last rebuild, where that was from this set and came to its end. */
export function finishedJournal(file: string, inventory: string): Journal | undefined {
  const journal = readJournal(file);
  return journal?.finishedAt !== undefined && journal.inventory === inventory ? journal : undefined;
}

function readJournal(file: string): Journal | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Journal) : undefined;
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

export function writeJournal(file: string, journal: Journal): void {
  writeWhole(file, `${JSON.stringify(journal, null, 2)}\n`, 0o600);
}
