import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import type { Environment } from "../../components/environment";
import { clusterFile, dataFile, planColdStart, sumsFile } from "../../components/recovery/cold-start/plan";
import { serverFolder, setFiles, type Gap, type GapKind } from "../../components/recovery/cold-start/set";
import { gapsThatMatter, type VerifiedSet } from "../../components/recovery/cold-start/verify";
import { commandLine, planServer, type HostStep } from "../../components/servers/plan";
import { REMOTE_FOLDER, SCRIPTS_FOLDER } from "../../components/servers/scripts";
import type { SshConnectionSettings } from "../../engine/providers/command/connection";
import { pause } from "../../engine/providers/command/dial";
import { ConnectionError, openConnection, type SshConnection } from "../../engine/providers/command/ssh";
import { CliError, exitCodes } from "../exit";
import { isWell, sshSettings } from "../hosts";
import type { HostReport } from "../hosts";
import { projectRoot } from "../project";
import { makeCertificate } from "./certificate";
import { ColdStartHost, HostStepFailed } from "./host";
import { writeJournal, type Journal, type Phase } from "./journal";
import { SetMirror, secureHosts } from "./mirror";
import { reach, type Reached } from "./reach";

/** What a rebuild leaves to the engine that holds the environment's state. */
export interface ColdStartEngine {
  /** Puts the saved state where there is none. @param newCluster the cluster is made anew, so that the objects of the old one are left out, whichever state it is */
  restoreState: (saved: string | undefined, newCluster: boolean) => Promise<void>;
  check: () => Promise<HostReport>;
  /** Makes the environment so, and mends what the report found. */
  up: (found: HostReport, newCluster: boolean) => Promise<{ ok: boolean; messages: readonly string[] }>;
}

export interface RebuildOptions {
  name: string;
  environment: Environment;
  set: VerifiedSet;
  /** Servers that are made again; empty for those that show another key than the environment's. */
  servers: readonly string[];
  hostKeys: Readonly<Record<string, string>>;
  /** Kinds of gaps that somebody has said are well. */
  without: ReadonlySet<GapKind>;
  privateKey: string | undefined;
  engine: ColdStartEngine;
  journalFile: string;
  journal: Journal;
  /** What the last rebuild from this very set left, where it came to its end. */
  finished?: Journal;
  /** Says once what is going to be done; false stops it before anything is changed. */
  confirm: (servers: readonly string[]) => Promise<boolean>;
  say: (line: string) => void;
  now: () => Date;
  signal?: AbortSignal;
}

export interface Rebuilt {
  /** Whether the check at the end found nothing. */
  ok: boolean;
  servers: string[];
  hosts: HostReport;
  /** Files that were there already with other content than was saved: they stayed as they were. */
  kept: string[];
  /** Addresses that servers asked their package sources for and that the set does not hold. */
  notInSet: string[];
  seconds: Journal["seconds"];
  starts: number;
}

/**
 * Makes blank servers into what they were, from a set alone. Every phase looks for what is left to do, so that a start
 * after one that was cut off ends in the same state.
 * @returns undefined where `confirm` said no
 * @throws CliError where a server cannot be used, the set lacks what is needed, or a step failed on a server
 */
export async function rebuild(options: RebuildOptions): Promise<Rebuilt | undefined> {
  try {
    return await new Rebuild(options).run();
  } catch (error) {
    const again = "What was done stays done: mend it, and start the same command again.";
    if (error instanceof HostStepFailed) throw new CliError(`${error.message}\n${again}`, exitCodes.finding);
    if (error instanceof ConnectionError) throw new CliError(`${error.message}\n${again}`, exitCodes.unreachable);
    throw error;
  }
}

class Rebuild {
  private hosts: ColdStartHost[] = [];
  private readonly kept: string[] = [];
  private readonly notInSet = new Set<string>();

  constructor(private readonly options: RebuildOptions) {}

  async run(): Promise<Rebuilt | undefined> {
    const { options } = this;
    const reached = await this.phase("reach", () => this.reach());
    try {
      const blank = this.blankOnes(reached);
      if (blank.length === 0 && options.finished !== undefined) return await this.lookAgain(options.finished);
      await this.requireWhole(reached, blank);
      if (!(await options.confirm(blank))) return undefined;
      options.journal.servers = blank;
      writeJournal(options.journalFile, options.journal);
      this.hosts = await this.phase("host keys", () => this.restoreHostKeys(reached, blank));
    } finally {
      for (const { connection } of reached) connection.close();
    }
    try {
      const newCluster = this.makesNewCluster();
      await this.phase("packages", () => this.installPackages());
      await this.phase("arrays", () => this.onEach((host) => this.apply(host, this.stepsOf(host, "storage-tier"))));
      await this.phase("data", () =>
        this.onEach(async (host) => {
          await this.restoreCluster(host);
          await this.restoreData(host);
        }),
      );
      await this.phase("steps", () => this.makeSo(newCluster));
      const report = await this.phase("check", async () => {
        await this.onEach((host) => host.text("leave-mirror"));
        return options.engine.check();
      });
      const ok = isWell(report);
      if (ok) options.journal.finishedAt = options.now().toISOString();
      writeJournal(options.journalFile, options.journal);
      const { seconds, starts, servers } = options.journal;
      return { ok, servers, hosts: report, kept: this.kept, notInSet: [...this.notInSet].sort(), seconds, starts };
    } finally {
      for (const { connection } of this.hosts) connection.close();
    }
  }

