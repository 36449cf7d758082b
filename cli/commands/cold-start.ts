import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import * as path from "node:path";
import { gapKinds, setFiles, isGeneration, type GapKind } from "../../components/recovery/cold-start/set";
import { SetRefused, verifySet, WrongSetPassphrase, type VerifiedSet } from "../../components/recovery/cold-start/verify";
import { generations } from "../../components/recovery/cold-start/writer";
import { suggest } from "../../components/environment";
import { exportStack } from "../../engine";
import { acquireLock } from "../../engine/state/lock";
import { confirm } from "../ask";
import { coldStartEngine } from "../cold-start/engine";
import type { ColdStartHost } from "../cold-start/host";
import { copyImages, imagesOf } from "../cold-start/images";
import { finishedJournal, openJournal, unfinishedJournal, writeJournal } from "../cold-start/journal";
import { atPlace, fetchSet, keysAt, sendSet, tierPlace, type TierPlace } from "../cold-start/place";
import { rebuild } from "../cold-start/rebuild";
import { saveSet, type Saved } from "../cold-start/save";
import { writeWhole } from "../cold-start/whole-file";
import { chooseEngine } from "../engine-choice";
import { withEngineErrors } from "../engine-errors";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { interruptible } from "../interrupt";
import { requirePassphrase } from "../passphrase";
import { loadEnvironment, projectRoot, stackFile, stateFile } from "../project";
import type { LoadedEnvironment } from "../project";
import { pulumiStack } from "../pulumi";
import { renderRebuilt, renderSaved, renderVerified } from "../render/cold-start";
import { readSecrets } from "../secrets";
import type { Terminal } from "../terminal";

interface ColdStartOptions {
  save?: string;
  verify?: string;
  from?: string;
  server?: string[];
  hostKey?: string[];
  without?: string[];
  yes?: boolean;
  json?: boolean;
}

/**
 * `rackwright cold-start`: saves what a rebuild needs, verifies such a set, or rebuilds blank servers from one.
 * 0 all is well, 1 a finding (a gap in a set that was saved, a set that was changed, a check that found something), 2 bad
 * input, 3 a server did not answer.
 */
export async function coldStart(terminal: Terminal, name: string, options: ColdStartOptions): Promise<ExitCode> {
  const chosen = [options.save, options.verify, options.from].filter((each) => each !== undefined);
  if (chosen.length !== 1) throw new CliError("cold-start: say one of --save PLACE, --verify PLACE and --from PLACE.", exitCodes.badInput);
  const passphrase = requirePassphrase("a set is signed and its secrets are sealed");
  if (options.save !== undefined) return save(terminal, loadEnvironment(name), options.save, passphrase, options);
  const verified = async (flag: string, word: string): Promise<{ set: VerifiedSet; seconds: number }> => verify(terminal, name, await broughtHere(terminal, flag, word, name), passphrase);
  if (options.verify !== undefined) {
    const { set, seconds } = await verified("--verify", options.verify);
    rmSync(broughtFolder(name), { recursive: true, force: true });
    terminal.out(options.json === true ? `${JSON.stringify({ environment: name, folder: set.folder, fingerprint: set.keys.fingerprint, seconds, inventory: set.inventory }, null, 2)}\n` : renderVerified(set));
    return set.inventory.gaps.length === 0 ? exitCodes.well : exitCodes.finding;
  }
  return fromSet(terminal, name, () => verified("--from", options.from ?? ""), options);
}

function existingFolder(flag: string, folder: string): string {
  const found = path.resolve(folder);
  if (!existsSync(found) || !statSync(found).isDirectory()) throw new CliError(`${flag} ${folder}: there is no such folder. It is not made: where the cold tier is not mounted, the set would land on the system's drive. A tier of a server is written <server>:<tier>.`, exitCodes.badInput);
  return found;
}

/** Sets of servers' tiers that are here for the time being; they are removed with the last start that needs them. */
function broughtFolder(name: string): string {
  return path.join(projectRoot, ".rackwright", "cold-start", "brought", name);
}

function journalOf(name: string): string {
  return path.join(projectRoot, ".rackwright", "cold-start", `${name}.json`);
}

/** The folder that a word names, or the one into which the set that it names on a server's tier is brought. */
async function broughtHere(terminal: Terminal, flag: string, word: string, name: string): Promise<string> {
  if (existsSync(word) || !word.includes(":")) return word;
  const loaded = loadEnvironment(name);
  const place = tierPlace(flag, word, name, loaded.environment);
  if (place === undefined) return word;
  const secrets = await readSecrets(loaded);
  terminal.progress.doing(`bringing a set here from ${word}`);
  try {
    return await interruptible(terminal, (signal) => withEngineErrors(() => fetchSet(place, broughtFolder(name), unfinishedJournal(journalOf(name))?.generation, (work) => atPlace(place, loaded.environment, secrets["rackwright:sshPrivateKey"], signal, work))));
  } finally {
    terminal.progress.done();
  }
}

