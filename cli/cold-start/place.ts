import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { spawn } from "node:child_process";
import * as path from "node:path";
import { mountOf, suggest, type Environment } from "../../components/environment";
import { isGeneration, setFiles, type Inventory } from "../../components/recovery/cold-start/set";
import { hashFile } from "../../components/recovery/cold-start/hash";
import { planServer } from "../../components/servers/plan";
import { ConnectionError, openConnection, type SshConnection } from "../../engine/providers/command/ssh";
import { CliError, exitCodes } from "../exit";
import { sshSettings } from "../hosts";
import { unpack } from "./archive";
import { ColdStartHost, HostStepFailed } from "./host";

/** Sets on a tier of a server, which are reached over SSH. */
export interface TierPlace {
  server: string;
  mount: string;
  /** Folder of all sets of the environment: `<mount>/rackwright/<environment>`. */
  home: string;
  /** One set of them; absent: the newest. */
  generation?: string;
}

/**
 * Reads `<server>:<tier>` or `<server>:<tier>/<set>`.
 * @returns undefined for what is the name of a folder
 * @throws CliError where the environment has no such server, or the server no such tier
 */
export function tierPlace(flag: string, word: string, name: string, environment: Environment): TierPlace | undefined {
  const [, server, tier, generation] = /^([a-z][a-z0-9-]*):([a-z]+)(?:\/([^/]+))?$/.exec(word) ?? [];
  if (server === undefined || tier === undefined) return undefined;
  const bad = (problem: string): CliError => new CliError(`${flag} ${word}: ${problem}`, exitCodes.badInput);
  const found = environment.servers[server];
  if (found === undefined) {
    const near = suggest(server, Object.keys(environment.servers));
    throw bad(`${name} has no server ${server}. ${near === undefined ? `It has: ${Object.keys(environment.servers).join(", ")}.` : `Did you mean ${near}?`}`);
  }
  if (tier === "hot") throw bad("a hot tier is lost with any one drive. Name a warm or a cold one.");
  const wanted = tier === "warm" || tier === "cold" ? found.tiers[tier] : undefined;
  if (wanted === undefined || (tier !== "warm" && tier !== "cold")) throw bad(`${server} has no tier ${tier}. It has: ${Object.keys(found.tiers).join(", ")}.`);
  if (generation !== undefined && !isGeneration(generation)) throw bad(`${generation} is no name of a set, such as 2026-11-26T07-30-00Z.`);
  const mount = mountOf(tier, wanted);
  return { server, mount, home: path.posix.join(mount, "rackwright", name), ...(generation === undefined ? {} : { generation }) };
}

/** Runs `work` with the server of a place. What fails there ends with the server's own words. */
export async function atPlace<T>(place: TierPlace, environment: Environment, privateKey: string | undefined, signal: AbortSignal, work: (host: ColdStartHost) => Promise<T>): Promise<T> {
  const { connection: wanted } = planServer(environment, place.server);
  let connection: SshConnection | undefined;
  try {
    connection = await openConnection(sshSettings(wanted, privateKey), { signal });
    return await work(new ColdStartHost(place.server, connection, wanted.user, signal));
  } catch (error) {
    if (error instanceof HostStepFailed) throw new CliError(error.message, exitCodes.finding);
    if (error instanceof ConnectionError) throw new CliError(`${place.server}: ${error.message}`, exitCodes.unreachable);
    throw error;
  } finally {
    connection?.close();
  }
}

/** Names of the sets at a place, oldest first. */
export async function setsAt(host: ColdStartHost, { mount, home }: TierPlace): Promise<string[]> {
  return (await host.text("sets", [mount, home])).split("\n").filter(isGeneration).sort();
}

/** Keys file of the newest set at a place. */
export async function keysAt(host: ColdStartHost, place: TierPlace): Promise<string | undefined> {
  const newest = (await setsAt(host, place)).at(-1);
  return newest === undefined ? undefined : host.text("set-keys", [`${place.home}/${newest}`]);
}

/**
 * Sends a set to its place. It has its name there only when every file of it was read back with its checksum.
 * @returns sets that made room
 */
export async function sendSet(host: ColdStartHost, { mount, home }: TierPlace, folder: string, inventory: Inventory, keep: number): Promise<string[]> {
  const { generation } = inventory;
  const tar = spawn("tar", ["--create", "--directory", folder, "--owner=0", "--group=0", "."], { stdio: ["ignore", "pipe", "inherit"] });
  await host.write("receive-set", [mount, home, generation], tar.stdout);
  const own = await Promise.all([setFiles.inventory, setFiles.signature].map(async (name) => ({ path: name, ...(await hashFile(path.join(folder, name))) })));
  const wanted = [...inventory.files, ...own].map(({ path: file, sha256 }) => `${sha256}  ./${file}`).sort();
  const found = (await host.text("sums", [`${home}/.unfinished-${generation}`])).trim().split("\n").sort();
  if (wanted.join("\n") !== found.join("\n")) throw new CliError(`the set did not come whole to ${home} on ${host.server}, and was given no name there: save again.`, exitCodes.finding);
  return (await host.text("name-set", [home, generation, String(keep)])).split("\n").filter(isGeneration);
}

/**
 * Brings a set here, into `<folder>/<set>`. One that is here already is taken as it is: whether it is whole is found when it
 * is verified.
 * @param unfinished name of the set that a start before this one was at
 * @param visit opens a connection to the server of the place
 * @throws CliError where there is no such set
 */
export async function fetchSet(place: TierPlace, folder: string, unfinished: string | undefined, visit: (work: (host: ColdStartHost) => Promise<string>) => Promise<string>): Promise<string> {
  if (unfinished !== undefined && existsSync(path.join(folder, unfinished))) return path.join(folder, unfinished);
  return visit(async (host) => {
    const sets = await setsAt(host, place);
    const generation = place.generation ?? unfinished ?? sets.at(-1);
    if (generation === undefined || !sets.includes(generation)) throw new CliError(`${place.server} has no ${generation === undefined ? "set" : `set ${generation}`} in ${place.home}.${sets.length === 0 ? "" : ` It has: ${sets.join(", ")}.`}`, exitCodes.badInput);
    const here = path.join(folder, generation);
    if (existsSync(here)) return here;
    await rm(folder, { recursive: true, force: true });
    await mkdir(`${here}.part`, { recursive: true, mode: 0o700 });
    await host.read("data", [`${place.home}/${generation}`], (from) => unpack(from, `${here}.part`));
    await rename(`${here}.part`, here);
    return here;
  });
}
