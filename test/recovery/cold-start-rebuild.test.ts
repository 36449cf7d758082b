import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { finishedJournal, openJournal, unfinishedJournal } from "../../cli/cold-start/journal";
import { rebuild, type ColdStartEngine, type RebuildOptions, type Rebuilt } from "../../cli/cold-start/rebuild";
import { saveSet } from "../../cli/cold-start/save";
import { checkHosts, sshSettings } from "../../cli/hosts";
import { verifySet, type VerifiedSet } from "../../components/recovery/cold-start/verify";
import type { Environment } from "../../components/environment/schema";
import { commandLine, planServer } from "../../components/servers/plan";
import { HostUnreachableError } from "../../engine/providers/command/errors";
import { openConnection } from "../../engine/providers/command/ssh";
import { full } from "../support/full";
import { makeKey, type KeyPair } from "../engine/command-provider/sshd";
import { environmentOf, Machine, startMirror } from "./cold-start-machine";

const passphrase = "correct horse battery staple";
const packages = ["mdadm", "nvme-cli", "linux-headers-test"];
let folder: string;
let login: KeyPair;
let environment: Environment;
let set: VerifiedSet;
let sources: string;
let keyring: Buffer;
let oldFolder: string;
let hostKey: string;
let port: number;
let blank: Machine;
let state: { text: string | undefined; newCluster: boolean }[];

