import { createWriteStream, existsSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Readable } from "node:stream";
import { hashFile, walk } from "./hash";
import type { SetKeys } from "./keys";
import { generationName, isGeneration, setFiles, type Gap, type Inventory } from "./set";

const unfinished = ".unfinished-";

/** A set that is being written: beside the finished ones, under a name that no reader takes for one. */
export class SetWriter {
  readonly gaps: Gap[] = [];
  readonly servers: Inventory["servers"] = [];

  private constructor(
    /** Folder of all sets of the environment. */
    private readonly home: string,
    readonly generation: string,
    /** Where files go until the set is whole. */
    readonly folder: string,
    private readonly keys: SetKeys,
  ) {}

  /** Begins a set below `home`, and removes what runs that were cut off have left there. Hold the home's lock meanwhile. */
  static async begin(home: string, keys: SetKeys, now: Date): Promise<SetWriter> {
    await mkdir(home, { recursive: true });
    for (const name of await readdir(home)) if (name.startsWith(unfinished)) await rm(join(home, name), { recursive: true, force: true });
    const generation = generationName(now);
    if (existsSync(join(home, generation))) throw new Error(`there is a set ${generation} already`);
    const folder = join(home, `${unfinished}${generation}`);
    await mkdir(folder, { mode: 0o700 });
    const writer = new SetWriter(home, generation, folder, keys);
    await writer.text(setFiles.keys, keys.text);
    return writer;
  }

  async text(path: string, content: string | Buffer): Promise<void> {
    const file = await this.place(path);
    await writeFile(file, content, { mode: 0o600 });
  }

  /** A secret: what lies in the set is of use to nobody without the passphrase. */
  async sealed(path: string, content: Buffer): Promise<void> {
    await this.text(path, this.keys.seal(content));
  }

  async stream(path: string, from: Readable): Promise<void> {
    await pipeline(from, createWriteStream(await this.place(path), { mode: 0o600 }));
  }

  /** Path of a file or folder of the set, whose parent is there. */
  async place(path: string): Promise<string> {
    const file = join(this.folder, path);
    await mkdir(dirname(file), { recursive: true });
    return file;
  }

  /**
   * Writes and signs the inventory, brings everything to the disk, gives the set its name, and removes the oldest sets
   * beyond `keep`. Until the name is given the earlier sets are the newest, whatever happens.
   */
  async finish(facts: Pick<Inventory, "environment" | "createdAt" | "madeBy">, keep: number, signal?: AbortSignal): Promise<{ folder: string; inventory: Inventory; removed: string[] }> {
    const { files, others } = await walk(this.folder);
    if (others.length > 0) throw new Error(`the set would hold what is no file: ${others.join(", ")}`);
    const listed: Inventory["files"] = [];
    for (const path of files) {
      signal?.throwIfAborted();
      listed.push({ path, ...(await hashFile(join(this.folder, path), signal)) });
      await sync(join(this.folder, path));
    }
    const servers = [...this.servers].sort((a, b) => a.name.localeCompare(b.name));
    const inventory: Inventory = { format: 1, environment: facts.environment, generation: this.generation, createdAt: facts.createdAt, madeBy: facts.madeBy, servers, files: listed, gaps: this.gaps };
    const bytes = Buffer.from(`${JSON.stringify(inventory, null, 2)}\n`);
    for (const [path, content] of [[setFiles.inventory, bytes], [setFiles.signature, this.keys.sign(bytes)]] as const) {
      await this.text(path, content);
      await sync(join(this.folder, path));
    }
    signal?.throwIfAborted();
    const folder = join(this.home, this.generation);
    await rename(this.folder, folder);
    await sync(this.home);
    return { folder, inventory, removed: await prune(this.home, keep) };
  }

  /** Gives up: nothing of the set is left. */
  async discard(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Finished sets below a home, oldest first. */
export async function generations(home: string): Promise<string[]> {
  return existsSync(home) ? (await readdir(home)).filter(isGeneration).sort() : [];
}

async function prune(home: string, keep: number): Promise<string[]> {
  const old = (await generations(home)).slice(0, -keep);
  for (const name of old) {
    // Renamed first: half a set under its own name would be taken for a damaged one.
    const aside = join(home, `${unfinished}${name}`);
    await rename(join(home, name), aside);
    await rm(aside, { recursive: true, force: true });
  }
  return old;
}
