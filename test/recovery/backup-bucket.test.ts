import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { programs } from "../../rehearsal/control-plane/programs";
import { hasNamespaces, ScratchHost } from "../cluster/scratch-host";
import { endProcess, freePort } from "../engine/command-provider/sshd";
import type { Finished } from "../servers/host-script";
import { packages, systemctl } from "../servers/scratch-stubs";
import { controlPlaneTimeout } from "../support/control-plane";
import { finished, programsMissing } from "./backup-site";

const missing = programsMissing() ?? (hasNamespaces() ? undefined : "unshare gives no mounts here (a kernel without user namespaces)");
if (missing !== undefined) process.stderr.write(`backups to an object store were not tested: ${missing}\n`);

/** rclone's own S3 server, which checks signatures, before a folder. */
class ObjectStore {
  private process: ChildProcess | undefined;
  private constructor(private readonly program: string, readonly folder: string, readonly port: number) {}

  static async make(): Promise<ObjectStore> {
    const { rclone } = await programs(["rclone"], { onProgress: (line) => void process.stderr.write(`   ${line}\n`) });
    const folder = mkdtempSync(join(tmpdir(), "rackwright-s3-"));
    mkdirSync(join(folder, "plant"));
    return new ObjectStore(rclone, folder, await freePort());
  }

  async start(keys = "plant-id,plant-secret"): Promise<void> {
    this.process = spawn(this.program, ["serve", "s3", "--config", "/dev/null", "--auth-key", keys, "--addr", `127.0.0.1:${this.port}`, this.folder], { stdio: "ignore" });
    while (this.process.exitCode === null && !(await listens(this.port))) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    if (this.process !== undefined) await endProcess(this.process);
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTo({ host: "127.0.0.1", port });
    socket.once("connect", () => { socket.destroy(); resolve(true); });
    socket.once("error", () => { resolve(false); });
  });
}

