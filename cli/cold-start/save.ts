import { mkdir } from "node:fs/promises";
import { existsSync, lstatSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { clusterFile, dataFile, planColdStart, sumsFile, type ColdStartServer } from "../../components/recovery/cold-start/plan";
import { KeysUnreadable, SetKeys } from "../../components/recovery/cold-start/keys";
import { serverFolder, setFiles, type Gap, type Inventory } from "../../components/recovery/cold-start/set";
import { generations, SetWriter } from "../../components/recovery/cold-start/writer";
import type { Environment } from "../../components/environment";
import { planServer } from "../../components/servers/plan";
import { ConnectionError, openConnection } from "../../engine/providers/command/ssh";
import { acquireLock } from "../../engine/state/lock";
import { WrongPassphrase } from "../../engine/state/secrets";
import { CliError, exitCodes } from "../exit";
import { sshSettings } from "../hosts";
import { packProject, unpack } from "./archive";
import { ColdStartHost, HostStepFailed } from "./host";
import { startScript } from "./start-script";

const changedWhileRead = 5;
const serversAtOnce = 4;

export interface SaveOptions {
  name: string;
  environment: Environment;
  /** Folder on the cold tier, which exists: sets go to `<root>/<environment>/<generation>`. */
  root: string;
  passphrase: string;
  privateKey: string | undefined;
  environmentFile: Buffer;
  /** As `pulumi stack export` prints it; absent where the environment is not up. */
  state: string | undefined;
  /** Keys file of the newest earlier set, where sets are elsewhere. @default that of the newest one below `root` */
  earlierKeys?: string;
  project: { root: string; version: string; commit?: string };
  /** Copies the images of the cluster into the set; absent where there is no cluster. */
  images?: (writer: SetWriter) => Promise<Gap[]>;
  now: Date;
  doing: (what: string) => void;
  signal?: AbortSignal;
}

export interface Saved {
  folder: string;
  inventory: Inventory;
  /** Sets that made room. */
  removed: string[];
  /** Of the key that signs. */
  fingerprint: string;
  seconds: { part: string; seconds: number }[];
}

/**
 * Saves everything that a rebuild needs into a new set. Nothing of it has its name before it is whole: a run that is cut
 * off, or a full disk, leaves the earlier sets as they were.
 * @throws CliError naming every server that did not answer, or saying that the disk is full.
 */
export async function saveSet(options: SaveOptions): Promise<Saved> {
  const home = path.join(options.root, options.name);
  try {
    await mkdir(home, { recursive: true });
    const { release } = acquireLock(path.join(home, ".lock"));
    try {
      return await write(options, home);
    } finally {
      release();
    }
  } catch (error) {
    if (isFull(error)) throw new CliError(`${options.root} has no room for another set: nothing was kept of it, and the earlier sets are untouched. Make room there, or lower recovery.coldStart.keep.`, exitCodes.finding);
    throw error;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && ((error as NodeJS.ErrnoException).code === "ENOSPC" || (error as NodeJS.ErrnoException).code === "EDQUOT" || error.message.includes("No space left on device"));
}

async function write(options: SaveOptions, home: string): Promise<Saved> {
  const { name, environment, signal, doing } = options;
  const plan = planColdStart(environment);
  const keys = await keysOf(options.earlierKeys ?? (await newestKeys(home)), options.passphrase);
  const writer = await SetWriter.begin(home, keys, options.now);
  const seconds: Saved["seconds"] = [];
  const timed = async <T>(part: string, work: () => Promise<T>): Promise<T> => {
    signal?.throwIfAborted();
    doing(`saving ${part}`);
    const started = Date.now();
    const result = await work();
    seconds.push({ part, seconds: (Date.now() - started) / 1000 });
    return result;
  };
  try {
    await timed("servers", () => saveServers(options, writer, plan.servers));
    await timed("the environment and the project", async () => {
      await writer.text(setFiles.environment, options.environmentFile);
      if (options.state === undefined) writer.gaps.push({ kind: "state", name: "state", reason: "the environment is not up: there is no state of it" });
      else await writer.text(setFiles.state, options.state);
      await writer.text(setFiles.start, startScript(name));
      writer.gaps.push(...projectGaps(options.project.root));
      await packProject(options.project.root, name, await writer.place(setFiles.project), signal);
    });
    if (options.images !== undefined) writer.gaps.push(...(await timed("container images", () => options.images?.(writer) ?? Promise.resolve([]))));
    const { version, commit } = options.project;
    const facts = { environment: name, createdAt: options.now.toISOString(), madeBy: { version, ...(commit === undefined ? {} : { commit }) } };
    const done = await timed("the inventory", () => writer.finish(facts, plan.keep, signal));
    return { ...done, fingerprint: keys.fingerprint, seconds };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** A project whose packages lie elsewhere starts nowhere else. */
function projectGaps(root: string): Gap[] {
  const packages = lstatSync(path.join(root, "node_modules"), { throwIfNoEntry: false });
  return packages?.isDirectory() === true ? [] : [{ kind: "project", name: "node_modules", reason: packages === undefined ? "the project's packages are not installed" : "it is a link to packages that lie elsewhere: install them in the project (npm ci)" }];
}

async function newestKeys(home: string): Promise<string | undefined> {
  const newest = (await generations(home)).at(-1);
  const file = newest === undefined ? undefined : path.join(home, newest, setFiles.keys);
  return file !== undefined && existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/** The keys of the newest earlier set, so that all sets of an environment are signed by one; new ones under a new passphrase. */
async function keysOf(earlier: string | undefined, passphrase: string): Promise<SetKeys> {
  if (earlier !== undefined) {
    try {
      return await SetKeys.open(earlier, passphrase);
    } catch (error) {
      if (!(error instanceof WrongPassphrase || error instanceof KeysUnreadable)) throw error;
    }
  }
  return SetKeys.make(passphrase);
}

async function saveServers(options: SaveOptions, writer: SetWriter, servers: readonly ColdStartServer[]): Promise<void> {
  const waiting = [...servers];
  const problems: { server: string; text: string; unreachable: boolean }[] = [];
  const alone = new OneAtATime();
  const worker = async (): Promise<void> => {
    for (let server = waiting.shift(); server !== undefined; server = waiting.shift()) {
      options.signal?.throwIfAborted();
      options.doing(`saving servers: ${servers.length - waiting.length} of ${servers.length}, ${server.name}`);
      try {
        await saveServer(options, writer, server, alone);
      } catch (error) {
        if (!(error instanceof ConnectionError || error instanceof HostStepFailed)) throw error;
        problems.push({ server: server.name, text: error.message, unreachable: error instanceof ConnectionError });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(serversAtOnce, servers.length) }, worker));
  if (problems.length === 0) return;
  const lines = problems.sort((a, b) => a.server.localeCompare(b.server)).map(({ server, text }) => `  ${server}: ${text}`);
  throw new CliError(`nothing was saved, for these servers could not be:\n${lines.join("\n")}`, problems.some(({ unreachable }) => unreachable) ? exitCodes.unreachable : exitCodes.finding);
}

/** Two servers send the same packages to the same places. */
class OneAtATime {
  private last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.last.then(work, work);
    this.last = mine.catch(() => undefined);
    return mine;
  }
}

async function saveServer({ environment, privateKey, signal }: SaveOptions, writer: SetWriter, server: ColdStartServer, alone: OneAtATime): Promise<void> {
  const { connection: wanted } = planServer(environment, server.name);
  const connection = await openConnection(sshSettings(wanted, privateKey), { signal });
  try {
    const host = new ColdStartHost(server.name, connection, wanted.user, signal);
    const folder = serverFolder(server.name);
    await writer.sealed(`${folder}/host-keys.sealed`, await host.bytes("host-keys"));
    const packages = await savePackages(host, writer, server, alone);
    await saveCluster(host, writer, environment, server, alone);
    await saveManifests(host, writer, server);
    for (const each of server.folders) await saveFolder(host, writer, each);
    writer.servers.push({ name: server.name, hostKey: wanted.hostKey, packages });
  } finally {
    connection.close();
  }
}

async function savePackages(host: ColdStartHost, writer: SetWriter, server: ColdStartServer, alone: OneAtATime): Promise<{ name: string; version: string }[]> {
  const lines = (await host.text("packages", server.packages)).split("\n").filter((line) => line !== "");
  const found = lines.map((line) => {
    const [name = "", version = "", reason = ""] = line.split("\t");
    return { name, version, reason };
  });
  for (const { name, version, reason } of found.filter((each) => each.reason !== "")) {
    writer.gaps.push({ kind: "package", server: server.name, name, reason: version === "" ? reason : `${reason}; ${version} is installed, as part of the system's image` });
  }
  await host.read("collect", [], (from) => alone.run(() => unpack(from, writer.folder)));
  return found.filter(({ version }) => version !== "").map(({ name, version }) => ({ name, version }));
}

/** The files of k3s under the addresses at which servers ask for them. */
async function saveCluster(host: ColdStartHost, writer: SetWriter, environment: Environment, server: ColdStartServer, alone: OneAtATime): Promise<void> {
  if (!server.k3s) return;
  const { k3s } = planServer(environment, server.name);
  const files = await host.bytes("k3s-files");
  const [scheme, address] = (k3s?.files ?? "").split("://");
  if (files.length === 0) writer.gaps.push({ kind: "k3s", server: server.name, name: "k3s's binary and images", reason: "they are not installed on the server as they were verified" });
  else {
    const to = await writer.place(`${setFiles.mirror}/${scheme ?? ""}/${address ?? ""}`);
    await mkdir(to, { recursive: true });
    await alone.run(() => unpack(Readable.from([files]), to));
  }
  if (!server.controlPlane) return;
  const uncopied = (await host.text("k3s-data")).trim();
  const own = await host.bytes("k3s");
  if (uncopied !== "") writer.gaps.push({ kind: "k3s", server: server.name, name: "the cluster's data", reason: uncopied });
  if (own.length === 0) writer.gaps.push({ kind: "k3s", server: server.name, name: "the cluster's data, token and certificates", reason: "there are none on the server" });
  else await writer.sealed(clusterFile(server.name), gzipSync(own));
}

async function saveManifests(host: ColdStartHost, writer: SetWriter, server: ColdStartServer): Promise<void> {
  if (server.modelFolders.length === 0) return;
  const manifests = await host.bytes("manifests", server.modelFolders);
  // An archive of nothing is two blocks of zeros.
  if (manifests.some((byte) => byte !== 0)) await writer.text(`${serverFolder(server.name)}/manifests.tar`, manifests);
  else writer.gaps.push({ kind: "manifest", server: server.name, name: "manifest.sha256", reason: `no model below ${server.modelFolders.join(" or ")} has one` });
}

async function saveFolder(host: ColdStartHost, writer: SetWriter, folder: string): Promise<void> {
  const { server } = host;
  try {
    await writer.text(sumsFile(server, folder), await host.text("sums", [folder]));
    await host.read("data", [folder], (from) => writer.stream(dataFile(server, folder), from));
  } catch (error) {
    if (!(error instanceof HostStepFailed) || error.code !== changedWhileRead) throw error;
    writer.gaps.push({ kind: "data", server, name: folder, reason: "files changed while they were read: save again when nothing writes there" });
  }
}
