import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { factsCommand, parseFacts } from "../../cli/recovery-facts";
import { faultsRehearsal, nodeLossRehearsal, readRehearsals, recordRehearsal } from "../../cli/recovery-record";
import { duration, renderRecovery } from "../../cli/render/recovery-status";
import type { Environment } from "../../components/environment";
import { recoveryStatus, type LevelStatus, type RecoveryFacts, type Rehearsal } from "../../components/recovery/status";
import { shipped } from "../policies/recordings";
import { scriptsFolder } from "../servers/host-script";
import { plainPaper } from "../support/paper";

const now = 1_800_000_000;
const hour = 3600;
const day = 24 * hour;

const folders: string[] = [];
afterAll(() => { for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true }); });
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "rackwright-status-"));
  folders.push(made);
  return made;
}

/** One server that is its own cluster, with a cold tier. */
const devTest = shipped("dev-test");
const well: RecoveryFacts = {
  server: "gpu-01", now, checkpoints: [], training: [],
  backups: {
    "source-cluster": { what: "gpu-01/cluster", last_success: String(now - 5 * hour), error: "", bytes: "1000000" },
    "kept-gpu-01-cluster": { what: "gpu-01/cluster", restored: String(now - 2 * day), restored_bytes: "10000", restored_milliseconds: "500", error: "" },
  },
};
const backup = (facts: readonly RecoveryFacts[], environment: Environment = devTest): LevelStatus => recoveryStatus(environment, facts, {}, now).find(({ level }) => level === "backup") ?? expect.fail();
const changed = (file: string, values: Record<string, string | undefined>): RecoveryFacts => {
  const entries = Object.entries({ ...well.backups[file], ...values }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...well, backups: { ...well.backups, [file]: Object.fromEntries(entries) } };
};

describe("the status of a backup", () => {
  it("is well with a recent success and a recent trial of restoring, whose rate tells how long all of it would take", () => {
    expect(backup([well])).toEqual({ level: "backup", what: "gpu-01/cluster", verdict: "well", reason: "kept on gpu-01", lastSuccess: now - 5 * hour, lastRehearsal: now - 2 * day, rpoSeconds: 5 * hour, rpoTargetSeconds: day, rtoSeconds: 50 });
  });

  it.each<[string, RecoveryFacts[], LevelStatus["verdict"], RegExp]>([
    ["is overdue after half of its interval again", [changed("source-cluster", { last_success: String(now - 36 * hour - 1) })], "missed", /overdue/],
    ["is well until then", [changed("source-cluster", { last_success: String(now - 36 * hour) })], "well", /kept on/],
    ["failed", [changed("source-cluster", { error: "the tier that keeps backups is full" })], "missed", /^the tier that keeps backups is full$/],
    ["is damaged where it is kept", [changed("kept-gpu-01-cluster", { error: "1 files are not what was written: data/00/00ff" })], "missed", /not what was written/],
    ["was never made", [changed("source-cluster", { last_success: undefined })], "unknown", /none has been made yet/],
    ["was never tried", [changed("kept-gpu-01-cluster", { restored: undefined })], "unknown", /nobody has tried to restore/],
    ["was tried too long ago", [changed("kept-gpu-01-cluster", { restored: String(now - 8 * day - 1) })], "missed", /too long ago/],
    ["is of a server that says nothing", [], "unknown", /no word from gpu-01/],
  ])("%s", (_, facts, verdict, reason) => {
    expect(backup(facts)).toMatchObject({ verdict, reason: expect.stringMatching(reason) as string });
  });

  it("is off where the site has its own, and missed where there is no place for a copy", () => {
    expect(backup([well], { ...devTest, recovery: { ...devTest.recovery, backup: { ...devTest.recovery.backup, enabled: false } } })).toMatchObject({ verdict: "off" });
    const bare = structuredClone(devTest);
    for (const server of Object.values(bare.servers)) delete server.tiers.cold;
    expect(backup([well], bare)).toMatchObject({ what: "gpu-01", verdict: "missed", reason: expect.stringMatching(/its data exist once/) as string });
  });
});