  /** A start after one that was killed when all was done: nothing is left but to say so. */
  private async lookAgain({ servers, seconds, starts, finishedAt }: Journal): Promise<Rebuilt> {
    this.options.say(`${servers.join(", ")}: made again from this set at ${finishedAt ?? ""}, and looked at once more`);
    const hosts = await this.options.engine.check();
    return { ok: isWell(hosts), servers, hosts, kept: [], notInSet: [], seconds, starts };
  }

  private async phase<T>(phase: Phase, work: () => Promise<T>): Promise<T> {
    const { journal, journalFile, say, signal } = this.options;
    signal?.throwIfAborted();
    say(`phase ${phase}`);
    const started = Date.now();
    try {
      return await work();
    } finally {
      journal.seconds[phase] = (journal.seconds[phase] ?? 0) + (Date.now() - started) / 1000;
      if (journal.servers.length > 0) writeJournal(journalFile, journal);
    }
  }

  /** One that a start before this one was at is dialled as well: it shows the environment's key by now. */
  private reach(): Promise<Reached[]> {
    const { environment, servers, privateKey, hostKeys, signal, journal } = this.options;
    const all = servers.length > 0 ? [...new Set([...servers, ...journal.servers])] : Object.keys(environment.servers);
    return reach(all, { environment, privateKey, hostKeys, ...(signal === undefined ? {} : { signal }) });
  }

  private blankOnes(reached: readonly Reached[]): string[] {
    const { servers, journal } = this.options;
    const chosen = new Set([...servers, ...journal.servers, ...reached.filter(({ known }) => !known).map(({ server }) => server)]);
    if (chosen.size === 0 && this.options.finished === undefined) throw new CliError("every server answers with the key that the environment names: none is blank. Name those that are to be made again with --server.", exitCodes.badInput);
    return reached.map(({ server }) => server).filter((server) => chosen.has(server));
  }

  /** @throws CliError naming everything that the set lacks and that these servers need. What a blank server's image brings is no gap. */
  private async requireWhole(reached: readonly Reached[], blank: readonly string[]): Promise<void> {
    const { inventory } = this.options.set;
    const absent = blank.filter((server) => !inventory.servers.some(({ name }) => name === server));
    const gaps: Gap[] = absent.map((server) => ({ kind: "host-key", server, name: "everything", reason: `the set was saved before the environment had the server ${server}` }));
    for (const gap of gapsThatMatter(inventory, blank, this.options.without)) {
      const server = reached.find((each) => each.server === gap.server);
      if (gap.kind === "package" && server !== undefined && (await this.hostOn(server).text("installed", [gap.name])) !== "") continue;
      gaps.push(gap);
    }
    if (gaps.length === 0) return;
    const lines = gaps.map(({ kind, server, name, reason }) => `  ${kind}${server === undefined ? "" : ` of ${server}`}: ${name}: ${reason}`);
    const kinds = [...new Set(gaps.map(({ kind }) => kind))];
    throw new CliError(`nothing was changed: the set lacks what is needed here:\n${lines.join("\n")}\nTake another set, or say that these are had elsewhere: ${kinds.map((kind) => `--without ${kind}`).join(" ")}`, exitCodes.badInput);
  }

  private async restoreHostKeys(reached: readonly Reached[], blank: readonly string[]): Promise<ColdStartHost[]> {
    const { environment, privateKey, set, signal } = this.options;
    return Promise.all(
      blank.map(async (server) => {
        const found = reached.find((each) => each.server === server);
        if (found === undefined) throw new Error(`${server} was not dialled`);
        const { connection: wanted } = planServer(environment, server);
        if (!found.known) {
          const keys = set.keys.unseal(readFileSync(path.join(set.folder, serverFolder(server), "host-keys.sealed"), "utf8"));
          await this.hostOn(found).write("install-host-keys", [createHash("sha256").update(keys).digest("hex")], Readable.from([keys]));
        }
        const connection = await this.dialAgain(sshSettings(wanted, privateKey), found.known ? 0 : environment.ssh.dialTimeoutSeconds);
        return new ColdStartHost(server, connection, wanted.user, signal);
      }),
    );
  }

  /** A server that was told of its new keys answers nobody for a moment, or still shows the one before. */
  private async dialAgain(settings: SshConnectionSettings, seconds: number): Promise<SshConnection> {
    const { signal } = this.options;
    for (const deadline = Date.now() + seconds * 1000; ; ) {
      try {
        return await openConnection(settings, { signal });
      } catch (error) {
        if (!(error instanceof ConnectionError) || Date.now() >= deadline) throw error;
        await pause(250, signal);
      }
    }
  }

