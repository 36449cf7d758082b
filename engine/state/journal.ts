import { existsSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { RawOperation, RawResource } from "./checkpoint";
import { ResourceList } from "./resource-list";

/** One line of the journal: what a step did to the list of resources. */
export type Entry =
  | { kind: "header"; base: string }
  | { kind: "salt"; salt: string }
  | { kind: "put"; resource: RawResource; over?: string }
  | { kind: "remove"; key: string }
  | { kind: "rename"; from: string; to: string }
  | { kind: "begin"; step: number; operation: RawOperation }
  | { kind: "end"; step: number }
  | { kind: "folded"; state: string };

/**
 * Every step of a run, appended and synced as it happens: rewriting the whole state for each step would cost more than
 * the steps. Entries wait in memory until `commit`, which many steps share.
 */
export class Journal {
  private waiting: string[] = [];
  private flush: Promise<void> | undefined;

  private constructor(private readonly file: FileHandle) {}

  /** Begins a new journal on top of the state whose hash is `base`. */
  static async create(path: string, base: string): Promise<Journal> {
    const journal = new Journal(await open(path, "w", 0o600));
    journal.append({ kind: "header", base });
    await journal.commit();
    return journal;
  }

  append(entry: Entry): void {
    this.waiting.push(JSON.stringify(entry));
  }

  /** Resolves when everything appended so far would survive the loss of power. */
  async commit(): Promise<void> {
    while (this.flush !== undefined) await this.flush;
    if (this.waiting.length === 0) return;
    this.flush = this.write().finally(() => {
      this.flush = undefined;
    });
    await this.flush;
  }

  private async write(): Promise<void> {
    const lines = this.waiting;
    this.waiting = [];
    await this.file.appendFile(`${lines.join("\n")}\n`);
    await this.file.datasync();
  }

  async close(): Promise<void> {
    await this.commit();
    await this.file.close();
  }
}

/** Entries of a journal that a run left behind, without a last line that was cut off in the middle of writing. */
export function readJournal(path: string): Entry[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  lines.pop();
  return lines.map((line, i) => {
    try {
      return JSON.parse(line) as Entry;
    } catch {
      throw new Error(`${path}:${String(i + 1)} cannot be read; move the file away to go on from the state as it was before that run`);
    }
  });
}

/** The state after the steps of a journal. Steps that began and did not end are the pending operations. */
export function replay(
  entries: Entry[],
  resources: RawResource[],
  pending: RawOperation[],
): { resources: RawResource[]; pending: RawOperation[] } {
  const list = new ResourceList(resources);
  const begun = new Map<number, RawOperation>();
  for (const entry of entries) {
    if (entry.kind === "put") list.put(entry.resource, entry.over);
    else if (entry.kind === "remove") list.remove(entry.key);
    else if (entry.kind === "rename") list.rename(entry.from, entry.to);
    else if (entry.kind === "begin") begun.set(entry.step, entry.operation);
    else if (entry.kind === "end") begun.delete(entry.step);
  }
  return { resources: list.sorted(), pending: [...pending, ...begun.values()] };
}
