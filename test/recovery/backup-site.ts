import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeKey, startSshd, type Sshd } from "../engine/command-provider/sshd";
import { scriptsFolder, type Finished } from "../servers/host-script";

/** What keeps the tests of backups from running here, in words. */
export function programsMissing(): string | undefined {
  const missing = [["restic", "version"], ["rclone", "version"], ["sqlite3", "--version"]].filter(([program = "", flag = ""]) => spawnSync(program, [flag]).status !== 0).map(([program]) => program);
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

/** A server with checkpoints, and the server that keeps its backups: real restic, rclone and sshd, each in folders of its own. */
export class BackupSite {
  private constructor(readonly root: string, private readonly sshd: Sshd) {}

  /** @param store where repositories lie; absent: a folder of the site's own. @param door what the environment of the store's door has besides. */
  static async make(store?: string, door: Readonly<Record<string, string>> = {}): Promise<BackupSite> {
    const root = mkdtempSync(join(tmpdir(), "rackwright-backup-"));
    const repositories = store ?? join(root, "cold");
    for (const folder of ["source", "store", "metrics", "warm", "etc-source", "etc-store"]) mkdirSync(join(root, folder));
    for (const folder of [".locks", ".sessions/gpu-01", ".interrupted/gpu-01"]) mkdirSync(join(repositories, folder), { recursive: true });
    const key = makeKey(join(root, "etc-source"), "key");
    // The programs of whoever runs the tests, on both sides.
    const environment = Object.entries({ PATH: process.env["PATH"] ?? "", ...door }).map(([name, value]) => `${name}='${value}'`);
    const sshd = await startSshd([`restrict,command="${environment.join(" ")} bash ${join(scriptsFolder, "backup-door.sh")} gpu-01 ${repositories}" ${key.publicKey}`]);
    writeFileSync(join(root, "etc-source/known_hosts"), `[127.0.0.1]:${sshd.port} ${sshd.hostKey}\n`);
    for (const side of ["etc-source", "etc-store"]) writeFileSync(join(root, side, "password"), "first-secret\n");
    const site = new BackupSite(root, sshd);
    site.repositories = repositories;
    await site.restic(["init"]);
    return site;
  }

  repositories = "";

  get repository(): string {
    return join(this.repositories, "gpu-01");
  }

  get place(): string[] {
    return ["--store", `${this.sshd.user}@127.0.0.1:${this.sshd.port}`];
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  /** A whole checkpoint of the job `tune`, with files of these contents. */
  checkpoint(step: number, files: Readonly<Record<string, string | Buffer>>): void {
    const folder = this.path("warm/checkpoints/tune", `step-${step}`);
    mkdirSync(folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    writeFileSync(join(folder, ".complete"), `${step}\n`);
  }

  sourceArguments(contents = ["--checkpoints", `tune:1:yes=${this.path("warm/checkpoints/tune")}`]): string[] {
    return ["--server", "gpu-01", "--every-hours", "24", ...contents, ...this.place, "--metrics-folder", this.path("metrics"), "--settings", this.path("etc-source"), "--state", this.path("source")];
  }

  /** One run on the server that is backed up. */
  backUp(...more: string[]): Promise<Finished> {
    return this.script("backup-run.sh", [...this.sourceArguments(), ...more]);
  }

  /** One run on a control-plane server, now. @param environment says where k3s is. */
  backUpCluster(datastore: "sqlite" | "etcd", environment: Readonly<Record<string, string>>): Promise<Finished> {
    return this.script("backup-run.sh", [...this.sourceArguments(["--cluster", datastore]), "--now"], environment);
  }

  keepArguments(contents = "checkpoints"): string[] {
    return ["--repository", `gpu-01=${contents}`, "--folder", this.repositories, "--keep-daily", "7", "--keep-weekly", "4", "--metrics-folder", this.path("metrics"), "--settings", this.path("etc-store"), "--state", this.path("store")];
  }

  /** One run on the server that keeps backups. */
  keep(environment: Readonly<Record<string, string>> = {}, contents?: string): Promise<Finished> {
    return this.script("backup-keep.sh", this.keepArguments(contents), environment);
  }

  script(name: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Finished> {
    return finished("bash", [join(scriptsFolder, name), ...args], { env: { ...process.env, ...environment } });
  }

  /** restic on the server that keeps backups, as an administrator uses it. */
  restic(args: readonly string[], repository = this.repository): Promise<Finished> {
    return finished("restic", ["--repo", repository, "--password-file", this.path("etc-store/password"), "--no-cache", ...args]);
  }

  /** What a person who has taken the server gpu-01 can send with its key. */
  withKey(command: string): Promise<Finished> {
    return finished("ssh", [...this.sshArguments(), command]);
  }

  /** restic with the key of gpu-01, by way of the store's door. */
  resticWithKey(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Finished> {
    return finished("restic", ["--option", `rclone.program=ssh ${this.sshArguments().join(" ")}`, "--repo", "rclone:gpu-01", "--password-file", this.path("etc-source/password"), "--no-cache", ...args], { env: { ...process.env, ...environment } });
  }

  sshArguments(): string[] {
    return ["-F", "none", "-i", this.path("etc-source/key"), "-o", `UserKnownHostsFile=${this.path("etc-source/known_hosts")}`, "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "LogLevel=ERROR", "-p", String(this.sshd.port), `${this.sshd.user}@127.0.0.1`];
  }

  snapshots(): string[] {
    return readdirSync(join(this.repository, "snapshots")).sort();
  }

  /** Every file of the repository, relative to it, with its size. */
  files(): { name: string; size: number }[] {
    return readdirSync(this.repository, { recursive: true, encoding: "utf8" }).flatMap((name) => {
      const stat = statSync(join(this.repository, name));
      return stat.isFile() && stat.size > 0 ? [{ name, size: stat.size }] : [];
    });
  }

  /** A sample of the two textfiles; undefined where there is none. */
  metric(name: string, file: "source" | "store", content = "checkpoints"): number | undefined {
    const path = this.path("metrics", `backup-${file}.prom`);
    const line = existsSync(path) ? readFileSync(path, "utf8").split("\n").find((each) => each.startsWith(`${name}{what="gpu-01/${content}"} `)) : undefined;
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  }

  status(file: "source/source-checkpoints" | "store/kept-gpu-01-checkpoints"): Record<string, string> {
    return Object.fromEntries(readFileSync(this.path(`${file}.status`), "utf8").trim().split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  }

  async close(): Promise<void> {
    await this.sshd.stop();
    rmSync(this.root, { recursive: true, force: true });
  }
}

export function finished(program: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv } = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString("latin1")));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString("latin1")));
    child.on("error", reject);
    child.on("close", (code) => { resolve({ code, stdout, stderr }); });
  });
}