  private hostOn({ server, connection }: Reached): ColdStartHost {
    return new ColdStartHost(server, connection, this.options.environment.ssh.user, this.options.signal);
  }

  /** Package sources are asked as ever, and answered from the set; the first host step installs what the rest stands on. */
  private async installPackages(): Promise<void> {
    const { folder, inventory } = this.options.set;
    const hosts = secureHosts(inventory);
    const certificate = hosts.length === 0 ? undefined : await makeCertificate(hosts);
    await this.onEach(async (host) => {
      const mirror = new SetMirror(folder, inventory, certificate, (address) => this.notInSet.add(address));
      const port = await host.connection.listen((stream) => mirror.accept(stream));
      await host.text("use-mirror", [String(port)], certificate?.certificate ?? "");
      await host.connection.upload({ path: path.join(projectRoot, SCRIPTS_FOLDER) }, REMOTE_FOLDER, { signal: this.options.signal });
      await this.apply(host, this.stepsOf(host, "base-environment"));
    });
  }

  private stepsOf({ server }: ColdStartHost, kind: HostStep["kind"]): HostStep[] {
    return planServer(this.options.environment, server).steps.filter((step) => step.kind === kind);
  }

  private async apply(host: ColdStartHost, steps: readonly HostStep[]): Promise<void> {
    for (const step of steps) {
      const { code, stderr } = await host.connection.exec(commandLine(step, "apply", this.options.environment.ssh.user), { signal: this.options.signal });
      if (code !== 0) throw new HostStepFailed(`${step.name} failed: ${stderr.trim().split("\n").slice(-6).join("\n  ")}`, code);
      this.options.say(`${step.name} is done`);
    }
  }

  /** What a new cluster is made of: images where k3s takes them in when it starts, and the old one's own data for a person to restore. */
  private async restoreCluster(host: ColdStartHost): Promise<void> {
    const { environment, set } = this.options;
    const plan = planColdStart(environment).servers.find(({ name }) => name === host.server);
    if (plan?.k3s !== true) return;
    const there = await host.text("images");
    for (const { path: file, sha256 } of set.inventory.files.filter((each) => each.path.startsWith(`${setFiles.images}/`))) {
      const name = path.basename(file);
      if (!there.split("\n").includes(`${sha256}  ${name}`)) await host.write("image", [name, sha256], createReadStream(path.join(set.folder, file)));
    }
    const own = path.join(set.folder, clusterFile(host.server));
    if (!existsSync(own)) return;
    const archive = gunzipSync(set.keys.unseal(readFileSync(own, "utf8")));
    await host.write("cluster", [set.inventory.generation], Readable.from([archive]));
  }

  private async restoreData(host: ColdStartHost): Promise<void> {
    const { environment, set } = this.options;
    const plan = planColdStart(environment).servers.find(({ name }) => name === host.server);
    for (const folder of plan?.folders ?? []) {
      const archive = path.join(set.folder, dataFile(host.server, folder));
      if (!existsSync(archive)) continue;
      await host.write("restore", [folder], createReadStream(archive));
      const differing = await host.text("compare", [folder], readFileSync(path.join(set.folder, sumsFile(host.server, folder)), "utf8"));
      const lines = differing.split("\n").filter((line) => line.endsWith(": FAILED"));
      const lost = differing.split("\n").filter((line) => line.endsWith(": FAILED open or read"));
      if (lost.length > 0) throw new HostStepFailed(`${host.server}: these files of ${folder} did not come back: ${lost.slice(0, 5).join(", ")}`, 1);
      this.kept.push(...lines.map((line) => `${host.server}: ${folder}/${line.replace(/^\.\//, "").replace(/: FAILED$/, "")}`));
      this.options.say(`${host.server}: ${folder} is back`);
    }
  }

  private makesNewCluster(): boolean {
    const { controlPlane, distribution } = this.options.environment.cluster;
    return distribution === "k3s" && controlPlane.every((server) => this.options.journal.servers.includes(server));
  }

  private async makeSo(newCluster: boolean): Promise<void> {
    const { engine, set, journal, journalFile } = this.options;
    const file = path.join(set.folder, setFiles.state);
    if (journal.stateTaken !== true) {
      await engine.restoreState(existsSync(file) ? readFileSync(file, "utf8") : undefined, newCluster);
      journal.stateTaken = true;
      writeJournal(journalFile, journal);
    }
    const outcome = await engine.up(await engine.check(), newCluster);
    if (!outcome.ok) throw new CliError(`up failed:\n${outcome.messages.slice(-12).join("\n")}\nWhat was done stays done: mend it, and start the same command again.`, exitCodes.finding);
  }

  private async onEach(work: (host: ColdStartHost) => Promise<unknown>): Promise<void> {
    const results = await Promise.allSettled(this.hosts.map(work));
    const failed = results.flatMap((result) => (result.status === "rejected" ? [result.reason as Error] : []));
    const other = failed.find((error) => !(error instanceof HostStepFailed));
    if (other !== undefined) throw other;
    if (failed.length > 0) throw new HostStepFailed(failed.map(({ message }) => message).join("\n"), 1);
  }
}
