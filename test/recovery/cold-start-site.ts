import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { Crypter } from "../../engine/state/secrets";
import { makeKey, type KeyPair } from "../engine/command-provider/sshd";
import { ProjectCopy, type CommandResult } from "../support/project-copy";
import { environmentOf, Machine, startMirror, type TestMirror } from "./cold-start-machine";

export const passphrase = "correct horse battery staple";

/** Packages that the machine's steps install; the last one no plan names. */
const installed = ["mdadm", "nvme-cli", "linux-headers-test"];

/** The nth of the moments (see kill-at.cjs) whose description matches, of all where nothing is said. */
export interface Moment {
  nth: number;
  of?: string;
}

export interface Started extends CommandResult {
  killed: boolean;
}

/** A site of one machine that `up` has made, and the project that made it: the commands are run as a user runs them. */
export class ColdStartSite {
  readonly folder = mkdtempSync(join(tmpdir(), "rackwright-site-"));
  readonly coldTier = join(this.folder, "cold");
  readonly project = new ProjectCopy();
  readonly login: KeyPair;
  private mirror!: TestMirror;
  machine!: Machine;
  /** A second server, which keeps sets. */
  store: Machine | undefined;

  private constructor() {
    delete process.env["SSH_AUTH_SOCK"];
    this.login = makeKey(this.folder, "login");
    mkdirSync(this.coldTier);
  }

  static async start(options: { store?: boolean } = {}): Promise<ColdStartSite> {
    const site = new ColdStartSite();
    site.mirror = await startMirror();
    site.machine = await Machine.start(site.login, { keyring: site.mirror.keyring, wanted: installed });
    const { machine } = site;
    writeFileSync(machine.path("apt/etc/apt/sources.list"), site.mirror.sources(machine.folder));
    mkdirSync(machine.path("tiers/kept/deep"), { recursive: true });
    writeFileSync(machine.path("tiers/kept/weights.bin"), Buffer.alloc(300_000, 3), { mode: 0o640 });
    writeFileSync(machine.path("tiers/kept/deep/a name with spaces"), "odd");
    if (options.store === true) {
      site.store = await Machine.start(site.login, { keyring: site.mirror.keyring, wanted: installed });
      writeFileSync(site.store.path("apt/etc/apt/sources.list"), site.mirror.sources(site.store.folder));
    }
    const crypter = await Crypter.open(passphrase);
    const config = { "rackwright:environment": environmentOf({ "gpu-01": machine, ...(site.store === undefined ? {} : { "store-01": site.store }) }), "rackwright:sshPrivateKey": { secure: crypter.encrypt(site.login.privateKey) } };
    site.project.writeStack("here", stringify({ encryptionsalt: crypter.salt, config }));
    return site;
  }

  run(words: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
    return this.project.run([...words], { env: { PULUMI_CONFIG_PASSPHRASE: passphrase, ...env } });
  }

  /** Runs a command that is killed at one of its moments; one that has fewer ends by itself. */
  private async runKilledAt({ nth, of = "" }: Moment, words: readonly string[]): Promise<Started> {
    const own = [".rackwright/state", ".rackwright/cold-start", "stacks"].map((name) => join(this.project.folder, name));
    const ran = await this.run(words, { NODE_OPTIONS: `--require ${join(__dirname, "kill-at.cjs")}`, KILL_BELOW: [this.coldTier, ...own].join(":"), KILL_AT: String(nth), KILL_ON: of });
    return { ...ran, killed: ran.signal === "SIGKILL" };
  }

  private async start(words: readonly string[], moment: Moment | undefined): Promise<Started> {
    return moment === undefined ? { ...(await this.run(words)), killed: false } : this.runKilledAt(moment, words);
  }

  save(moment?: Moment, place = this.coldTier): Promise<Started> {
    return this.start(["cold-start", "here", "--save", place], moment);
  }

  rebuild(moment?: Moment, place = this.coldTier): Promise<Started> {
    return this.start(["cold-start", "here", "--from", place, "--yes", "--host-key", `gpu-01=${this.machine.hostKey}`, ...["package", "project", "state"].flatMap((kind) => ["--without", kind])], moment);
  }

  /** The server, its package sources, and what the project knows of it are gone; a blank one is at its address. */
  async destroy(): Promise<void> {
    const { folder, port } = this.machine;
    const keyring = readFileSync(this.machine.path("apt/mirror.gpg"));
    const sources = readFileSync(this.machine.path("apt/etc/apt/sources.list"), "utf8");
    await this.machine.stop();
    await this.mirror.close();
    for (const name of [".rackwright/state", ...(this.store === undefined ? ["stacks/Pulumi.here.yaml"] : [])]) rmSync(join(this.project.folder, name), { recursive: true });
    this.machine = await Machine.start(this.login, { keyring, sources, port, at: folder, wanted: installed });
  }

  /** What a rebuild is to bring back and what it is to leave behind: the server's files, and those of the project. */
  whatIsThere(): Record<string, string> {
    const listed = (folder: string, what: string): string => execFileSync("bash", ["-c", `cd "$1" 2>/dev/null && find ${what} -type f -printf '%m %P ' -exec sha256sum {} \\; | sort || true`, "bash", folder], { encoding: "utf8" });
    const { machine, project } = this;
    const state = JSON.parse(readFileSync(join(project.folder, ".rackwright/state/here.json"), "utf8")) as { deployment: { resources: object[]; pending_operations?: object[] } };
    return {
      hostKeys: listed(machine.folder, "ssh"),
      data: listed(machine.folder, "tiers"),
      steps: listed(machine.folder, "applied"),
      aptSettings: listed(machine.folder, "apt/etc/apt/apt.conf.d apt/etc/apt/sources.list"),
      leftovers: listed(machine.folder, "work"),
      packages: readdirSync(machine.path("apt/var/cache/apt/archives")).filter((name) => name.endsWith(".deb")).sort().join(" "),
      environment: readFileSync(join(project.folder, "stacks/Pulumi.here.yaml"), "utf8"),
      resources: createHash("sha256").update(JSON.stringify(state.deployment.resources)).digest("hex"),
      pending: JSON.stringify(state.deployment.pending_operations ?? []),
      projectsFiles: [".rackwright/state", ".rackwright/cold-start", "stacks"].flatMap((name) => (existsSync(join(project.folder, name)) ? readdirSync(join(project.folder, name)) : [])).filter((name) => name !== "here.json").sort().join(" "),
    };
  }

  async stop(): Promise<void> {
    await this.machine.stop();
    await this.store?.stop();
    await this.mirror.close().catch(() => undefined);
    this.project.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
