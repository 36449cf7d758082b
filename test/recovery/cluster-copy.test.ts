import { spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full } from "../support/full";
import { BackupSite, finished, programsMissing } from "./backup-site";

/** So many that copying takes longer than the pause between two writes: what begins anew with each of them never ends. */
const rows = full ? 40_000 : 4000;

const missing = programsMissing();
if (missing !== undefined) process.stderr.write(`copies of the cluster's data are not tested against real programs: ${missing}\n`);

/** kine's table, which is what k3s has in SQLite. */
const schema = "PRAGMA journal_mode=WAL; CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created INTEGER, deleted INTEGER, create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB); CREATE UNIQUE INDEX kine_name_prev_revision_uindex ON kine (name, prev_revision);";

describe.skipIf(missing !== undefined)("a copy of the cluster's data", () => {
  let site: BackupSite;
  let environment: Record<string, string>;
  beforeAll(async () => {
    site = await BackupSite.make();
    for (const folder of ["k3s/server/db", "k3s/server/cred", "k3s/server/tls/etcd", "bin"]) mkdirSync(site.path(folder), { recursive: true });
    for (const name of ["token", "cred/passwd", "tls/server-ca.key", "tls/etcd/server-ca.key"]) writeFileSync(site.path("k3s/server", name), `${name}\n`);
    environment = { RACKWRIGHT_K3S_DATA: site.path("k3s"), PATH: `${site.path("bin")}:${process.env["PATH"] ?? ""}` };
  });
  afterAll(async () => { await site.close(); });

  const state = (): string => site.path("k3s/server/db/state.db");
  const query = (database: string, sql: string): string => spawnSync("sqlite3", ["-bail", database, sql], { encoding: "utf8" }).stdout.trim();
  const restored = async (): Promise<string> => {
    rmSync(site.path("restored"), { recursive: true, force: true });
    expect((await site.restic(["restore", "latest", "--tag", "cluster", "--target", site.path("restored")])).code).toBe(0);
    return `${site.path("restored")}${site.path("source/stage-cluster")}`;
  };
  const failure = async (datastore: "sqlite" | "etcd"): Promise<string> => {
    const before = site.snapshots();
    const run = await site.backUpCluster(datastore, environment);
    expect([run.code, site.snapshots(), site.metric("rackwright_backup_failed", "source", "cluster")]).toEqual([4, before, 1]);
    return run.stderr;
  };

  describe("in SQLite", () => {
    it("is one moment of it, while something is written every millisecond or two", async () => {
      query(state(), `${schema} INSERT INTO kine (name, prev_revision, value) SELECT '/registry/' || value, value, zeroblob(4000) FROM generate_series(1, ${rows});`);
      const writer = spawn("bash", ["-c", `exec 3<> <(:); n=${rows}; while n=$((n + 1)); do echo "INSERT INTO kine (name, prev_revision, value) VALUES ('/registry/$n', $n, randomblob(1000));"; read -r -t 0.001 -u 3; done | sqlite3 -bail -cmd '.timeout 30000' "$0"`, state()], { detached: true, stdio: "ignore" });
      try {
        await expect.poll(() => Number(query(state(), "SELECT count(*) FROM kine"))).toBeGreaterThan(rows + 10);
        const [before, run] = [Number(query(state(), "SELECT max(id) FROM kine")), await site.backUpCluster("sqlite", environment)];
        const after = Number(query(state(), "SELECT max(id) FROM kine"));
        expect([run.code, run.stderr]).toEqual([0, "backup-run: cluster of gpu-01 is backed up\n"]);
        expect(after).toBeGreaterThan(before + 10);
        const folder = await restored();
        const [count = 0, newest = 0, names = 0] = query(`${folder}/state.db`, "SELECT count(*), max(id), count(DISTINCT name) FROM kine").split("|").map(Number);
        // Nothing before its newest row is missing, nothing after it is there.
        expect([count, names]).toEqual([newest, newest]);
        expect(newest).toBeGreaterThanOrEqual(before);
        expect(newest).toBeLessThanOrEqual(after);
        expect(query(`${folder}/state.db`, "PRAGMA integrity_check; SELECT seq FROM sqlite_sequence")).toBe(`ok\n${newest}`);
        expect(query(state(), `ATTACH '${folder}/state.db' AS copy; SELECT count(*) FROM copy.kine JOIN main.kine USING (id, name, value)`)).toBe(String(newest));
      } finally {
        process.kill(-(writer.pid ?? 0), "SIGKILL");
      }
    }, 60_000);

    it("comes with token and keys, and a manifest that fits", async () => {
      const folder = await restored();
      for (const name of ["token", "cred/passwd", "tls/server-ca.key", "tls/etcd/server-ca.key"]) expect(readFileSync(`${folder}/${name}`, "utf8")).toBe(`${name}\n`);
      const check = await finished("bash", ["-c", `cd ${folder} && sha256sum --check --strict --quiet manifest.sha256 && wc -l <manifest.sha256`]);
      expect([check.code, check.stdout.trim()]).toEqual([0, "5"]);
      expect((await site.keep({}, "cluster")).code).toBe(0);
      writeFileSync(`${folder}/state.db`, readFileSync(`${folder}/state.db`).fill("x", 5000, 5100));
      expect((await finished("bash", ["-c", `cd ${folder} && sha256sum --check --strict --quiet manifest.sha256`])).code).not.toBe(0);
    });

    it("is refused where the database is damaged, and the copies before stay", async () => {
      const whole = readFileSync(state());
      const root = Number(query(state(), "SELECT rootpage FROM sqlite_schema WHERE name = 'kine_name_prev_revision_uindex'"));
      rmSync(`${state()}-wal`, { force: true });
      // An entry of an index that says another row than the table has, then a page that is none.
      for (const [damage, message] of [[(bytes: Buffer) => bytes.subarray(0, 40_960), /sqlite3 cannot copy .*state\.db: .*malformed/], [(bytes: Buffer) => bytes.fill(0xff, (root - 1) * 4096, (root - 1) * 4096 + 64), /(sqlite3 cannot copy|the copy of) .*state\.db.*/]] as const) {
        writeFileSync(state(), damage(Buffer.from(whole)));
        expect(await failure("sqlite")).toMatch(message);
      }
      writeFileSync(state(), whole);
    });

    it("is not made up where k3s has no data yet", async () => {
      rmSync(site.path("k3s/server/db"), { recursive: true });
      expect(await failure("sqlite")).toMatch(/k3s\/server\/db is missing: k3s has not made its cluster on this server yet/);
      mkdirSync(site.path("k3s/server/db"));
      expect(await failure("sqlite")).toMatch(/db\/state\.db is missing: k3s has not made its cluster on this server yet/);
      expect(existsSync(state())).toBe(false);
    });
  });

  describe("in etcd", () => {
    const content = randomBytes(20_000);
    const sum = createHash("sha256").update(content).digest();
    const snapshot = (bytes: Buffer | undefined, ending = "", status = 0): void => {
      if (bytes !== undefined) writeFileSync(site.path("snapshot"), bytes);
      writeFileSync(site.path("bin/k3s"), `#!/bin/bash\n[[ "$*" == "etcd-snapshot save --name rackwright --dir "* ]] || exit 9\n${bytes === undefined ? "" : `cp ${site.path("snapshot")} "\${!#}/rackwright-gpu-01-1${ending}"`}\necho 'level=fatal msg="see server log"' >&2\nexit ${status}\n`, { mode: 0o755 });
    };

    it("is taken with the checksum that etcd gave it", async () => {
      snapshot(Buffer.concat([content, sum]));
      const run = await site.backUpCluster("etcd", environment);
      expect([run.code, run.stderr]).toEqual([0, "backup-run: cluster of gpu-01 is backed up\n"]);
      expect(readFileSync(`${await restored()}/rackwright-gpu-01-1`)).toEqual(Buffer.concat([content, sum]));
    });

    it.each<[string, () => void, RegExp]>([
      ["one bit is another", () => { snapshot(Buffer.concat([Buffer.from(content).fill((content[9] ?? 0) ^ 1, 9, 10), sum])); }, /does not have the checksum that etcd gave it/],
      ["its end is cut off", () => { snapshot(Buffer.concat([content, sum]).subarray(0, -1)); }, /does not have the checksum/],
      ["it is empty", () => { snapshot(Buffer.alloc(0)); }, /does not have the checksum/],
      ["k3s made none", () => { snapshot(undefined); }, /does not have the checksum/],
      ["k3s failed", () => { snapshot(undefined, "", 1); }, /k3s etcd-snapshot save failed: level=fatal msg="see server log"/],
    ])("is refused where %s", async (_, make, message) => {
      make();
      expect(await failure("etcd")).toMatch(message);
    });

    it("is taken as it is where k3s compresses it", async () => {
      snapshot(content, ".zip");
      expect((await site.backUpCluster("etcd", environment)).code).toBe(0);
    });
  });
});