describe("the status of checkpoints", () => {
  const large = shipped("large-cluster");
  const [job = "", spec] = Object.entries(large.training)[0] ?? [];
  const servers = spec?.servers ?? [];
  const fact = (server: string, at: number, step: number, training = [job]): RecoveryFacts => ({ server, now, checkpoints: [{ job, step, at }], training, backups: {} });
  const status = (facts: readonly RecoveryFacts[]): LevelStatus => recoveryStatus(large, facts, {}, now).find(({ level }) => level === "checkpoints") ?? expect.fail();

  it("counts from the server that is furthest behind", () => {
    const facts = servers.map((server, index) => fact(server, now - 600 - 100 * index, 5000 - 1000 * index));
    expect(status(facts)).toMatchObject({ what: job, verdict: "well", rpoSeconds: 600 + 100 * (servers.length - 1), rpoTargetSeconds: 20_000, reason: `step ${5000 - 1000 * (servers.length - 1)}` });
  });

  it("is missed while the job trains and writes none, and well once it has ended", () => {
    const late = servers.map((server) => fact(server, now - 20_001, 5000));
    expect(status(late)).toMatchObject({ verdict: "missed", rpoSeconds: 20_001 });
    const ended = status(late.map((each) => ({ ...each, training: [] })));
    expect(ended).toMatchObject({ verdict: "well", reason: "step 5000; the job does not train now" });
    expect(ended).not.toHaveProperty("rpoSeconds");
  });

  it("is unknown where a server says nothing or has none", () => {
    const facts = servers.map((server) => fact(server, now - 60, 1000));
    expect(status(facts.slice(1))).toMatchObject({ verdict: "unknown", reason: `no word from ${servers[0] ?? ""}` });
    expect(status(facts.map((each, index) => (index === 0 ? { ...each, checkpoints: [] } : each)))).toMatchObject({ verdict: "unknown", reason: `${servers[0] ?? ""} has no whole checkpoint` });
  });
});

describe("the status of what is rehearsed", () => {
  const sme = shipped("sme-production");
  const level = (name: LevelStatus["level"], rehearsals: { standby?: Rehearsal; coldStart?: Rehearsal }, environment = sme): LevelStatus => recoveryStatus(environment, [], rehearsals, now).find((each) => each.level === name) ?? expect.fail();
  const good: Rehearsal = { at: now - day, ok: true, seconds: 7.4, how: "20 runs of node-crash" };

  it("is the last rehearsal's: its worst run against the target", () => {
    expect(level("standby", { standby: good })).toEqual({ level: "standby", what: "", verdict: "well", reason: "20 runs of node-crash", lastSuccess: now - day, lastRehearsal: now - day, rtoSeconds: 7.4, rtoTargetSeconds: 30 });
    expect(level("standby", { standby: { ...good, seconds: 30.1 } })).toMatchObject({ verdict: "missed", rtoSeconds: 30.1 });
    const failed = level("standby", { standby: { ...good, ok: false } });
    expect(failed).toMatchObject({ verdict: "missed", reason: "the last rehearsal failed: 20 runs of node-crash", lastRehearsal: now - day });
    expect(failed).not.toHaveProperty("lastSuccess");
  });

  it("is unknown where nobody has rehearsed, and missed where that is too long ago", () => {
    expect(level("standby", {})).toMatchObject({ verdict: "unknown", reason: "never rehearsed from this folder" });
    expect(level("cold start", { coldStart: { ...good, at: now - 90 * day } })).toMatchObject({ verdict: "well" });
    expect(level("cold start", { coldStart: { ...good, at: now - 90 * day - 1 } })).toMatchObject({ verdict: "missed", reason: expect.stringMatching(/to be rehearsed every 90 days/) as string });
    expect(level("standby", { standby: good }, devTest)).toMatchObject({ verdict: "off" });
  });

  it("is of the worst run of a rehearsal of faults", () => {
    const run = (scenario: string, outageSeconds: number): { scenario: string; clients: { outageSeconds: number } } => ({ scenario, clients: { outageSeconds } });
    expect(faultsRehearsal({ ok: true, runs: [run("node-crash", 3.2), run("node-crash", 7.4), run("engine-hangs", 5)] }, now + 0.7)).toEqual({ at: now, ok: true, seconds: 7.4, how: "3 runs of node-crash, engine-hangs on emulated servers" });
    expect(faultsRehearsal({ ok: false, runs: [run("node-crash", 31)] }, now)).toMatchObject({ ok: false, seconds: 31, how: "1 run of node-crash on emulated servers" });
  });

  it("of a standby that is Kubernetes' own, is the worst run and what the budget has for the parts that were not there", () => {
    expect(nodeLossRehearsal({ ok: true, server: "gpu-01", notMeasuredSeconds: 3, runs: [{ endpointGoneSeconds: 20.5 }, { endpointGoneSeconds: 21.5 }] }, now + 0.7)).toEqual({ at: now, ok: true, seconds: 24.5, how: "2 runs of a silent node gpu-01 on a real control plane; 3 s of it are the budget's for kube-proxy and clients" });
  });

  it("is kept in the project's folder, one for each level, whole at any time", () => {
    const root = folder();
    expect(readRehearsals("dev-test", root)).toEqual({});
    recordRehearsal("dev-test", "standby", good, root);
    recordRehearsal("dev-test", "coldStart", { ...good, seconds: 900 }, root);
    recordRehearsal("dev-test", "standby", { ...good, seconds: 8 }, root);
    expect(readRehearsals("dev-test", root)).toEqual({ standby: { ...good, seconds: 8 }, coldStart: { ...good, seconds: 900 } });
    expect(readdirSync(join(root, ".rackwright/recovery"))).toEqual(["dev-test.json"]);
    writeFileSync(join(root, ".rackwright/recovery/dev-test.json"), "{");
    expect(() => readRehearsals("dev-test", root)).toThrow(/\.rackwright\/recovery\/dev-test\.json is not JSON: move it away/);
  });
});