async function save(terminal: Terminal, loaded: LoadedEnvironment, word: string, passphrase: string, options: ColdStartOptions): Promise<ExitCode> {
  const place = existsSync(word) ? undefined : tierPlace("--save", word, loaded.name, loaded.environment);
  const secrets = await readSecrets(loaded);
  const saved = await interruptible(terminal, async (signal) => {
    if (place === undefined) return saveInto(terminal, loaded, existingFolder("--save", word), passphrase, secrets, signal);
    return withEngineErrors(() => saveAt(terminal, loaded, place, passphrase, secrets, signal));
  });
  terminal.progress.done();
  terminal.out(options.json === true ? `${JSON.stringify({ environment: loaded.name, ...saved }, null, 2)}\n` : renderSaved(saved, terminal.style));
  return saved.inventory.gaps.length === 0 ? exitCodes.well : exitCodes.finding;
}

/** Saves a set here, sends it to a tier, and leaves none of it here. */
async function saveAt(terminal: Terminal, loaded: LoadedEnvironment, place: TierPlace, passphrase: string, secrets: Record<string, string>, signal: AbortSignal): Promise<Saved> {
  const visit = <T>(work: (host: ColdStartHost) => Promise<T>): Promise<T> => atPlace(place, loaded.environment, secrets["rackwright:sshPrivateKey"], signal, work);
  const outgoing = path.join(projectRoot, ".rackwright", "cold-start", "outgoing");
  const here = path.join(outgoing, loaded.name);
  mkdirSync(outgoing, { recursive: true, mode: 0o700 });
  const { release } = acquireLock(`${here}.lock`);
  try {
    rmSync(here, { recursive: true, force: true });
    const earlierKeys = await visit((host) => keysAt(host, place));
    const saved = await saveInto(terminal, loaded, outgoing, passphrase, secrets, signal, earlierKeys);
    terminal.progress.doing(`sending the set to ${place.server}`);
    const started = Date.now();
    const removed = await visit((host) => sendSet(host, place, saved.folder, saved.inventory, loaded.environment.recovery.coldStart.keep));
    const seconds = [...saved.seconds, { part: "sending", seconds: (Date.now() - started) / 1000 }];
    return { ...saved, folder: `${place.server}:${place.home}/${saved.inventory.generation}`, removed, seconds };
  } finally {
    rmSync(here, { recursive: true, force: true });
    release();
  }
}

async function saveInto(terminal: Terminal, loaded: LoadedEnvironment, root: string, passphrase: string, secrets: Record<string, string>, signal: AbortSignal, earlierKeys?: string): Promise<Saved> {
  const state = await stateOf(loaded.name);
  const hasCluster = loaded.environment.cluster.distribution !== "none";
  return withEngineErrors(() =>
    saveSet({
      name: loaded.name,
      environment: loaded.environment,
      root,
      passphrase,
      privateKey: secrets["rackwright:sshPrivateKey"],
      environmentFile: readFileSync(stackFile(loaded.name)),
      state,
      ...(earlierKeys === undefined ? {} : { earlierKeys }),
      project: { root: projectRoot, version: versionOfProject(), ...commitOfProject() },
      ...(hasCluster ? { images: async (writer) => copyImages(await imagesOf(loaded, signal), writer, { signal, doing: (what) => terminal.progress.doing(what) }) } : {}),
      now: new Date(),
      doing: (what) => terminal.progress.doing(what),
      signal,
    }),
  );
}

/** The state as `pulumi stack export` prints it, by whichever engine holds it; undefined where the environment is not up. */
async function stateOf(name: string): Promise<string | undefined> {
  const { engine } = chooseEngine(name, undefined);
  if (engine === "pulumi") return pulumiStack(name);
  return existsSync(stateFile(name)) ? exportStack(stateFile(name)) : undefined;
}

function versionOfProject(): string {
  return (JSON.parse(readFileSync(path.join(projectRoot, "package.json"), "utf8")) as { version: string }).version;
}

