import { createHash, randomBytes } from "node:crypto";
import { spawn, spawnSync } from "node:child_process";
import { connect } from "node:http2";
import { Duplex } from "node:stream";
import { appendFileSync, chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, readdirSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full } from "../support/full";
import { BackupSite, finished, programsMissing } from "./backup-site";
import { runbookBlocks } from "./runbook";

const missing = programsMissing();
if (missing !== undefined) process.stderr.write(`backups are not tested against real programs: ${missing}\n`);

/** Turns one bit, as a drive may. */
function flip(path: string, bit: number): void {
  chmodSync(path, 0o600);
  const file = openSync(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, bit >> 3);
    byte.writeUInt8(byte.readUInt8(0) ^ (1 << (bit & 7)));
    writeSync(file, byte, 0, 1, bit >> 3);
  } finally {
    closeSync(file);
  }
}

/** restic's own protocol on the store's door, with requests that restic would not send. */
async function request(site: BackupSite, method: string, path: string, body?: string): Promise<number> {
  const child = spawn("ssh", [...site.sshArguments(), "serve restic --stdio"], { stdio: ["pipe", "pipe", "ignore"] });
  try {
    const session = connect("http://store", { createConnection: () => Duplex.from({ readable: child.stdout, writable: child.stdin }) });
    return await new Promise<number>((resolve, reject) => {
      session.on("error", reject);
      const stream = session.request({ ":method": method, ":path": path });
      stream.on("response", (headers) => { resolve(Number(headers[":status"])); session.destroy(); });
      stream.on("error", reject);
      stream.end(body);
    });
  } finally {
    child.kill();
    await new Promise((resolve) => child.once("close", resolve));
  }
}