describe.skipIf(missing !== undefined)("backups to the site's object store", { timeout: 120_000 }, () => {
  let store: ObjectStore;
  let host: ScratchHost;
  const weights = randomBytes(200_000);
  beforeAll(async () => {
    store = await ObjectStore.make();
    await store.start();
    host = new ScratchHost({ systemctl, ...packages, "apt-get": "exit 0", rclone: 'exec /usr/bin/rclone "$@"' });
    for (const name of ["restic", "rclone"]) host.write(`/run/packages/${name}`, "");
    checkpoint(1000);
  }, controlPlaneTimeout);
  afterAll(async () => {
    await store.stop();
    host.remove();
    rmSync(store.folder, { recursive: true, force: true });
  });

  const checkpoint = (step: number): void => {
    host.write(`/srv/warm/checkpoints/tune/step-${step}/.complete`, `${step}\n`);
    writeFileSync(host.path(`/srv/warm/checkpoints/tune/step-${step}/state.pt`), weights);
  };
  const connect = (keys = "plant-id\nplant-secret\n"): Promise<Finished> => host.run("object-store.sh", ["apply", "--endpoint", store.url, "--bucket", "plant", "--region", "us-east-1"], keys);
  const repositories = (): Promise<Finished> => host.run("backup-store.sh", ["apply", "--repository", "gpu-01=checkpoints", "--bucket", "plant/backup", "--keep-daily", "7", "--keep-weekly", "4"], "password first-secret\n");
  const backUp = (): Promise<Finished> => host.run("backup-run.sh", ["--server", "gpu-01", "--every-hours", "24", "--checkpoints", "tune:1:yes=/srv/warm/checkpoints/tune", "--bucket", "plant/backup", "--metrics-folder", "/var/lib/metrics", "--now"]);
  const keep = (): Promise<Finished> => host.run("backup-keep.sh", ["--repository", "gpu-01=checkpoints", "--bucket", "plant/backup", "--keep-daily", "7", "--keep-weekly", "4", "--metrics-folder", "/var/lib/metrics"]);
  const failed = (side: "source" | "store"): boolean => host.read(`/var/lib/metrics/backup-${side}.prom`).includes('rackwright_backup_failed{what="gpu-01/checkpoints"} 1');
  const password = (value: string): Promise<void> => {
    host.write("/etc/rackwright/backup/password", `${value}\n`);
    return Promise.resolve();
  };
  /** The server remembers folders: it is started anew. */
  const moved = async (from: string, to: string): Promise<void> => {
    await store.stop();
    renameSync(join(store.folder, from), join(store.folder, to));
    await store.start();
  };
  const snapshots = (): string[] => readdirSync(join(store.folder, "plant/backup/gpu-01/snapshots")).sort();

  it("are made, read back, tried and thinned out, and come back with the keys that the server has", async () => {
    host.write("/var/lib/metrics/.keep", "");
    expect((await connect("plant-id\nanother-secret\n")).stderr).toMatch(/the bucket plant at .* cannot be listed: /);
    expect((await connect()).code).toBe(0);
    expect((await backUp()).stderr).toMatch(/\/etc\/rackwright\/backup\/password: No such file|there is no repository of gpu-01 in plant\/backup of the object store/);
    const made = await repositories();
    expect([made.code, made.stderr]).toEqual([0, expect.stringContaining("made the repository rclone:cold:plant/backup/gpu-01")]);
    const again = await repositories();
    expect([again.code, JSON.parse(again.stdout)]).toEqual([0, expect.objectContaining({ changed: [] })]);
    for (const step of [1000, 2000]) {
      checkpoint(step);
      const run = await backUp();
      expect([run.code, run.stderr]).toEqual([0, "backup-run: checkpoints of gpu-01 is backed up\n"]);
    }
    expect(snapshots()).toHaveLength(2);
    const looked = await keep();
    expect([looked.code, looked.stderr, snapshots().length, failed("store")]).toEqual([0, "", 1, false]);
    const back = await finished("restic", ["--repo", "rclone:cold:plant/backup/gpu-01", "--password-file", host.path("/etc/rackwright/backup/password"), "--no-cache", "dump", "latest", "/srv/warm/checkpoints/.backup/tune/step-2000/state.pt"], { env: { PATH: process.env["PATH"], RCLONE_CONFIG: host.path("/etc/rackwright/rclone.conf") } });
    expect([back.code, back.stderr]).toEqual([0, ""]);
    expect(Buffer.from(back.stdout, "latin1").equals(weights)).toBe(true);
  });

  it.each<[string, () => Promise<void>, () => Promise<void>, RegExp]>([
    ["the store has another key", async () => { await store.stop(); await store.start("plant-id,another"); }, async () => { await store.stop(); await store.start(); }, /the object store does not answer as it should: .*(403|Forbidden|SignatureDoesNotMatch|AccessDenied)/],
    ["nobody answers", async () => { await store.stop(); }, async () => { await store.start(); }, /the object store does not answer as it should: .*connection refused/],
    ["the repository is gone", () => moved("plant/backup", "plant/away"), () => moved("plant/away", "plant/backup"), /there is no repository of gpu-01 in plant\/backup of the object store/],
    ["the password is another", () => password("another"), () => password("first-secret"), /does not open with the password that this server has/],
  ])("fail where %s, say so at once, and leave those before", async (_, breaks, mends, message) => {
    const before = snapshots();
    await breaks();
    try {
      for (const [side, run] of [["source", backUp], ["store", keep]] as const) {
        const ended = await run();
        expect([side, ended.code, ended.stderr]).toEqual([side, 4, expect.stringMatching(message)]);
        expect(failed(side)).toBe(true);
      }
    } finally {
      await mends();
    }
    expect(snapshots()).toEqual(before);
    expect([(await backUp()).code, (await keep()).code, failed("source"), failed("store")]).toEqual([0, 0, false, false]);
  });

  it("with a turned bit are found, and nothing is deleted any more", async () => {
    const root = join(store.folder, "plant/backup/gpu-01");
    const [pack = ""] = readdirSync(join(root, "data"), { recursive: true, encoding: "utf8" }).filter((name) => /[0-9a-f]{64}$/.test(name));
    const whole = readFileSync(join(root, "data", pack));
    const turned = Buffer.from(whole);
    turned.writeUInt8(turned.readUInt8(50) ^ 1, 50);
    writeFileSync(join(root, "data", pack), turned);
    rmSync(host.path("/var/lib/rackwright/backup/read-gpu-01.status"));
    const before = snapshots();
    const looked = await keep();
    expect([looked.code, snapshots(), host.read("/var/lib/metrics/backup-store.prom").includes('rackwright_backup_damaged{what="gpu-01/checkpoints"} 1')]).toEqual([4, before, true]);
    writeFileSync(join(root, "data", pack), whole);
    expect((await keep()).code).toBe(0);
  });
});
