import { randomUUID } from "node:crypto";
import { existsSync, linkSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

interface Holder {
  pid: number;
  /** Clock ticks after boot at which the process started: a pid alone may have been given to another process. */
  started: string;
  since: string;
}

export class Locked extends Error {}

/** Start time of a process as the kernel counts it; empty where the kernel does not tell; undefined when it is gone. */
function startTime(pid: number): string | undefined {
  if (existsSync("/proc/self/stat")) {
    try {
      const stat = readFileSync(`/proc/${String(pid)}/stat`, "utf8");
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    } catch {
      return undefined;
    }
  }
  try {
    process.kill(pid, 0);
    return "";
  } catch {
    return undefined;
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Holder;
  } catch {
    return undefined;
  }
}

function refuse(holder: Holder | undefined, path: string): Locked {
  const who = holder === undefined ? "another process" : `process ${String(holder.pid)}, since ${holder.since},`;
  return new Locked(`${who} is changing this stack; wait until it is done, or stop it and run again (lock file ${path})`);
}

/**
 * Makes this process the only one to change a stack. The lock of a process that is gone is taken over.
 * @returns the function that gives the lock back, and a note when one was taken over
 * @throws Locked naming the holder
 */
export function acquireLock(path: string): { release: () => void; note?: string } {
  const own = `${path}.${randomUUID()}`;
  const aside = `${own}.stale`;
  const holder: Holder = { pid: process.pid, started: startTime(process.pid) ?? "", since: new Date().toISOString() };
  writeFileSync(own, JSON.stringify(holder), { mode: 0o600 });
  const release = (): void => {
    rmSync(path, { force: true });
  };
  removeAbandoned(path);
  try {
    if (link(own, path)) return { release };
    const other = readHolder(path);
    if (other !== undefined && startTime(other.pid) === other.started) throw refuse(other, path);
    // Moved aside rather than removed: of two processes that both found the stale lock, the second finds the first's.
    renameSync(path, aside);
    const moved = readHolder(aside);
    if (moved !== undefined && moved.pid !== other?.pid) {
      link(aside, path);
      throw refuse(moved, path);
    }
    if (!link(own, path)) throw refuse(readHolder(path), path);
    const note = `the lock of process ${String(other?.pid ?? "unknown")}, which is no longer alive, was taken over`;
    return { release, note };
  } catch (error) {
    if (isCode(error, "ENOENT")) throw refuse(undefined, path);
    throw error;
  } finally {
    rmSync(own, { force: true });
    rmSync(aside, { force: true });
  }
}

/** Removes what processes that were killed while they asked for the lock have left beside it. */
function removeAbandoned(path: string): void {
  const leftover = /^\.[0-9a-f-]{36}(\.stale)?$/;
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(basename(path)) || !leftover.test(name.slice(basename(path).length))) continue;
    const file = join(dirname(path), name);
    const holder = readHolder(file);
    if (holder === undefined || startTime(holder.pid) !== holder.started) rmSync(file, { force: true });
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (isCode(error, "EEXIST")) return false;
    throw error;
  }
}
