import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import { join } from "node:path";
import type { Environment, Server } from "../components/environment/schema";
import { ensurePackages, hostMonitoringPrograms } from "./packages";
import { RehearsalError } from "./process";
import { buildMirror, serveMirror, type ServedMirror } from "./repository";
import { ensureSystemImage } from "./rootfs";
import { EmulatedServer, type ServerOptions } from "./server";
import { makeKeyPair } from "./ssh";
import { monitoringPackages } from "./monitoring-packages";
import { gpuFileText, hostStandIns, standInPackages, type StandIn } from "./standins";
import { gpuFile } from "./nvidia-standins";

export interface RackOptions {
  /** Name of the environment, for folders and messages. */
  name: string;
  /** The project's `.rackwright` folder: cache and working files. */
  workDir: string;
  /** Servers to emulate. Absent: one of each shape, up to {@link RackOptions.limit}. */
  servers?: readonly string[];
  /** Most servers emulated at the same time. @default 2 */
  limit?: number;
  onProgress?: (line: string) => void;
  /** What every server has besides: files on its system disk, a port that is reached from here, drives of other sizes. */
  guest?: Pick<ServerOptions, "files" | "offers" | "shapeDrive">;
  /** Called before a server boots for the first time, for instance to put data on its drives. */
  beforeBoot?: (server: EmulatedServer) => Promise<void>;
  signal?: AbortSignal | undefined;
}

export interface Rack {
  /** The environment as `up` is to see it: these servers on loopback, their host keys, the stand-in mirror. */
  environment: Environment;
  /** For the secret `rackwright:sshPrivateKey`. OpenSSH's format. */
  privateKey: string;
  servers: readonly EmulatedServer[];
  mirror: ServedMirror;
  standIns: readonly StandIn[];
  /** Servers of the environment that are not emulated, and why. */
  leftOut: readonly string[];
  imageSeconds: number;
  imageCached: boolean;
  /**
   * Destroys a server and puts a blank one into its place, which answers at the same port under a host key of its own and
   * reaches nothing. Only the drives that are named move over with what is on them. Does not start it.
   */
  replace(name: string, keptDrives: readonly string[]): Promise<EmulatedServer>;
  /** Ends all servers and removes their disks. */
  close(): Promise<void>;
}

/** Where a site's administrator puts the key of a mirror that signs with one of its own. */
const mirrorKeyFile = "/etc/apt/keyrings/rackwright-mirror.gpg";
const memoryMiB = 1024;
/** What the emulator itself needs beside the guest's memory: half a gibibyte of it for translated code. */
const overheadMiB = 700;

