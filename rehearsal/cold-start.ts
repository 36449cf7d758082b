import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../components/environment/schema";
import { expectedTiers } from "./expectations";
import { pause } from "./process";
import { ProjectHome, type Ran } from "./project-home";
import { startRack, type Rack, type RackOptions } from "./rack";
import { Ssh } from "./ssh";
import { Checks, must, type Verdict } from "./verdict";

export interface ColdStartRehearsalOptions extends Omit<RackOptions, "beforeBoot" | "limit"> {
  /** The project's folder. */
  root: string;
  /** Told how it ended, for whoever keeps that. */
  onEnd?: (verdict: Verdict, time: ColdStartTime) => void;
}

/** How long the cold start of one server took, all starts together; nothing where it did not end well. */
export interface ColdStartTime {
  seconds: number;
  phases: Partial<Record<string, number>>;
}

/** Folder of each tier that the rehearsal writes to and that the set is to hold. */
const dataFolder = "rehearsal-data";

/**
 * Destroys an emulated server and makes a blank one into it by the set alone: the commands are the product's own, run from
 * the project that the set brings, while the server reaches nothing.
 */
export async function rehearseColdStart(environment: Environment, options: ColdStartRehearsalOptions): Promise<Verdict> {
  const started = Date.now();
  const checks = new Checks((line) => options.onProgress?.(line), options.signal);
  const name = options.servers?.[0] ?? Object.keys(environment.servers)[0] ?? "";
  const folder = join(options.workDir, "rehearsal", `${options.name}-cold-start-${process.pid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const rack = await startRack(environment, { ...options, servers: [name] }).catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  try {
    const run = new ColdStartRun(rack, name, folder, checks, options);
    const notes = await run.all();
    const verdict: Verdict = {
      environment: options.name, ok: checks.ok && run.notMade.length === 0, servers: [name], leftOut: Object.keys(environment.servers).filter((other) => other !== name),
      checks: checks.list, notMade: run.notMade,
      standIns: [...rack.standIns, { what: "a folder of the machine that rehearses", standsInFor: "the cold tier on which the set lies" }, { what: "an empty port", standsInFor: "the package registry and the site's mirror, which are gone when the server is made again" }],
      notes, seconds: Math.round((Date.now() - started) / 1000),
    };
    options.onEnd?.(verdict, run.measured);
    return verdict;
  } finally {
    await rack.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface DriftDocument {
  checks: { step: string; findings: { message: string }[] }[];
  unreachable: { reason: string }[];
}

interface RebuiltDocument {
  ok: boolean;
  kept: string[];
  notInSet: string[];
  seconds: Partial<Record<string, number>>;
  starts: number;
}

class ColdStartRun {
  notMade: string[] = [];
  measured: ColdStartTime = { seconds: 0, phases: {} };
  private readonly home: ProjectHome;
  private readonly coldTier: string;
  private readonly again: string;
  private sums = "";
  private drift = "";
  private blankKey = "";
  private ssh: Ssh;
  private readonly notes: string[] = [];

  constructor(
    private readonly rack: Rack,
    private readonly server: string,
    private readonly folder: string,
    private readonly checks: Checks,
    private readonly options: ColdStartRehearsalOptions,
  ) {
    this.home = new ProjectHome(join(folder, "project"));
    this.coldTier = join(folder, "cold-tier");
    this.again = join(folder, "project-again");
    this.ssh = this.first.ssh;
  }

  private get first() {
    const server = this.rack.servers[0];
    if (server === undefined) throw new Error("the rack has no server");
    return server;
  }

  private get facts() {
    const facts = this.rack.environment.servers[this.server];
    if (facts === undefined) throw new Error(`the rack has no server ${this.server}`);
    return facts;
  }

  private get mounts(): string[] {
    return expectedTiers(this.facts).map(({ mount }) => mount);
  }

  /** Makes all checks, each on what the one before has left. */
  async all(): Promise<string[]> {
    const steps: [string, () => Promise<string>][] = [
      ["up makes the server, and data is written to every tier", () => this.bringUp()],
      ["a set is saved, whole and verified", () => this.save()],
      ["no secret is in the set in the clear", () => this.holdsNoSecret()],
      ["the server is destroyed; a blank one has its name and address, and reaches nothing", () => this.destroy()],
      ["nothing is sent to the blank server before somebody has confirmed its key", () => this.refusesUnknownKey()],
      ["killed in the middle, the cold start leaves the set and the server fit for another start", () => this.isKilled()],
      ["started again from the set alone, it ends well", () => this.rebuild()],
      ["the check says what it said before", () => this.sameCheck()],
      ["the data has the same checksums", () => this.sameData()],
      ["a second cold start from the set changes nothing", () => this.nothingLeft()],
    ];
    for (const [index, [what, look]] of steps.entries()) {
      if (await this.checks.make(what, look)) continue;
      this.notMade = steps.slice(index + 1).map(([later]) => later);
      break;
    }
    return this.notes;
  }

  private async bringUp(): Promise<string> {
    const { name, root } = this.options;
    const recovery = { ...this.rack.environment.recovery, coldStart: { ...this.rack.environment.recovery.coldStart, folders: this.mounts.map((mount) => `${mount}/${dataFolder}`) } };
    await this.home.create(root, name, { ...this.rack.environment, recovery }, this.rack.privateKey);
    ended(await this.home.rackwright("up", name, "--yes", "--engine", "embedded"), 0, "up");
    await this.ssh.run(this.mounts.map((mount) => `mkdir -p ${mount}/${dataFolder}/checkpoint-1000 && dd if=/dev/urandom of=${mount}/${dataFolder}/weights.bin bs=1M count=4 status=none && printf '%s' 'odd' > "${mount}/${dataFolder}/checkpoint-1000/a name with spaces" && chown -R 1000:1000 ${mount}/${dataFolder}`).join(" && "));
    this.sums = await this.dataSums();
    this.drift = await this.driftOf(this.home.folder);
    return `${this.sums.trim().split("\n").length / 2} files on ${this.mounts.join(", ")}; ${this.drift}`;
  }

  private dataSums(): Promise<string> {
    return this.ssh.run(`cd / && find ${this.mounts.map((mount) => `${mount.slice(1)}/${dataFolder}`).join(" ")} -type f -printf '%m %U:%G %p\\n' -exec sha256sum {} \\; | LC_ALL=C sort`);
  }

  private async driftOf(project: string): Promise<string> {
    const ran = await this.home.start(join(project, "rackwright"), ["drift", this.options.name, "--json"]).ended;
    const { checks, unreachable } = documentOf(ran) as DriftDocument;
    must(unreachable.length === 0, `the server does not answer: ${unreachable.map(({ reason }) => reason).join("; ")}`);
    return checks.map(({ step, findings }) => `${step}: ${findings.length === 0 ? "as wanted" : findings.map(({ message }) => message).join("; ")}`).join(", ");
  }

  private async save(): Promise<string> {
    mkdirSync(this.coldTier);
    const started = Date.now();
    const ran = await this.home.rackwright("cold-start", this.options.name, "--save", this.coldTier, "--json");
    const { inventory, seconds } = documentOf(ran) as { inventory: { files: { bytes: number }[]; gaps: { kind: string; name: string; reason: string }[] }; seconds: { part: string; seconds: number }[] };
    // Packages that come with the emulated server's system image are in no mirror; the rebuild finds them on the blank server.
    const others = inventory.gaps.filter(({ kind, reason }) => kind !== "package" || !reason.includes("part of the system's image"));
    must(others.length === 0, `the set lacks ${others.map(({ name, reason }) => `${name}: ${reason}`).join("; ")}`);
    this.notes.push(`saving took ${((Date.now() - started) / 1000).toFixed(1)} s: ${seconds.map((each) => `${each.part} ${each.seconds.toFixed(1)} s`).join(", ")}`);
    const verified = await this.home.rackwright("cold-start", this.options.name, "--verify", this.coldTier, "--json");
    must(verified.code === 0 || verified.code === 1, `--verify ended with ${verified.code ?? "a signal"}: ${verified.stderr.trim()}`);
    const bytes = inventory.files.reduce((sum, file) => sum + file.bytes, 0);
    return `${inventory.files.length} files, ${(bytes / 2 ** 20).toFixed(0)} MiB; ${inventory.gaps.length} packages are left to the system's image: ${inventory.gaps.map((gap) => gap.name).join(", ")}`;
  }

  private async holdsNoSecret(): Promise<string> {
    const key = this.rack.privateKey.split("\n")[2] ?? "";
    const hostKey = (await this.ssh.run("sed -n 3p /etc/ssh/ssh_host_ed25519_key")).trim();
    must(key.length > 20 && hostKey.length > 20, "the keys could not be read");
    const found = await this.home.start("grep", ["--recursive", "--files-with-matches", "--fixed-strings", "--regexp", key, "--regexp", hostKey, "--regexp", this.home.passphrase, this.coldTier]).ended;
    must(found.code === 1, `these files hold a key in the clear: ${found.stdout}`);
    return "neither the login key, nor the host's key, nor the passphrase";
  }

  private async destroy(): Promise<string> {
    const cold = expectedTiers(this.facts).filter(({ tier }) => tier === "cold").flatMap(({ drives }) => drives);
    await this.ssh.run("sync");
    await this.rack.mirror.close();
    rmSync(this.home.folder, { recursive: true, force: true });
    const blank = await this.rack.replace(this.server, cold);
    this.blankKey = blank.hostKey;
    const seconds = await blank.start();
    const route = await blank.ssh.try("curl --silent --max-time 5 http://10.0.2.2/ ; test $? -ne 0");
    must(route.code === 0, "the blank server reaches the machine that rehearses");
    this.ssh = new Ssh(this.folder, blank.port, this.facts.hostKey, blank.ssh.identityFile);
    return `answers after ${seconds.toFixed(0)} s under a key of its own; its ${cold.length} drives of the cold tier are the old ones, all others are blank; the project that saved is gone too`;
  }

  private startFromSet(...words: string[]) {
    const home = join(this.coldTier, this.options.name);
    const set = readdirSync(home).filter((entry) => !entry.startsWith(".")).sort().at(-1) ?? "";
    return this.home.start("sh", [join(home, set, "start.sh"), this.again, "--yes", ...words]);
  }

  private get hostKeyWords(): string[] {
    return ["--host-key", `${this.server}=${this.blankKey}`];
  }

  private async refusesUnknownKey(): Promise<string> {
    const ran = await this.startFromSet().ended;
    must(ran.code === 2 && ran.stderr.includes("that nobody has confirmed"), `it ended with ${ran.code ?? "a signal"}: ${ran.stderr.trim().slice(-600)}`);
    return "exit code 2, with the key that the server shows";
  }

  private async isKilled(): Promise<string> {
    const running = this.startFromSet(...this.hostKeyWords);
    const progress = { over: false };
    void running.ended.then(() => (progress.over = true));
    const journal = join(this.again, ".rackwright", "cold-start", `${this.options.name}.json`);
    const reached = (): boolean => existsSync(journal) && "arrays" in (JSON.parse(readFileSync(journal, "utf8")) as { seconds: object }).seconds;
    while (!progress.over && !reached()) await pause(200, this.options.signal);
    running.kill();
    const { code, stderr } = await running.ended;
    must(code === null, `it ended by itself with ${code ?? ""} before its arrays were made: ${stderr.trim().slice(-800)}`);
    return "SIGKILL as soon as the arrays were there";
  }

  private async rebuild(): Promise<string> {
    const ran = await this.startFromSet(...this.hostKeyWords, "--json").ended;
    const { ok, kept, notInSet, seconds, starts } = documentOf(ran) as RebuiltDocument;
    must(ok && ran.code === 0, `it ended with ${ran.code ?? "a signal"}: ${ran.stderr.trim().slice(-800)}`);
    must(kept.length === 0, `these files were not as they were saved: ${kept.join(", ")}`);
    const split = Object.entries(seconds).map(([phase, took]) => `${phase} ${(took ?? 0).toFixed(1)} s`);
    const all = Object.values(seconds).reduce<number>((sum, took) => sum + (took ?? 0), 0);
    this.measured = { seconds: Math.round(all), phases: seconds };
    this.notes.push(`the cold start took ${all.toFixed(0)} s in ${starts} starts: ${split.join(", ")}`);
    return `${all.toFixed(0)} s in ${starts} starts${notInSet.length === 0 ? "" : `; asked for and not in the set: ${notInSet.join(", ")}`}`;
  }

  private async sameCheck(): Promise<string> {
    const now = await this.driftOf(this.again);
    must(now === this.drift, `it was ${this.drift}\nit is ${now}`);
    return now;
  }

  private async sameData(): Promise<string> {
    const now = await this.dataSums();
    must(now === this.sums, `they were\n${this.sums}they are\n${now}`);
    return `${now.trim().split("\n").length / 2} files, with their owners and modes`;
  }

  private async nothingLeft(): Promise<string> {
    const ran = await this.startFromSet("--server", this.server, "--json").ended;
    const { ok } = documentOf(ran) as RebuiltDocument;
    must(ok && ran.code === 0, `it ended with ${ran.code ?? "a signal"}: ${ran.stderr.trim().slice(-800)}`);
    return `${await this.sameCheck().then(() => "the same check")}, ${await this.sameData()}`;
  }
}

function documentOf({ code, stdout, stderr }: Ran): unknown {
  try {
    return JSON.parse(stdout);
  } catch {
    must(false, `it ended with ${code ?? "a signal"}: ${stderr.trim().slice(-1200)}`);
  }
}

function ended({ code, stderr }: Ran, wanted: number, what: string): void {
  must(code === wanted, `${what} ended with ${code ?? "a signal"}: ${stderr.trim().slice(-1200)}`);
}