beforeAll(async () => {
  delete process.env["SSH_AUTH_SOCK"];
  folder = mkdtempSync(join(tmpdir(), "rackwright-rebuild-"));
  login = makeKey(folder, "login");
  const mirror = await startMirror();
  const machine = await Machine.start(login, { keyring: mirror.keyring });
  try {
    [oldFolder, hostKey, port, keyring] = [machine.folder, machine.hostKey, machine.port, mirror.keyring];
    sources = mirror.sources(machine.folder);
    writeFileSync(machine.path("apt/etc/apt/sources.list"), sources);
    mkdirSync(machine.path("tiers/kept/deep"), { recursive: true });
    writeFileSync(machine.path("tiers/kept/weights.bin"), Buffer.alloc(300_000, 3), { mode: 0o640 });
    writeFileSync(machine.path("tiers/kept/deep/a name with spaces"), "odd");
    environment = environmentOf({ "gpu-01": machine });
    for (const name of ["stacks", "node_modules"]) mkdirSync(join(folder, "project", name), { recursive: true });
    writeFileSync(join(folder, "project/stacks/Pulumi.here.yaml"), "config: {}\n");
    mkdirSync(join(folder, "cold"));
    const saved = await saveSet({
      name: "here", environment, root: join(folder, "cold"), passphrase, privateKey: login.privateKey, environmentFile: Buffer.from("config: {}\n"), state: "the saved state",
      project: { root: join(folder, "project"), version: "0.1.0" }, now: new Date("2026-11-26T07:30:00Z"), doing: () => undefined,
    });
    set = await verifySet(saved.folder, "here", passphrase);
  } finally {
    // The server and its package sources are gone from here on.
    await machine.stop();
    await mirror.close();
  }
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(async () => {
  state = [];
  // The same address and the same sources, which nobody answers any more; nothing else.
  blank = await Machine.start(login, { keyring, port, wanted: packages, at: oldFolder, sources });
}, 60_000);
afterEach(async () => {
  await blank.stop();
  rmSync(join(folder, "journal.json"), { force: true });
});

/** The engine's part over real SSH: it applies what the check found. */
const engine: ColdStartEngine = {
  restoreState: (text, newCluster) => {
    state.push({ text, newCluster });
    return Promise.resolve();
  },
  check: () => checkHosts(environment, login.privateKey, { doing: () => undefined, done: () => undefined }),
  up: async (found) => {
    const plan = planServer(environment, "gpu-01");
    const connection = await openConnection(sshSettings(plan.connection, login.privateKey));
    try {
      for (const { step, findings } of found.checks) {
        const wanted = plan.steps.find(({ name }) => name === step);
        if (findings.length === 0 || wanted === undefined) continue;
        const { code, stderr } = await connection.exec(commandLine(wanted, "apply", plan.connection.user));
        if (code !== 0) return { ok: false, messages: [stderr] };
      }
      return { ok: true, messages: [] };
    } finally {
      connection.close();
    }
  },
};

function options(more: Partial<RebuildOptions> = {}): RebuildOptions {
  const journalFile = join(folder, "journal.json");
  return {
    name: "here", environment, set, servers: [], hostKeys: { "gpu-01": blank.hostKey }, without: new Set(["package"]), privateKey: login.privateKey, engine, journalFile,
    journal: openJournal(journalFile, { environment: "here", inventory: set.sha256, generation: set.inventory.generation }, new Date("2026-11-26T08:00:00Z")),
    confirm: () => Promise.resolve(true), say: () => undefined, now: () => new Date("2026-11-26T09:00:00Z"), ...more,
  };
}

async function rebuilt(more: Partial<RebuildOptions> = {}): Promise<Rebuilt> {
  const result = await rebuild(options(more));
  if (result === undefined) throw new Error("nothing was rebuilt");
  return result;
}

/** Everything that a rebuild is to bring about on the machine. */
function expectTheOldServer(): void {
  expect(readFileSync(blank.path("ssh/ssh_host_ed25519_key.pub"), "utf8").trim()).toBe(hostKey);
  expect(readFileSync(blank.path("tiers/kept/weights.bin"))).toEqual(Buffer.alloc(300_000, 3));
  expect(statSync(blank.path("tiers/kept/weights.bin")).mode & 0o777).toBe(0o640);
  expect(readFileSync(blank.path("tiers/kept/deep/a name with spaces"), "utf8")).toBe("odd");
  expect(spawnSync("find", [blank.path("apt/var/cache/apt/archives"), "-name", "*.deb", "-printf", "%f\n"], { encoding: "utf8" }).stdout.trim().split("\n").sort()).toEqual(["libmdadm-test_1.0-1_all.deb", "linux-headers-test_1.0-1_all.deb", "mdadm_1.0-1_all.deb", "nvme-cli_1.0-1_all.deb"]);
  // Nothing of the cold start itself stays behind.
  expect(existsSync(blank.path("apt/etc/apt/apt.conf.d/99rackwright-cold-start"))).toBe(false);
  expect(existsSync(blank.path("tiers/kept/.rackwright-restore"))).toBe(false);
}

describe("a cold start", { timeout: 180_000 }, () => {
  it("makes a blank server into the old one from the set alone, by signed packages from sources that are gone, and tells the time of each phase", async () => {
    const result = await rebuilt();
    expect(result).toMatchObject({ ok: true, servers: ["gpu-01"], kept: [], starts: 1 });
    expect(result.hosts.checks.map(({ step, findings }) => [step, findings.length])).toEqual([["gpu-01-base", 0], ["gpu-01-hot", 0], ["gpu-01-warm", 0]]);
    expectTheOldServer();
    expect(blank.log).toEqual(["gpu-01-base", "gpu-01-hot", "gpu-01-warm"]);
    expect(state).toEqual([{ text: "the saved state", newCluster: false }]);
    expect(Object.keys(result.seconds)).toEqual(["reach", "host keys", "packages", "arrays", "data", "steps", "check"]);
    expect(unfinishedJournal(join(folder, "journal.json"))).toBeUndefined();
  });

  it("sends nothing to a server whose key nobody has confirmed, and says which key it shows and where to read the right one", async () => {
    await expect(rebuild(options({ hostKeys: {} }))).rejects.toMatchObject({ code: 2, message: expect.stringMatching(/nothing was changed: [\s\S]*gpu-01 \(127\.0\.0\.1\) shows ssh-ed25519 SHA256:[\s\S]*on the server's own console[\s\S]*--host-key 'gpu-01=/) as string });
    const other = makeKey(folder, `other-${process.hrtime.bigint()}`).publicKey;
    await expect(rebuild(options({ hostKeys: { "gpu-01": other } }))).rejects.toMatchObject({ code: 3, message: expect.stringContaining("something else may answer there") as string });
    expect(blank.log).toEqual([]);
    expect(existsSync(join(folder, "journal.json"))).toBe(false);
  });

  it("refuses a set that lacks what the blank server has not, naming it, and asks before it changes anything", async () => {
    await expect(rebuild(options({ without: new Set() }))).rejects.toMatchObject({ code: 2, message: expect.stringMatching(/package of gpu-01: xfsprogs: no package source[\s\S]*--without package/) as string });
    let asked: readonly string[] = [];
    const answer = await rebuild(options({ confirm: (servers) => ((asked = servers), Promise.resolve(false)) }));
    expect([answer, asked]).toEqual([undefined, ["gpu-01"]]);
    expect(blank.log).toEqual([]);
    expect(readFileSync(blank.path("ssh/ssh_host_ed25519_key.pub"), "utf8").trim()).toBe(blank.hostKey);
  });

  it("waits for a server that answers nobody for a moment once it was told of its keys", async () => {
    writeFileSync(blank.path("bin/systemctl"), '#!/bin/bash\n(sleep 2; kill -HUP "$(cat "$MACHINE/sshd.pid")") >/dev/null 2>&1 & disown -a; exit 0\n');
    expect((await rebuilt()).ok).toBe(true);
    expectTheOldServer();
  });

  it("says which server went away in its middle, and to start it again", async () => {
    const away = { ...engine, check: (): Promise<never> => Promise.reject(new HostUnreachableError("127.0.0.1", port, "no route")) };
    await expect(rebuild(options({ engine: away }))).rejects.toMatchObject({ code: 3, message: expect.stringMatching(/no route[\s\S]*start the same command again/) as string });
    expect((await rebuilt()).ok).toBe(true);
  });

  it("keeps files that are there already, newer ones among them, and names them", async () => {
    mkdirSync(blank.path("tiers/kept"), { recursive: true });
    writeFileSync(blank.path("tiers/kept/weights.bin"), "newer");
    writeFileSync(blank.path("tiers/kept/of-nobody.bin"), "mine");
    const { ok, kept } = await rebuilt();
    expect([ok, kept]).toEqual([true, [`gpu-01: ${oldFolder}/tiers/kept/weights.bin`]]);
    expect(readFileSync(blank.path("tiers/kept/weights.bin"), "utf8")).toBe("newer");
    expect(readFileSync(blank.path("tiers/kept/of-nobody.bin"), "utf8")).toBe("mine");
    expect(readFileSync(blank.path("tiers/kept/deep/a name with spaces"), "utf8")).toBe("odd");
  });

  it("ends in the same state when it is stopped at the beginning of any phase and started again", async () => {
    const phases = full ? ["host keys", "packages", "arrays", "data", "steps", "check"] : ["arrays", "check"];
    for (const phase of phases) {
      const stop = new AbortController();
      const say = (line: string): void => {
        if (line === `phase ${phase}`) stop.abort();
      };
      await expect(rebuild(options({ say, signal: stop.signal })), phase).rejects.toThrow();
      expect(unfinishedJournal(join(folder, "journal.json"))?.servers, phase).toEqual(["gpu-01"]);
    }
    const result = await rebuilt({ hostKeys: {} });
    expect([result.ok, result.starts]).toEqual([true, phases.length + 1]);
    expectTheOldServer();
  });

  it("says which step failed in the server's words, keeps what was done, and goes on once that is mended", async () => {
    writeFileSync(blank.path("fails-storage-tier"), "");
    await expect(rebuild(options())).rejects.toMatchObject({ code: 1, message: expect.stringMatching(/the step gpu-01-hot cannot be done[\s\S]*start the same command again/) as string });
    rmSync(blank.path("fails-storage-tier"));
    const { ok, starts } = await rebuilt();
    expect([ok, starts]).toEqual([true, 2]);
    expectTheOldServer();
  });

  it("takes the state over once: what it tells afterwards is of the new servers", async () => {
    const failing = { ...engine, up: () => Promise.resolve({ ok: false, messages: ["the mirror is away"] }) };
    await expect(rebuild(options({ engine: failing }))).rejects.toMatchObject({ code: 1, message: expect.stringContaining("the mirror is away") as string });
    expect((await rebuilt()).ok).toBe(true);
    expect(state).toEqual([{ text: "the saved state", newCluster: false }]);
  });

  it("rebuilds no server that answers with its own key unless it is named", async () => {
    await rebuilt();
    await expect(rebuild(options())).rejects.toMatchObject({ code: 2, message: expect.stringContaining("none is blank. Name those that are to be made again with --server") as string });
    const { ok, kept } = await rebuilt({ servers: ["gpu-01"] });
    expect([ok, kept]).toEqual([true, []]);
    expectTheOldServer();
  });

  it("that was killed when all was done says so when it is started again, and applies nothing", async () => {
    const first = await rebuilt();
    const applied = blank.log.length;
    const finished = finishedJournal(join(folder, "journal.json"), set.sha256);
    expect(finishedJournal(join(folder, "journal.json"), "another")).toBeUndefined();
    if (finished === undefined) throw new Error("it is not finished");
    expect(await rebuilt({ finished })).toMatchObject({ ok: true, servers: ["gpu-01"], seconds: first.seconds, starts: 1 });
    expect(blank.log.length).toBe(applied);
    rmSync(blank.path("applied/gpu-01-hot"));
    expect((await rebuilt({ finished })).ok).toBe(false);
  });

  it("does not go on with another set than the one it began with", () => {
    const file = join(folder, "other.json");
    writeFileSync(file, JSON.stringify({ environment: "here", inventory: "a", generation: "2026-01-01T00-00-00Z", servers: ["gpu-01"], startedAt: "", starts: 1, seconds: {} }));
    expect(() => openJournal(file, { environment: "here", inventory: "b", generation: "2026-02-01T00-00-00Z" }, new Date())).toThrow("a cold start of here from the set 2026-01-01T00-00-00Z has begun and is not done: go on with that set");
  });

  it("takes no file that was half written for one that is there", async () => {
    const stop = new AbortController();
    await expect(rebuild(options({ say: (line) => line === "phase data" && stop.abort(), signal: stop.signal }))).rejects.toThrow();
    // What a connection that broke in the middle leaves behind.
    mkdirSync(blank.path("tiers/kept/.rackwright-restore"), { recursive: true });
    writeFileSync(blank.path("tiers/kept/.rackwright-restore/weights.bin"), "half");
    expect((await rebuilt()).kept).toEqual([]);
    expectTheOldServer();
  });
});