/** The commit of the project's sources, with a mark where files differ from it; nothing where it is no checkout. */
function commitOfProject(): { commit?: string } {
  try {
    const git = (...words: string[]): string => execFileSync("git", ["-C", projectRoot, ...words], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    return { commit: `${git("rev-parse", "HEAD")}${git("status", "--porcelain", "--untracked-files=no") === "" ? "" : " and changes"}` };
  } catch {
    return {};
  }
}

/** A set's own folder, or the newest set of the environment below a folder that holds several. */
async function setFolder(name: string, folder: string): Promise<string> {
  const root = existingFolder("--from", folder);
  if (existsSync(path.join(root, setFiles.inventory)) || isGeneration(path.basename(root))) return root;
  const home = existsSync(path.join(root, name)) ? path.join(root, name) : root;
  const newest = (await generations(home)).at(-1);
  if (newest === undefined) throw new CliError(`${root}: there is no set of ${name}. Name the folder that was given to --save, or one set in it.`, exitCodes.badInput);
  return path.join(home, newest);
}

async function verify(terminal: Terminal, name: string, given: string, passphrase: string): Promise<{ set: VerifiedSet; seconds: number }> {
  const folder = await setFolder(name, given);
  const started = Date.now();
  try {
    const onFile = (file: string, done: number, total: number): void => terminal.progress.doing(`verifying ${folder}: ${done} of ${total} files, ${file}`);
    const set = await interruptible(terminal, (signal) => verifySet(folder, name, passphrase, { onFile, signal }));
    return { set, seconds: (Date.now() - started) / 1000 };
  } catch (error) {
    if (error instanceof SetRefused) throw new CliError(`${error.message}\nNothing was changed. Take another set: older ones stand beside it.`, exitCodes.finding);
    if (error instanceof WrongSetPassphrase) throw new CliError(error.message, exitCodes.badInput);
    throw error;
  } finally {
    terminal.progress.done();
  }
}

async function fromSet(terminal: Terminal, name: string, verified: () => Promise<{ set: VerifiedSet; seconds: number }>, options: ColdStartOptions): Promise<ExitCode> {
  const without = gapKindsOf(options.without ?? []);
  const hostKeys = hostKeysOf(options.hostKey ?? []);
  const { set, seconds } = await verified();
  restoreEnvironmentFile(terminal, name, set);
  const loaded = loadEnvironment(name);
  requireServers(loaded, [...(options.server ?? []), ...Object.keys(hostKeys)]);
  const secrets = await readSecrets(loaded);
  const journalFile = journalOf(name);
  mkdirSync(path.dirname(journalFile), { recursive: true });
  return withEngineErrors(async () => {
    const { release } = acquireLock(`${journalFile}.lock`);
    try {
      const finished = finishedJournal(journalFile, set.sha256);
      const journal = openJournal(journalFile, { environment: name, inventory: set.sha256, generation: set.inventory.generation }, new Date());
      journal.seconds.verify = (journal.seconds.verify ?? 0) + seconds;
      if (journal.servers.length > 0) writeJournal(journalFile, journal);
      return await interruptible(terminal, async (signal, cancelSignal) => {
        const rebuilt = await rebuild({
          name, environment: loaded.environment, set, servers: options.server ?? [], hostKeys, without, privateKey: secrets["rackwright:sshPrivateKey"],
          engine: coldStartEngine(loaded, { secrets, passphrase: requirePassphrase("the state keeps connections to servers as secrets"), stateFile: stateFile(name), progress: terminal.progress, signal, cancelSignal }),
          journalFile, journal, signal, ...(finished === undefined ? {} : { finished }),
          confirm: (servers) => confirm(`Make ${servers.join(", ")} of ${name} again from ${set.folder}? Arrays are made on blank drives; those that hold data are assembled and kept.`, options.yes === true),
          say: (line) => {
            terminal.progress.done();
            terminal.err(`${line}\n`);
          },
          now: () => new Date(),
        });
        terminal.progress.done();
        if (rebuilt === undefined) return exitCodes.finding;
        if (rebuilt.ok) rmSync(broughtFolder(name), { recursive: true, force: true });
        terminal.out(options.json === true ? `${JSON.stringify({ environment: name, set: set.folder, ...rebuilt }, null, 2)}\n` : renderRebuilt(rebuilt, terminal.style));
        return rebuilt.ok ? exitCodes.well : exitCodes.finding;
      });
    } finally {
      release();
    }
  });
}

/** Puts the environment's file where there is none, and says where the one that is there differs from the saved one. */
function restoreEnvironmentFile(terminal: Terminal, name: string, set: VerifiedSet): void {
  const saved = readFileSync(path.join(set.folder, setFiles.environment));
  const file = stackFile(name);
  const shown = path.relative(projectRoot, file);
  if (!existsSync(file)) {
    writeWhole(file, saved, 0o644);
    terminal.err(`${shown} was put back from the set.\n`);
  } else if (!readFileSync(file).equals(saved)) {
    terminal.err(`${shown} is not the file that was saved in ${set.folder}/${setFiles.environment}: the one here is gone by.\n`);
  }
}

function gapKindsOf(words: readonly string[]): Set<GapKind> {
  const unknown = words.filter((word) => !gapKinds.includes(word as GapKind));
  if (unknown.length > 0) throw new CliError(`--without ${unknown.join(", ")}: must be one of ${gapKinds.join(", ")}.`, exitCodes.badInput);
  return new Set(words as GapKind[]);
}

function hostKeysOf(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const [, server = "", key = ""] = /^([^=]+)=((?:ssh-|ecdsa-)\S+ [A-Za-z0-9+/]+={0,2})/.exec(word) ?? [];
      if (server === "") throw new CliError(`--host-key ${word}: must be NAME=KEY with the public key as ssh_host_ed25519_key.pub has it, for instance 'gpu-01=ssh-ed25519 AAAA…'.`, exitCodes.badInput);
      return [server, key] as const;
    }),
  );
}

function requireServers(loaded: LoadedEnvironment, named: readonly string[]): void {
  const names = Object.keys(loaded.environment.servers);
  const unknown = [...new Set(named.filter((server) => !names.includes(server)))];
  if (unknown.length === 0) return;
  const near = suggest(unknown[0] ?? "", names);
  throw new CliError(`${loaded.name} has no server ${unknown.join(", ")}. ${near === undefined ? `It has: ${names.join(", ")}.` : `Did you mean ${near}?`}`, exitCodes.badInput);
}