describe.skipIf(missing !== undefined)("backups", () => {
  let site: BackupSite;
  const weights = randomBytes(300_000);
  beforeAll(async () => {
    site = await BackupSite.make();
    site.checkpoint(1000, { "state.pt": weights, "a name.txt": "rank 0" });
  });
  afterAll(async () => { await site.close(); });

  it("are made once in each interval, proved by reading back and restoring, and told as metrics", async () => {
    const first = await site.backUp();
    expect([first.code, first.stderr]).toEqual([0, "backup-run: checkpoints of gpu-01 is backed up\n"]);
    expect(site.status("source/source-checkpoints")).toMatchObject({ what: "gpu-01/checkpoints", error: "", every_hours: "24", bytes: String(weights.length + "rank 0".length + "1000\n".length + manifest().length) });
    expect(existsSync(site.path("warm/checkpoints/.backup"))).toBe(false);
    const again = await site.backUp();
    expect([again.code, again.stderr, site.snapshots()]).toEqual([0, "", [expect.any(String)]]);
    expect([site.metric("rackwright_backup_failed", "source"), site.metric("rackwright_backup_timestamp_seconds", "source")]).toEqual([0, Number(site.status("source/source-checkpoints")["last_success"])]);

    const kept = await site.keep();
    expect([kept.code, kept.stderr]).toEqual([0, ""]);
    expect(site.status("store/kept-gpu-01-checkpoints")).toMatchObject({ error: "", damaged: "no", restored_files: "3", restored_bytes: String(weights.length + "rank 0".length + "1000\n".length) });
    const now = Date.now() / 1000;
    for (const name of ["rackwright_backup_timestamp_seconds", "rackwright_backup_verified_timestamp_seconds"]) expect(now - (site.metric(name, "store") ?? 0)).toBeLessThan(120);
    expect([site.metric("rackwright_backup_failed", "store"), site.metric("rackwright_backup_damaged", "store")]).toEqual([0, 0]);
  });

  const manifest = (): string => ["state.pt", "a name.txt", ".complete"].sort().map((name) => `${sha(readFileSync(site.path("warm/checkpoints/tune/step-1000", name)))}  tune/step-1000/${name}\n`).join("");

  it("can neither be deleted nor overwritten with the server's own key, and the key opens nothing else", async () => {
    const before = site.files();
    const [snapshot = ""] = site.snapshots();
    const [pack = ""] = before.map(({ name }) => name).filter((name) => name.startsWith("data/")).map((name) => name.split("/").at(-1) ?? "");
    for (const path of [`/snapshots/${snapshot}`, `/data/${pack}`, ...before.filter(({ name }) => /^(index|keys)\//.test(name)).map(({ name }) => `/${name}`), "/config", "/"]) {
      expect([path, await request(site, "DELETE", path)]).toEqual([path, expect.toSatisfy((status: number) => status >= 400)]);
    }
    for (const path of [`/snapshots/${snapshot}`, "/config"]) expect([path, await request(site, "POST", path, "nothing")]).toEqual([path, 403]);
    for (const path of ["/../../etc-store/password", "/snapshots/../../../etc-store/password", "/snapshots/..%2f..%2f..%2fetc-store%2fpassword"]) {
      expect([path, await request(site, "GET", path)]).toEqual([path, expect.toSatisfy((status: number) => status >= 400)]);
    }
    expect(site.files()).toEqual(before);
    for (const command of ["sh", "rm -rf /", "rclone serve restic --stdio /", "serve sftp", "internal-sftp", ""]) {
      const run = await site.withKey(command);
      expect([command, run.code, run.stderr]).toEqual([command, 4, expect.stringContaining("opens the backup repository of gpu-01 and does nothing else")]);
    }
  });

  it.runIf(full)("are kept by restic's own forget with the server's key", async () => {
    const before = site.files();
    expect((await site.resticWithKey(["forget", "--prune", ...site.snapshots()])).code).not.toBe(0);
    expect(site.files()).toEqual(before);
  }, 300_000);

  it("with a turned bit in any file are found, and nothing of them is deleted any more", async () => {
    const files = site.files();
    expect(new Set(files.map(({ name }) => name.split("/")[0]))).toEqual(new Set(["config", "keys", "snapshots", "index", "data"]));
    const kinds = ["config", "keys", "snapshots", "index", "data"].map((kind) => files.find(({ name }) => name.startsWith(kind)) ?? expect.fail());
    for (const { name, size } of full ? files : kinds) {
      const bit = Math.floor(Math.random() * size * 8);
      flip(join(site.repository, name), bit);
      // Whatever part is read today.
      rmSync(site.path("store/read-gpu-01.status"), { force: true });
      const kept = await site.keep();
      expect([name, bit, kept.code, site.metric("rackwright_backup_damaged", "store")]).toEqual([name, bit, 4, 1]);
      expect(site.status("store/kept-gpu-01-checkpoints")).toMatchObject({ damaged: "yes", error: expect.stringMatching(/./) as string });
      flip(join(site.repository, name), bit);
    }
    expect(site.files()).toEqual(files);
    const well = await site.keep();
    expect([well.code, site.metric("rackwright_backup_damaged", "store")]).toEqual([0, 0]);
  }, full ? 600_000 : 60_000);

  it("fail with a wrong password, say so, and leave what is there", async () => {
    const before = site.snapshots();
    writeFileSync(site.path("etc-source/password"), "another\n");
    const run = await site.backUp("--now");
    expect([run.code, run.stderr]).toEqual([4, "backup-run: failed: checkpoints of gpu-01: the repository does not open with the password that this server has: rackwright:backupPassword is not the one that the repository was made with\n"]);
    expect(site.metric("rackwright_backup_failed", "source")).toBe(1);
    expect([run.stdout + run.stderr, JSON.stringify(site.status("source/source-checkpoints"))].join()).not.toContain("another\n");
    writeFileSync(site.path("etc-source/password"), "first-secret\n");
    expect(site.snapshots()).toEqual(before);
  });

  it("fail where the store cannot be reached, its host key is another, the tier is away or the repository is in use", async () => {
    const hosts = readFileSync(site.path("etc-source/known_hosts"), "utf8");
    const cases: [string, () => void, () => void, RegExp][] = [
      ["another host key", () => writeFileSync(site.path("etc-source/known_hosts"), hosts.replace(/ssh-ed25519 .*/, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIkzRIZLK6CHZpHv6R778lKRtfnFPfEeF1bY9YVCxP16")), () => writeFileSync(site.path("etc-source/known_hosts"), hosts), /Host key verification failed|HOST IDENTIFICATION/i],
      ["no tier", () => { mkdirSync(site.path("away")); renameTo(site.repository, site.path("away/gpu-01")); }, () => { renameTo(site.path("away/gpu-01"), site.repository); }, /there is no repository of gpu-01 in .*: is the tier mounted\?/],
    ];
    for (const [name, breaks, mends, message] of cases) {
      breaks();
      const run = await site.backUp("--now");
      mends();
      expect([name, run.code, run.stderr]).toEqual([name, 4, expect.stringMatching(message)]);
    }
    const holder = spawn("flock", [join(site.repositories, ".locks/gpu-01"), "sleep", "60"]);
    await expect.poll(async () => (await site.withKey("ready")).stderr, { timeout: 30_000 }).toMatch(/is in use/);
    expect((await site.backUp("--now")).stderr).toMatch(/the repository of gpu-01 is in use: it is being checked, or another backup runs/);
    const kept = await site.keep({ RACKWRIGHT_BACKUP_WAIT_SECONDS: "0" });
    expect([kept.code, kept.stderr]).toEqual([4, expect.stringMatching(/was in use for hours/)]);
    holder.kill("SIGKILL");
    // flock's child holds it too.
    await finished("bash", ["-c", `until flock --nonblock ${join(site.repositories, ".locks/gpu-01")} true; do fuser -k ${join(site.repositories, ".locks/gpu-01")}; sleep 0.05; done`]);
  });

  const renameTo = (from: string, to: string): void => { spawnSyncOrThrow("mv", [from, to]); };

  it("do not trust dates that a server gives its snapshots", async () => {
    const before = site.snapshots();
    const forged = await site.resticWithKey(["backup", "--tag", "checkpoints", "--host", "gpu-01", "--time", "2031-01-01 00:00:00", site.path("etc-source/known_hosts")]);
    expect(forged.code).toBe(0);
    const kept = await site.keep();
    expect([kept.code, kept.stderr]).toEqual([4, expect.stringMatching(/says that it is of 2031-01-01.* and came on .*Nothing is deleted/)]);
    expect(site.snapshots()).toEqual(expect.arrayContaining(before));
    expect(site.metric("rackwright_backup_failed", "store")).toBe(1);
    for (const name of site.snapshots()) if (!before.includes(name)) rmSync(join(site.repository, "snapshots", name), { force: true });
  });

  it("that are cut off by kill -9 leave those before whole, and the next one runs", async () => {
    const tries = full ? 20 : 2;
    for (let attempt = 0; attempt < tries; attempt += 1) {
      site.checkpoint(2000 + attempt, { "state.pt": randomBytes(3_000_000) });
      const child = spawn("bash", [join(__dirname, "../../components/servers/scripts/backup-run.sh"), ...site.sourceArguments(), "--now"], { stdio: "ignore", detached: true });
      const ended = new Promise((resolve) => child.once("close", resolve));
      await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 2500));
      try { process.kill(-(child.pid ?? 0), "SIGKILL"); } catch { /* it was done already */ }
      await ended;
      await finished("flock", [join(site.repositories, ".locks/gpu-01"), "true"]);
    }
    // Half of a file of restic's own, as a power cut of the store leaves it.
    mkdirSync(join(site.repositories, ".sessions/gpu-01"), { recursive: true });
    writeFileSync(join(site.repositories, ".sessions/gpu-01/open"), "");
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const folder of ["index", "snapshots"]) writeFileSync(join(site.repository, folder, sha(Buffer.from(folder))), "half");
    const next = await site.backUp("--now");
    expect([next.code, next.stderr]).toEqual([0, "backup-run: checkpoints of gpu-01 is backed up\n"]);
    expect(readdirSync(join(site.repositories, ".interrupted/gpu-01"))).toEqual(expect.arrayContaining([sha(Buffer.from("index")), sha(Buffer.from("snapshots"))]));
    const kept = await site.keep();
    expect([kept.code, kept.stderr]).toEqual([0, ""]);
    const restored = await site.restic(["dump", "latest", site.path("warm/checkpoints/.backup/tune", `step-${2000 + tries - 1}`, "state.pt")]);
    expect(sha(Buffer.from(restored.stdout, "latin1"))).toBe(sha(readFileSync(site.path("warm/checkpoints/tune", `step-${2000 + tries - 1}`, "state.pt"))));
  }, full ? 600_000 : 60_000);

  it("come back by the commands of the runbook", async () => {
    const here = (block: string): string => block
      .replaceAll("/srv/cold/backup", site.repositories).replaceAll("/srv/cold/restored", site.path("restored")).replaceAll("/srv/warm/restored/srv/warm", `${site.path("warm/restored")}${site.path("warm")}`).replaceAll("/srv/warm", site.path("warm"))
      .replaceAll("-p 22 rackwright-backup@10.0.0.9", site.sshArguments().slice(-3).join(" ")).replaceAll("/root/new-password", site.path("new-password"));
    const [look] = runbookBlocks("See what there is").map(here);
    const [onStore, onServer, inPlace] = runbookBlocks("Get checkpoints back").map(here);
    const [[aside], [password], [forget]] = ["A damaged repository", "Another password", "Somebody has had the key of a server"].map((heading) => runbookBlocks(heading).map(here)) as [string[], string[], string[]];
    const run = async (block: string | undefined, more = ""): Promise<string> => {
      const etc = block?.includes("rclone.program") === true ? "etc-source" : "etc-store";
      const setting = `export RESTIC_REPOSITORY=${site.repository} RESTIC_PASSWORD_FILE=${site.path("etc-store/password")}`;
      const { code, stdout, stderr } = await finished("bash", ["-euo", "pipefail", "-c", `${setting} ${more}\n${block ?? "false"}`.replaceAll("/etc/rackwright/backup", site.path(etc))]);
      expect([block, code, stderr]).toEqual([block, 0, expect.any(String)]);
      return stdout;
    };
    const newest = (): string => readdirSync(site.path("warm/checkpoints/tune")).map((name) => Number(name.slice(5))).sort((a, b) => a - b).at(-1)?.toString() ?? "";
    const step = newest();
    const original = sha(readFileSync(site.path("warm/checkpoints/tune", `step-${step}`, "state.pt")));
    expect(await run(look)).toContain(`tune/step-${step}/state.pt`);
    await run(onStore);
    rmSync(site.path("warm/checkpoints/tune"), { recursive: true });
    await run(onServer);
    await run(inPlace);
    expect(newest()).toBe(step);
    expect(sha(readFileSync(site.path("warm/checkpoints/tune", `step-${step}`, "state.pt")))).toBe(original);
    expect(existsSync(site.path("warm/restored"))).toBe(false);
    writeFileSync(site.path("new-password"), "second-secret\n");
    await run(password);
    writeFileSync(site.path("etc-source/password"), "second-secret\n");
    expect((await site.backUp("--now")).stderr).toBe("backup-run: checkpoints of gpu-01 is backed up\n");
    const [last = "", ...others] = site.snapshots();
    await run(forget, `SNAPSHOT=${last}`);
    expect(site.snapshots()).toEqual(others);
    await run(aside);
    expect(existsSync(`${site.repository}.damaged/config`)).toBe(true);
    spawnSyncOrThrow("mv", [`${site.repository}.damaged`, site.repository]);
    writeFileSync(site.path("etc-source/password"), "first-secret\n");
  });

  it("of a checkpoint whose files have changed under its manifest are refused", async () => {
    const folder = site.path("warm/checkpoints/tune/step-9000");
    site.checkpoint(9000, { "state.pt": "weights" });
    writeFileSync(join(folder, ".manifest.sha256"), `${sha(Buffer.from("weights"))}  state.pt\n`);
    appendFileSync(join(folder, "state.pt"), "?");
    const run = await site.backUp("--now");
    expect([run.code, run.stderr]).toEqual([4, expect.stringMatching(/step-9000 does not have the checksums that it was written with/)]);
    rmSync(folder, { recursive: true });
  });
});

/** A small file system of its own, where this machine lets a test have one. */
const small = missing === undefined && process.getuid?.() === 0 && spawnSync("bash", ["-c", "d=$(mktemp -d) && mount -t tmpfs -o size=1m tmpfs $d && umount $d && rmdir $d"]).status === 0;
if (!small) process.stderr.write("no file system can be mounted here: a full cold tier was not tested\n");

describe.skipIf(!small)("a full cold tier", () => {
  it("ends a backup with a clear error, and those before stay whole", async () => {
    const folder = (await finished("mktemp", ["-d"])).stdout.trim();
    await finished("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", folder]);
    const site = await BackupSite.make(folder);
    try {
      site.checkpoint(1, { "state.pt": "small" });
      expect((await site.backUp()).code).toBe(0);
      const before = site.snapshots();
      if (full) {
        site.checkpoint(2, { "state.pt": randomBytes(30_000_000) });
        const midway = await site.backUp("--now");
        expect([midway.code, midway.stderr]).toEqual([4, expect.stringMatching(/checkpoints of gpu-01: .+/)]);
        rmSync(site.path("warm/checkpoints/tune/step-2"), { recursive: true });
      }
      await finished("bash", ["-c", `head -c 12500000 /dev/zero >${folder}/filler`]);
      const run = await site.backUp("--now");
      expect([run.code, run.stderr]).toEqual([4, expect.stringMatching(/the tier that keeps backups is full: \d+ MiB of 12 MiB are free/)]);
      expect(site.metric("rackwright_backup_failed", "source")).toBe(1);
      rmSync(join(folder, "filler"));
      expect(site.snapshots()).toEqual(before);
      expect((await site.backUp("--now")).code).toBe(0);
      expect((await site.restic(["check", "--read-data"])).code).toBe(0);
    } finally {
      await site.close();
      await finished("umount", ["--lazy", folder]);
      rmSync(folder, { recursive: true, force: true });
    }
  }, full ? 300_000 : 60_000);
});

function sha(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function spawnSyncOrThrow(program: string, args: readonly string[]): void {
  const { status } = spawnSync(program, args);
  if (status !== 0) throw new Error(`${program} ended with ${String(status)}`);
}