/** Boots an emulated rack of an environment. Everything it starts ends with `close()` or with this process. */
export async function startRack(environment: Environment, options: RackOptions): Promise<Rack> {
  const say = options.onProgress ?? ((): void => undefined);
  const chosen = chooseServers(environment, options.servers, options.limit ?? 2);
  const neededMiB = chosen.length * (memoryMiB + overheadMiB);
  if (totalmem() / 2 ** 20 < neededMiB) {
    throw new RehearsalError(`Emulating ${chosen.join(", ")} needs about ${neededMiB} MiB of memory; this machine has ${Math.round(totalmem() / 2 ** 20)} MiB. Name fewer servers.`);
  }
  if (freemem() / 2 ** 20 < neededMiB) say(`Little memory is free: ${Math.round(freemem() / 2 ** 20)} MiB for servers that may take ${neededMiB} MiB`);
  await ensurePackages(say, environment.monitoring.enabled ? hostMonitoringPrograms : []);
  const image = await ensureSystemImage(join(options.workDir, "cache", "rehearsal"), say, options.signal);

  const racks = join(options.workDir, "rehearsal");
  removeAbandoned(racks);
  const folder = join(racks, `${options.name}-${process.pid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const servers: EmulatedServer[] = [];
  let mirror: ServedMirror | undefined;
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.kill()));
    await mirror?.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    say("Building the stand-in packages");
    const built = await buildMirror(join(folder, "mirror"), [...standInPackages(environment.software), ...(environment.monitoring.enabled ? monitoringPackages() : [])]);
    mirror = await serveMirror(built.folder);
    const key = await makeKeyPair(folder, "login_key", (file) => readFileSync(file, "utf8"));
    const make = (name: string, server: Server, more: Partial<ServerOptions> = {}): Promise<EmulatedServer> =>
      EmulatedServer.create({
        ...options.guest,
        name,
        server,
        user: environment.ssh.user,
        folder: join(folder, name),
        image,
        key,
        memoryMiB,
        files: [
          { path: mirrorKeyFile, text: built.keyring },
          ...(server.gpus === undefined ? [] : [{ path: gpuFile, text: gpuFileText(server) }]),
          ...(options.guest?.files ?? []),
        ],

        signal: options.signal,
        ...more,
      });
    const replace = async (name: string, keptDrives: readonly string[]): Promise<EmulatedServer> => {
      const index = servers.findIndex((each) => each.name === name);
      const [old, server] = [servers[index], environment.servers[name]];
      if (old === undefined || server === undefined) throw new RehearsalError(`The rack has no server ${name}.`);
      await old.kill();
      const blank = await make(name, server, { folder: join(folder, `${name}-again`), port: old.port, isolated: true });
      for (const id of keptDrives) renameSync(old.backingFile(id), blank.backingFile(id));
      rmSync(join(folder, name), { recursive: true, force: true });
      servers[index] = blank;
      return blank;
    };
    for (const name of chosen) {
      const server = environment.servers[name];
      if (server === undefined) continue;
      say(`Making the disks of ${name}`);
      const emulated = await make(name, server);
      servers.push(emulated);
      await options.beforeBoot?.(emulated);
    }
    // Two cores boot two servers in the time of two, but one of them answers while the other is still loading.
    say(`Booting ${chosen.join(", ")}`);
    await Promise.all(
      servers.map(async (server) => {
        const seconds = await server.start();
        say(`${server.name} answers on 127.0.0.1:${server.port} after ${seconds.toFixed(0)} s`);
      }),
    );
    return {
      environment: deriveEnvironment(environment, servers, mirror.guestUrl),
      privateKey: key.privateKey,
      servers,
      mirror,
      standIns: hostStandIns(environment),
      leftOut: Object.keys(environment.servers).filter((name) => !chosen.includes(name)),
      imageSeconds: image.builtInSeconds,
      imageCached: image.cached,
      replace,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Which servers to emulate: those asked for, or the first of each shape, then further ones up to the limit.
 * @throws RehearsalError for a name that the environment does not have.
 */
export function chooseServers(environment: Environment, asked: readonly string[] | undefined, limit: number): string[] {
  const names = Object.keys(environment.servers);
  if (asked !== undefined && asked.length > 0) {
    const unknown = asked.filter((name) => !names.includes(name));
    if (unknown.length > 0) throw new RehearsalError(`The environment has no server ${unknown.join(", ")}. It has: ${names.join(", ")}.`);
    return [...new Set(asked)];
  }
  const seen = new Set<string>();
  const first: string[] = [];
  const others: string[] = [];
  for (const [name, server] of Object.entries(environment.servers)) {
    const shape = shapeOf(server);
    (seen.has(shape) ? others : first).push(name);
    seen.add(shape);
  }
  return [...first, ...others].slice(0, limit);
}

/** Two servers of one shape get the same steps; only names, addresses and serial numbers differ. */
function shapeOf(server: Server): string {
  const drives = Object.values(server.drives).map((drive) => `${drive.kind} ${drive.capacityGB}`).sort();
  const tiers = Object.entries(server.tiers).map(([name, tier]) => [name, tier.level, tier.drives.length, tier.chunkKiB, tier.mount]);
  return JSON.stringify([server.gpus, server.npus, server.nics, drives, tiers]);
}

/** Emulation is slow to answer; a login takes about a second. */
const leastDialTimeoutSeconds = 60;

/** The environment with its servers on loopback. What is not emulated is left out, and so is what refers to it. */
export function deriveEnvironment(environment: Environment, servers: readonly { name: string; port: number; hostKey: string }[], mirrorUrl: string): Environment {
  const { bastion: _bastion, ...ssh } = environment.ssh;
  const { objectStore: _objectStore, ...site } = environment.site;
  const { balancers: _balancers, ...standby } = environment.recovery.standby;
  const derived = servers.flatMap(({ name, port, hostKey }) => {
    const server = environment.servers[name];
    return server === undefined ? [] : [[name, { ...server, address: "127.0.0.1", port, hostKey }] as const];
  });
  return {
    ...environment,
    site: { ...site, mirror: { ...site.mirror, apt: mirrorUrl } },
    ssh: { ...ssh, dialTimeoutSeconds: Math.max(ssh.dialTimeoutSeconds, leastDialTimeoutSeconds) },
    software: { ...environment.software, os: "debian-12" },
    servers: Object.fromEntries(derived),
    // What runs on the servers once they are hosts is rehearsed on a control plane.
    cluster: { ...environment.cluster, distribution: "none", controlPlane: [] },
    services: {},
    training: {},
    // Balancers need the servers' own addresses, and have a rehearsal of their own.
    recovery: { ...environment.recovery, standby: { ...standby, mode: "none", units: {} } },
  };
}

/** Removes what rehearsals left that were cut off: their servers ended with them, their disks did not. */
function removeAbandoned(racks: string): void {
  if (!existsSync(racks)) return;
  for (const entry of readdirSync(racks)) {
    const owner = Number(/-(\d+)$/.exec(entry)?.[1]);
    if (Number.isInteger(owner) && owner !== process.pid && !isAlive(owner)) rmSync(join(racks, entry), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
