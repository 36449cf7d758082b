import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { coldStartScript } from "../../cli/cold-start/host";
import { endProcess } from "../engine/command-provider/sshd";

/** Arguments of a shell, before those of the script. */
const script = ["-c", coldStartScript(), "cold-start"];
let folder: string;
let writing: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rackwright-k3s-"));
  for (const name of ["bin", "work", "k3s/server/db", "k3s/server/tls", "k3s/server/cred"]) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, "k3s/server/token"), "K10::server:secret\n", { mode: 0o600 });
  writeFileSync(join(folder, "k3s/server/tls/server-ca.key"), "a key\n", { mode: 0o600 });
  writeFileSync(join(folder, "k3s/server/cred/passwd"), "a password\n", { mode: 0o600 });
});
afterEach(async () => {
  if (writing !== undefined) await endProcess(writing);
  writing = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** A verb of the script, as the command of a cold start runs it on a server. */
function verb(words: readonly string[], input?: Buffer): { status: number | null; stdout: Buffer; stderr: string } {
  const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`, COLD_START_WORK: join(folder, "work"), COLD_START_TURN: join(folder, "turn"), COLD_START_K3S_FOLDER: join(folder, "k3s"), COLD_START_UNPRIVILEGED: "1" };
  const { status, stdout, stderr } = spawnSync("bash", [...script, ...words], { env, ...(input === undefined ? {} : { input }), maxBuffer: 1 << 28 });
  return { status, stdout, stderr: stderr.toString() };
}

/** What the set keeps of the cluster, laid where a rebuild lays it. */
function keptAndLaid(reason = ""): string {
  const data = verb(["k3s-data"]);
  expect([data.status, data.stdout.toString().trim()], data.stderr).toEqual([0, reason]);
  const archive = verb(["k3s"]);
  expect(archive.status, archive.stderr).toBe(0);
  // Nothing of it stays on the server.
  expect(readdirSync(join(folder, "work"))).toEqual([]);
  const laid = verb(["cluster", "2026-11-26T07-30-00Z"], archive.stdout);
  expect(laid.status, laid.stderr).toBe(0);
  const place = join(folder, "work/k3s-saved/2026-11-26T07-30-00Z");
  expect(statSync(place).mode & 0o777).toBe(0o700);
  expect(spawnSync("sha256sum", ["--check", "--strict", "--quiet", "manifest.sha256"], { cwd: place, encoding: "utf8" })).toMatchObject({ status: 0, stdout: "" });
  expect(readFileSync(join(place, "token"), "utf8")).toBe("K10::server:secret\n");
  return place;
}

describe("the cluster in a set", { timeout: 60_000 }, () => {
  it("is one moment of its SQLite database while somebody writes to it, with token and keys", () => {
    if (spawnSync("sqlite3", ["--version"]).status !== 0) {
      process.stderr.write("sqlite3 is not installed here: no database was copied\n");
      return;
    }
    const database = join(folder, "k3s/server/db/state.db");
    execFileSync("sqlite3", [database, "PRAGMA journal_mode=WAL; CREATE TABLE kine (id INTEGER PRIMARY KEY, name TEXT, value BLOB); INSERT INTO kine SELECT value, '/registry/' || value, randomblob(2000) FROM generate_series(1, 3000);"], { stdio: "ignore" });
    writing = spawn("bash", ["-c", 'n=3000; while n=$((n + 1)); do echo "INSERT INTO kine VALUES ($n, \'/registry/$n\', randomblob(500));"; sleep 0.002; done | sqlite3 -bail -cmd ".timeout 30000" "$1"', "bash", database], { stdio: "ignore", detached: true });
    const place = keptAndLaid();
    const [whole, rows, newest] = execFileSync("sqlite3", [join(place, "state.db"), "PRAGMA integrity_check; SELECT count(*) FROM kine; SELECT max(id) FROM kine"], { encoding: "utf8" }).split("\n");
    expect([whole, rows]).toEqual(["ok", newest]);
    expect(Number(rows)).toBeGreaterThanOrEqual(3000);
    expect(readdirSync(place).sort()).toEqual(["cred", "manifest.sha256", "state.db", "tls", "token"]);
    process.kill(-(writing.pid ?? 0), "SIGKILL");
  });

  it("is a snapshot that k3s makes where its data is in etcd", () => {
    stubK3s('[[ "$*" == "etcd-snapshot save --name rackwright --dir "* ]] || exit 9; echo saved >&2; cp "${0%/*}/../snapshot" "$6/rackwright-gpu-01-1700000000"');
    writeFileSync(join(folder, "snapshot"), Buffer.concat([Buffer.from("content"), createHash("sha256").update("content").digest()]));
    const place = keptAndLaid();
    expect(readFileSync(join(place, "rackwright-gpu-01-1700000000"))).toEqual(readFileSync(join(folder, "snapshot")));
  });

  it("has no snapshot that is not what etcd wrote, and says so", () => {
    stubK3s('echo content >"$6/rackwright-gpu-01-1700000000"');
    const place = keptAndLaid("the snapshot that k3s etcd-snapshot save made does not have the checksum that etcd gave it");
    expect(readdirSync(place).sort()).toEqual(["cred", "manifest.sha256", "tls", "token"]);
  });

  it("has token and keys and no data where that cannot be copied, and says why", () => {
    stubK3s('echo "starting" >&2; mkdir -p "$6"; echo half >"$6/rackwright-half"; echo "etcdserver: no leader" >&2; exit 1');
    const place = keptAndLaid("k3s etcd-snapshot save failed: etcdserver: no leader");
    expect(readdirSync(place).sort()).toEqual(["cred", "manifest.sha256", "tls", "token"]);
  });

  it("is nothing where there is none", () => {
    rmSync(join(folder, "k3s"), { recursive: true });
    expect([verb(["k3s-data"]), verb(["k3s"])]).toMatchObject([{ status: 0, stdout: Buffer.alloc(0) }, { status: 0, stdout: Buffer.alloc(0) }]);
  });
});

function stubK3s(body: string): void {
  writeFileSync(join(folder, "bin/k3s"), `#!/bin/bash\n${body}\n`);
  chmodSync(join(folder, "bin/k3s"), 0o755);
}

describe("an image on a server", () => {
  const sum = (text: string): string => createHash("sha256").update(text).digest("hex");

  it("takes its place whole: one whose connection broke leaves nothing, and what was there stays", () => {
    expect(verb(["image", "a%3A1.tar", sum("whole")], Buffer.from("whole")).status).toBe(0);
    expect(verb(["image", "a%3A1.tar", sum("another")], Buffer.from("anot"))).toMatchObject({ status: 4, stderr: expect.stringContaining("the connection broke") as string });
    expect(readdirSync(join(folder, "k3s/agent/images"))).toEqual(["a%3A1.tar"]);
    expect(verb(["images"]).stdout.toString()).toBe(`${sum("whole")}  a%3A1.tar\n`);
  });
});

describe("a start before this one", { timeout: 30_000 }, () => {
  it("that hangs on a server, for its client is gone, is ended; one that works is waited for", async () => {
    const env = { ...process.env, COLD_START_TURN: join(folder, "turn"), COLD_START_TURN_SECONDS: "2", COLD_START_WORK: join(folder, "work"), COLD_START_UNPRIVILEGED: "1" };
    // Waits for an archive that nobody sends.
    const hanging = spawn("bash", [...script, "restore", join(folder, "data")], { env, stdio: ["pipe", "ignore", "ignore"] });
    await expect.poll(() => existsSync(join(folder, "data/.rackwright-restore")), { timeout: 10_000 }).toBe(true);
    const archive = execFileSync("tar", ["--create", "--directory", join(folder, "k3s"), "server/token"]);
    const next = spawnSync("bash", [...script, "restore", join(folder, "data")], { env, input: archive });
    expect([next.status, next.stderr.toString()]).toEqual([0, expect.stringMatching(/of an earlier start is ended/) as string]);
    expect(readFileSync(join(folder, "data/server/token"), "utf8")).toBe("K10::server:secret\n");
    await expect.poll(() => hanging.exitCode ?? hanging.signalCode, { timeout: 10_000 }).not.toBeNull();
  });
});
