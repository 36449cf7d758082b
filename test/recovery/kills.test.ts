import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scriptsFolder } from "../servers/host-script";
import { full } from "../support/full";
import { BackupSite, finished, programsMissing } from "./backup-site";
import { KillPoints, spread } from "./kill-points";
import { runbookBlocks } from "./runbook";

const missing = programsMissing();
if (missing !== undefined) process.stderr.write(`backups that are cut off are not tested against real programs: ${missing}\n`);

/** Names of all files below a folder, without those of which each run has its own. */
const tree = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => statSync(join(folder, name)).isFile() && !/(^|\/)(cache|sums)\//.test(name)).sort();

describe.skipIf(missing !== undefined)("killed before any of its commands, and started again,", () => {
  const kill = new KillPoints();
  let site: BackupSite;
  let step = 1000;
  beforeAll(async () => {
    site = await BackupSite.make(undefined, kill.environment);
    site.checkpoint(step, { "state.pt": "weights", "a name.txt": "rank 0" });
  });
  afterAll(async () => {
    await site.close();
    kill.remove();
  });

  const backUp = [join(scriptsFolder, "backup-run.sh")];
  const keep = [join(scriptsFolder, "backup-keep.sh")];
  /** What a run must leave as it found it, or as an undisturbed one leaves it. */
  const places = (): string[][] => [tree(site.path("source")), tree(site.path("store")), tree(site.path("metrics")), tree(join(site.repositories, ".sessions")), tree(join(site.repository, "locks")), readdirSync(site.path("warm/checkpoints")).sort()];
  /** The store's side of a connection that broke has ended. */
  const storeIsFree = (): Promise<unknown> => finished("flock", [join(site.repositories, ".locks/gpu-01"), "true"]);
  const another = (): string => {
    step += 1;
    site.checkpoint(step, { "state.pt": `weights of ${step}` });
    return `weights of ${step}`;
  };
  const newest = async (): Promise<string> => (await site.restic(["dump", "latest", `${site.path("warm/checkpoints/.backup/tune")}/step-${step}/state.pt`])).stdout;

  async function everyPoint(program: () => Promise<{ code: number | null; stderr: string }>, count: number, again: (point: string) => Promise<void>): Promise<void> {
    await storeIsFree();
    kill.set("");
    expect((await program()).code).toBe(0);
    await storeIsFree();
    const points = kill.points();
    expect(points.length).toBeGreaterThan(4);
    for (const point of spread(points, count)) {
      kill.set(point);
      await program();
      await storeIsFree();
      expect([point, kill.done]).toEqual([point, true]);
      await again(point);
    }
  }

  it("a backup is made, and those before stay", async () => {
    const run = (): ReturnType<KillPoints["run"]> => kill.run([...backUp, ...site.sourceArguments(), "--now"]);
    expect((await run()).code).toBe(0);
    expect((await site.keep()).code).toBe(0);
    await storeIsFree();
    const wanted = places();
    let content = another();
    await everyPoint(run, full ? 12 : 3, async (point) => {
      const before = site.snapshots();
      const next = await site.backUp("--now");
      expect([point, next.code, next.stderr]).toEqual([point, 0, "backup-run: checkpoints of gpu-01 is backed up\n"]);
      await storeIsFree();
      expect([point, places()]).toEqual([point, wanted]);
      expect(site.snapshots()).toEqual(expect.arrayContaining(before));
      expect([point, site.status("source/source-checkpoints")["error"], site.metric("rackwright_backup_failed", "source"), await newest()]).toEqual([point, "", 0, content]);
      content = another();
    });
    expect((await site.restic(["check", "--read-data"])).code).toBe(0);
  }, full ? 600_000 : 120_000);

  it("the look at backups ends as if nothing had been, with the newest backup whole", async () => {
    const wanted = places();
    await site.backUp("--now");
    await everyPoint(() => kill.run([...keep, ...site.keepArguments()]), full ? 12 : 3, async (point) => {
      const last = await site.keep();
      expect([point, last.code, last.stderr]).toEqual([point, 0, ""]);
      expect([point, places()]).toEqual([point, wanted]);
      expect([point, site.snapshots().length, await newest()]).toEqual([point, 1, `weights of ${step}`]);
      expect([site.metric("rackwright_backup_failed", "store"), site.metric("rackwright_backup_damaged", "store")]).toEqual([0, 0]);
      // Something for the next one to delete, and to try.
      another();
      rmSync(site.path("store/kept-gpu-01-checkpoints.status"));
      await site.backUp("--now");
      await storeIsFree();
    });
    expect((await site.restic(["check", "--read-data"])).code).toBe(0);
  }, full ? 600_000 : 120_000);

  describe("the runbook", () => {
    const here = (block: string): string => block
      .replaceAll("/srv/warm/restored/srv/warm", `${site.path("warm/restored")}${site.path("warm")}`).replaceAll("/srv/warm", site.path("warm")).replaceAll("/etc/rackwright/backup", site.path("etc-source"))
      .replaceAll("-p 22 rackwright-backup@10.0.0.9", site.sshArguments().slice(-3).join(" "))
      .replaceAll("/root/restored/var/lib/rackwright/backup", `${site.path("restored")}${site.path("source")}`).replaceAll("/var/lib/rancher/k3s", site.path("k3s"));

    it("brings checkpoints back to their places, each whole or not at all", async () => {
      const [, fetch = "", move = ""] = runbookBlocks("Get checkpoints back").map(here);
      const commands = ["-euo", "pipefail", "-c", `${fetch}\n${move}`];
      const job = site.path("warm/checkpoints/tune");
      const wanted = [[".complete", "state.pt"], `weights of ${step}`];
      const found = (): unknown[] => [tree(join(job, `step-${step}`)), readFileSync(join(job, `step-${step}/state.pt`), "utf8")];
      rmSync(job, { recursive: true });
      await everyPoint(() => kill.run(commands), full ? 12 : 3, async (point) => {
        for (const name of tree(site.path("warm/checkpoints"))) expect([point, tree(join(site.path("warm/checkpoints"), name, ".."))]).toEqual([point, wanted[0]]);
        const again = await finished("bash", commands);
        expect([point, again.code, found(), readdirSync(site.path("warm"))]).toEqual([point, 0, wanted, ["checkpoints"]]);
        rmSync(job, { recursive: true });
      });
    }, full ? 300_000 : 60_000);

    it("puts SQLite's data in place whole, keeps what was there, and starts k3s at the end alone", async () => {
      const [keys = "", sqlite = ""] = runbookBlocks("Get the cluster back").map(here);
      const commands = ["-euo", "pipefail", "-c", `${keys}\n${sqlite}`];
      const staged = `${site.path("restored")}${site.path("source")}/stage-cluster`;
      const files: Record<string, string> = { token: "the token", "cred/passwd": "a key", "tls/ca.key": "another", "state.db": "all objects" };
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(join(staged, name, ".."), { recursive: true });
        writeFileSync(join(staged, name), content);
      }
      await finished("bash", ["-c", `cd ${staged} && sha256sum token cred/passwd tls/ca.key state.db >manifest.sha256`]);
      mkdirSync(site.path("bin"));
      writeFileSync(site.path("bin/systemctl"), `#!/bin/bash\necho "$*" >${site.path("k3s-is")}\n`, { mode: 0o755 });
      const environment = { PATH: `${site.path("bin")}:${process.env["PATH"] ?? ""}` };
      const fresh = (): void => {
        rmSync(site.path("k3s"), { recursive: true, force: true });
        mkdirSync(site.path("k3s/server/db"), { recursive: true });
        for (const name of ["state.db", "state.db-wal"]) writeFileSync(site.path("k3s/server/db", name), "what is lost");
        writeFileSync(site.path("k3s-is"), "enabled");
      };
      fresh();
      await everyPoint(async () => { fresh(); return kill.run(commands, environment); }, full ? 12 : 6, async (point) => {
        const state = readFileSync(site.path("k3s-is"), "utf8").trim();
        const folders = readdirSync(site.path("k3s/server")).filter((name) => name.startsWith("db"));
        // Never a database with the log of another one, nor half of one, where k3s would begin with it.
        if (folders.includes("db") && state !== "enabled") expect([point, [[["state.db", "state.db-wal"], "what is lost"], [["state.db"], "all objects"]]]).toEqual([point, expect.arrayContaining([[tree(site.path("k3s/server/db")), readFileSync(site.path("k3s/server/db/state.db"), "utf8")]])]);
        const again = await finished("bash", commands, { env: { ...process.env, ...environment } });
        expect([point, again.code, tree(site.path("k3s/server/db")), readFileSync(site.path("k3s-is"), "utf8").trim()]).toEqual([point, 0, ["state.db"], "enable --now k3s"]);
        for (const [name, content] of Object.entries(files)) expect(readFileSync(site.path("k3s/server", name === "state.db" ? "db/state.db" : name), "utf8")).toBe(content);
        const lost = readdirSync(site.path("k3s/server")).filter((name) => name.startsWith("db.lost-")).map((name) => readFileSync(site.path("k3s/server", name, "state.db"), "utf8"));
        expect([point, lost]).toEqual([point, expect.arrayContaining(["what is lost"])]);
      });
    }, 120_000);
  });
});