describe("what is read from a server", () => {
  it("is what the scripts there remember and find", () => {
    const state = folder();
    const job = join(state, "tune");
    mkdirSync(join(job, "step-2000"), { recursive: true });
    mkdirSync(join(job, "step-3000"));
    writeFileSync(join(job, "step-2000/.complete"), "2000\n");
    writeFileSync(join(state, "source-cluster.status"), "error=a=b\nlast_success=1700000000\n");
    const stub = join(state, "bin");
    mkdirSync(stub);
    writeFileSync(join(stub, "id"), "#!/bin/sh\necho 0\n", { mode: 0o755 });
    const run = spawnSync("bash", [join(scriptsFolder, "recovery-status.sh"), "--checkpoints", `tune:1:yes=${job}`, "--state", state], { encoding: "utf8", env: { ...process.env, PATH: `${stub}:${process.env["PATH"] ?? ""}` } });
    expect([run.status, run.stderr]).toEqual([0, ""]);
    const facts = parseFacts("gpu-01", run.stdout);
    expect(facts).toMatchObject({ server: "gpu-01", checkpoints: [{ job: "tune", step: 2000, at: expect.any(Number) as number }], training: [], backups: { "source-cluster": { error: "a=b", last_success: "1700000000" } } });
    expect(Math.abs((facts?.now ?? 0) - Date.now() / 1000)).toBeLessThan(120);
    expect(readFileSync(join(state, "source-cluster.status"), "utf8")).toBe("error=a=b\nlast_success=1700000000\n");
  });

  it.each([["nothing", ""], ["another program's words", "bash: no such file\n"]])("is not made up of %s", (_, text) => {
    expect(parseFacts("gpu-01", text)).toBeUndefined();
  });

  it("is asked for by a command line that a shell reads as it is meant", () => {
    const large = shipped("large-cluster");
    const server = Object.values(large.training)[0]?.servers[0] ?? "";
    expect(factsCommand(large, server, "ops")).toMatch(/^sudo -n bash \.rackwright\/scripts\/recovery-status\.sh --checkpoints [a-z-]+:8:yes=\/srv\/warm\/checkpoints\/[a-z-]+$/);
    expect(factsCommand(devTest, "gpu-01", "root")).toBe("bash .rackwright/scripts/recovery-status.sh");
  });
});

describe("the table", () => {
  it("shows every level with its times, and who did not answer", () => {
    const levels = recoveryStatus(devTest, [well], { coldStart: { at: now - 10 * day, ok: true, seconds: 1500, how: "on emulated servers" } }, now);
    const text = renderRecovery(levels, [{ server: "gpu-02", address: "10.0.0.2:22", reason: "timed out" }], now, { ...plainPaper, columns: 100 });
    expect(text.split("\n").every((line) => line.length <= 100)).toBe(true);
    expect(text.split("\n").map((line) => line.replace(/^ {2,4}(?=\S)/, "").replace(/ {2,}/g, " | ").trim())).toEqual([
      "| success | rehearsal | would be lost | back within",
      "well | backup | gpu-01/cluster | 5 h ago | 2 d ago | 5 h of 24 h | 50 s",
      "off | standby | never | never | - | -",
      "well | cold start | 10 d ago | 10 d ago | - | 25 min",
      "backup gpu-01/cluster: kept on gpu-01",
      "standby: recovery.standby.mode is none",
      "cold start: on emulated servers",
      "unreachable | gpu-02 (10.0.0.2:22): timed out",
      "Every level that is asked for is well.",
      "",
    ]);
  });

  it.each([[4.25, "4.3 s"], [119, "119 s"], [120, "2 min"], [7199, "120 min"], [7200, "2 h"], [172_800, "2 d"]])("writes %d seconds as %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});
