import { createHash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { OperationType, ResourceState, Snapshot } from "../model";
import { makeDeployment, parseStack, printStack, readResource, writeOperation, writeResource } from "./checkpoint";
import type { RawDeployment, RawOperation, RawResource } from "./checkpoint";
import { Journal, readJournal, replay } from "./journal";
import type { Entry } from "./journal";
import { acquireLock } from "./lock";
import { keyOf, ResourceList } from "./resource-list";
import { Crypter, PassphraseNeeded, StateSecrets } from "./secrets";

const EMPTY = "";

export interface LoadedState {
  resources: RawResource[];
  pending: RawOperation[];
  salt?: string;
  /** Notes for the user, such as a run that was cut off. */
  notes: string[];
  hash: string;
  /** The journal held steps that are not in the state file yet. */
  recovered: boolean;
}

export function journalFile(stateFile: string): string {
  return `${stateFile}.journal`;
}

function hashOf(text: string): string {
  return text === EMPTY ? EMPTY : createHash("sha256").update(text).digest("hex");
}

/** Reads the state and the steps of a run that was cut off, without changing either. */
export function loadState(stateFile: string): LoadedState {
  const text = existsSync(stateFile) ? readFileSync(stateFile, "utf8") : EMPTY;
  const hash = hashOf(text);
  const deployment = text === EMPTY ? undefined : parseStack(text, stateFile);
  const loaded: LoadedState = {
    resources: deployment?.resources ?? [],
    pending: deployment?.pending_operations ?? [],
    notes: [],
    hash,
    recovered: false,
  };
  const salt = deployment?.secrets_providers?.state?.salt;
  if (salt !== undefined) loaded.salt = salt;
  const journal = journalFile(stateFile);
  const entries = readJournal(journal);
  const header = entries[0];
  if (header?.kind !== "header") return loaded;
  if (entries.some((entry) => entry.kind === "folded" && entry.state === hash)) return loaded;
  if (header.base !== hash) {
    throw new Error(
      `${stateFile} was changed after a run was cut off, and the steps of that run are in ${journal}: put the state file back as it was, or move the journal away to give up those steps`,
    );
  }
  const saltEntry = entries.find((entry) => entry.kind === "salt");
  if (saltEntry !== undefined && loaded.salt === undefined) loaded.salt = saltEntry.salt;
  const after = replay(entries, loaded.resources, loaded.pending);
  return { ...loaded, ...after, recovered: entries.length > 1 };
}

export interface StoreOptions {
  stateFile: string;
  passphrase?: string;
  /** The salt of the stack's configuration, so that state and configuration share one key. */
  encryptionSalt?: string;
}

async function openSecrets(options: StoreOptions, salt: string | undefined, writing: boolean): Promise<Crypter | undefined> {
  const wanted = salt ?? options.encryptionSalt;
  if (options.passphrase === undefined || (wanted === undefined && !writing)) return undefined;
  return Crypter.open(options.passphrase, wanted);
}

function readSnapshot(loaded: LoadedState, secrets: StateSecrets): Snapshot {
  return {
    resources: loaded.resources.map((raw) => readResource(raw, secrets)),
    pendingOperations: loaded.pending.map(({ resource, type }) => ({ resource: readResource(resource, secrets), type })),
  };
}

/** The state for a preview: nothing is locked, nothing is written, and no passphrase is needed. */
export async function peekState(options: StoreOptions): Promise<{ snapshot: Snapshot; notes: string[] }> {
  const loaded = loadState(options.stateFile);
  const secrets = new StateSecrets(await openSecrets(options, loaded.salt, false));
  return { snapshot: readSnapshot(loaded, secrets), notes: loaded.notes };
}

/** The state while a run changes it. Each change is on disk before the promise that reports it resolves. */
export class StateStore {
  private readonly list: ResourceList<ResourceState>;
  private readonly begun = new Map<number, RawOperation>();
  private steps = 0;
  private changed: boolean;

  private constructor(
    private readonly stateFile: string,
    readonly snapshot: Snapshot,
    readonly notes: string[],
    private readonly salt: string | undefined,
    private readonly secrets: StateSecrets,
    private readonly journal: Journal,
    private readonly release: () => void,
    changed: boolean,
  ) {
    this.list = new ResourceList(snapshot.resources);
    this.changed = changed;
  }

  /**
   * Locks the stack, brings in the steps of a run that was cut off, and begins a new journal.
   * @throws Locked, WrongPassphrase, PassphraseNeeded or Error for a state that cannot be read
   */
  static async open(options: StoreOptions): Promise<StateStore> {
    mkdirSync(dirname(options.stateFile), { recursive: true });
    const lock = acquireLock(`${options.stateFile}.lock`);
    try {
      const loaded = loadState(options.stateFile);
      if (loaded.salt !== undefined && options.passphrase === undefined) throw new PassphraseNeeded();
      const crypter = await openSecrets(options, loaded.salt, true);
      const salt = crypter?.salt ?? loaded.salt;
      const notes = lock.note === undefined ? [] : [lock.note];
      let hash = loaded.hash;
      if (loaded.recovered) {
        hash = fold(options.stateFile, makeDeployment(loaded.resources, loaded.pending, salt));
        notes.push("the steps of a run that was cut off were brought into the state");
      }
      const secrets = new StateSecrets(crypter);
      const snapshot = readSnapshot(loaded, secrets);
      const journal = await Journal.create(journalFile(options.stateFile), hash);
      if (salt !== undefined) journal.append({ kind: "salt", salt });
      return new StateStore(
        options.stateFile, snapshot, notes, salt, secrets, journal, lock.release, snapshot.pendingOperations.length > 0,
      );
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Records that a step is about to touch the world. */
  async begin(type: OperationType, resource: ResourceState): Promise<number> {
    const step = this.steps++;
    const operation = writeOperation({ resource, type }, this.secrets);
    this.begun.set(step, operation);
    this.journal.append({ kind: "begin", step, operation });
    await this.journal.commit();
    return step;
  }

  /** Adds or replaces a resource; `over` is the key of one that it takes the place of, such as its old URN. */
  put(resource: ResourceState, over?: string): void {
    this.changed = true;
    this.list.put(resource, over);
    const raw = writeResource(resource, this.secrets);
    this.journal.append(over === undefined ? { kind: "put", resource: raw } : { kind: "put", resource: raw, over });
  }

  /** The resource of one URN goes on under another; what refers to it follows. */
  rename(from: string, to: string): void {
    this.list.rename(from, to);
    this.journal.append({ kind: "rename", from, to });
  }

  remove(resource: ResourceState): void {
    this.changed = true;
    this.list.remove(keyOf(resource));
    this.journal.append({ kind: "remove", key: keyOf(resource) });
  }

  /** Records the end of a step together with all changes made since the last commit. */
  async end(step: number): Promise<void> {
    this.begun.delete(step);
    this.journal.append({ kind: "end", step });
    await this.journal.commit();
  }

  /** Folds the journal into the state file and gives the lock back. Steps still running stay as pending operations. */
  async close(): Promise<void> {
    try {
      if (this.changed) {
        const resources = this.list.sorted().map((resource) => writeResource(resource, this.secrets));
        const deployment = makeDeployment(resources, [...this.begun.values()], this.salt);
        const text = printStack(deployment);
        this.journal.append({ kind: "folded", state: hashOf(text) });
        await this.journal.commit();
        writeText(this.stateFile, text);
      }
      await this.journal.close();
      rmSync(journalFile(this.stateFile), { force: true });
    } finally {
      this.release();
    }
  }
}

/** Brings the journal of a run that was cut off into the state file; being cut off itself at any point does no harm. */
function fold(stateFile: string, deployment: RawDeployment): string {
  const journal = journalFile(stateFile);
  const folded: Entry = { kind: "folded", state: hashOf(printStack(deployment)) };
  writeText(journal, [...readJournal(journal), folded].map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  return writeDurably(stateFile, deployment);
}

function writeDurably(stateFile: string, deployment: RawDeployment): string {
  const text = printStack(deployment);
  writeText(stateFile, text);
  return hashOf(text);
}

/** Replaces a file so that at every instant either the old or the new content is there, complete. */
function writeText(file: string, text: string): void {
  const temporary = `${file}.new`;
  const handle = openSync(temporary, "w", 0o600);
  try {
    writeFileSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(temporary, file);
  const folder = openSync(dirname(file), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The stack as `pulumi stack export` prints it, steps of a run that was cut off included. */
export function exportStack(stateFile: string): string {
  const { resources, pending, salt } = loadState(stateFile);
  return printStack(makeDeployment(resources, pending, salt));
}

/** Replaces the state by an exported stack, under the stack's lock. A journal left by a run that was cut off goes with the old state. */
export function importStack(stateFile: string, text: string): void {
  const deployment = parseStack(text, "the imported stack");
  mkdirSync(dirname(stateFile), { recursive: true });
  const { release } = acquireLock(`${stateFile}.lock`);
  try {
    rmSync(journalFile(stateFile), { force: true });
    writeDurably(stateFile, deployment);
  } finally {
    release();
  }
}
