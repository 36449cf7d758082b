import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from "vitest";
import type { Gap } from "../../components/recovery/cold-start/set";
import { verifySet } from "../../components/recovery/cold-start/verify";
import { saveSet, type SaveOptions, type Saved } from "../../cli/cold-start/save";
import type { Environment } from "../../components/environment/schema";
import { makeKey, type KeyPair } from "../engine/command-provider/sshd";
import { environmentOf, Machine, startMirror, type TestMirror } from "./cold-start-machine";

const passphrase = "correct horse battery staple";
let keysFolder: string;
let login: KeyPair;
let mirror: TestMirror;
let machine: Machine;
let environment: Environment;
let root: string;
let project: string;

beforeAll(async () => {
  delete process.env["SSH_AUTH_SOCK"];
  keysFolder = mkdtempSync(join(tmpdir(), "rackwright-keys-"));
  login = makeKey(keysFolder, "login");
  mirror = await startMirror();
  machine = await Machine.start(login, { keyring: mirror.keyring });
  writeFileSync(machine.path("apt/etc/apt/sources.list"), mirror.sources(machine.folder));
  mkdirSync(machine.path("tiers/kept/deep"), { recursive: true });
  writeFileSync(machine.path("tiers/kept/weights.bin"), Buffer.alloc(300_000, 3));
  writeFileSync(machine.path("tiers/kept/deep/a name with spaces"), "odd");
  environment = environmentOf({ "gpu-01": machine });
  project = mkdtempSync(join(tmpdir(), "rackwright-tiny-"));
  mkdirSync(join(project, "stacks"));
  mkdirSync(join(project, "node_modules"));
  mkdirSync(join(project, ".rackwright/state"), { recursive: true });
  writeFileSync(join(project, "index.ts"), "// the program\n");
  writeFileSync(join(project, "node_modules/.rackwright-lock"), "1 2\n");
  writeFileSync(join(project, "notes-of-mine.txt"), "a password");
  writeFileSync(join(project, "stacks/Pulumi.here.yaml"), "config: {}\n");
  writeFileSync(join(project, "stacks/Pulumi.there.yaml"), "config: {}\n");
}, 120_000);
afterAll(async () => {
  await machine.stop();
  await mirror.close();
  for (const folder of [keysFolder, project]) rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "rackwright-cold-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function options(more: Partial<SaveOptions> = {}): SaveOptions {
  return {
    name: "here", environment, root, passphrase, privateKey: login.privateKey,
    environmentFile: Buffer.from("config: {}\n"), state: '{"version":3,"deployment":{}}\n',
    project: { root: project, version: "0.1.0", commit: "abc" },
    now: new Date("2026-11-26T07:30:00Z"), doing: () => undefined, ...more,
  };
}

const paths = ({ inventory }: Saved): string[] => inventory.files.map(({ path }) => path);
const setsIn = (): string[] => readdirSync(join(root, "here")).sort();

describe("saving", { timeout: 120_000 }, () => {
  it("gathers what a rebuild needs, over SSH and from the sources that apt on the server has, and says what it lacks", async () => {
    const saved = await saveSet(options());
    const host = `mirror/http/${new URL(mirror.served.hostUrl).host}/debian`;
    expect(paths(saved).filter((path) => !path.startsWith(host))).toEqual([
      "environment.yaml", "keys.json", "project.tar.gz",
      `servers/gpu-01/data/${encodeURIComponent(`${machine.folder.slice(1)}/tiers/kept`)}.sha256`, `servers/gpu-01/data/${encodeURIComponent(`${machine.folder.slice(1)}/tiers/kept`)}.tar`,
      "servers/gpu-01/host-keys.sealed", "start.sh", "state.json",
    ]);
    // What a package needs is there with it; other packages of the mirror are not.
    expect(paths(saved).filter((path) => path.endsWith(".deb")).map((path) => path.split("/").at(-1))).toEqual(["ca-certificates_1.0-1_all.deb", "gpg_1.0-1_all.deb", "libmdadm-test_1.0-1_all.deb", "linux-headers-test_1.0-1_all.deb", "mdadm_1.0-1_all.deb", "nvme-cli_1.0-1_all.deb", "smartmontools_1.0-1_all.deb"]);
    expect(paths(saved)).toContain(`${host}/dists/bookworm/InRelease`);
    expect(paths(saved)).toContain(`${host}/dists/bookworm/main/binary-amd64/Packages`);
    expect(saved.inventory.gaps).toEqual([{ kind: "package", server: "gpu-01", name: "xfsprogs", reason: expect.stringMatching(/^no package source of the server has it/) as string }]);
    expect(saved.inventory.servers).toMatchObject([{ name: "gpu-01", hostKey: machine.hostKey }]);
    expect(saved.inventory.servers[0]?.packages).toContainEqual({ name: "mdadm", version: "1.0-1" });
    await verifySet(saved.folder, "here", passphrase);
    expect(readdirSync(machine.path("work"))).toEqual([]);
  });

  it("keeps every secret sealed: keys of hosts and of people are in no file, packed or not", async () => {
    const { folder } = await saveSet(options());
    const hostKey = readFileSync(machine.path("ssh/ssh_host_ed25519_key"), "utf8").split("\n")[2] ?? "";
    const own = login.privateKey.split("\n")[2] ?? "";
    expect([hostKey.length, own.length]).toEqual([70, 70]);
    spawnSync("sh", ["-c", 'cd "$1" && gunzip --keep project.tar.gz', "sh", folder]);
    for (const text of [hostKey, own, passphrase, "a password"]) expect(spawnSync("grep", ["--recursive", "--text", "--fixed-strings", text, folder]).status).toBe(1);
    const set = spawnSync("tar", ["--list", "--file", join(folder, "project.tar")], { encoding: "utf8" }).stdout.trim().split("\n");
    expect(set).toEqual(["index.ts", "node_modules/", "node_modules/.rackwright-lock", "stacks/Pulumi.here.yaml"]);
  });

  it("is signed by the same key each time, and by a new one under a new passphrase", async () => {
    const bare = { ...environment, servers: {} };
    const first = await saveSet(options({ environment: bare }));
    const second = await saveSet(options({ environment: bare, now: new Date("2026-11-26T07:31:00Z") }));
    const third = await saveSet(options({ environment: bare, now: new Date("2026-11-26T07:32:00Z"), passphrase: "new" }));
    expect(second.fingerprint).toBe(first.fingerprint);
    expect(third.fingerprint).not.toBe(first.fingerprint);
    await verifySet(third.folder, "here", "new");
  });

  it("says what is not there to be saved", async () => {
    const images = (): Promise<Gap[]> => Promise.resolve([{ kind: "image", name: "registry.example/a:1", reason: "no such host" }]);
    const saved = await saveSet(options({ state: undefined, images }));
    expect(saved.inventory.gaps.map(({ kind, name }) => [kind, name])).toEqual([["package", "xfsprogs"], ["state", "state"], ["image", "registry.example/a:1"]]);
    expect(paths(saved)).not.toContain("state.json");
  });

  it("saves nothing where a server does not answer, and names every one", async () => {
    const [name, server] = Object.entries(environment.servers)[0] ?? [];
    if (name === undefined || server === undefined) throw new Error("no server");
    const dead = { ...environment, ssh: { ...environment.ssh, dialTimeoutSeconds: 5 }, servers: { [name]: server, "gpu-02": { ...server, port: 1 }, "gpu-03": { ...server, port: 2 } } };
    await expect(saveSet(options({ environment: dead }))).rejects.toMatchObject({ code: 3, message: expect.stringMatching(/nothing was saved[\s\S]*gpu-02: [\s\S]*gpu-03: /) as string });
    expect(setsIn()).toEqual([]);
  });

  it("saves nothing where the lists of packages cannot be read, in the words of the server", async () => {
    const file = machine.path("apt/etc/apt/sources.list");
    const good = readFileSync(file, "utf8");
    writeFileSync(file, "deb http://127.0.0.1:9/debian bookworm main\n");
    try {
      await expect(saveSet(options())).rejects.toMatchObject({ code: 1, message: expect.stringContaining("gpu-01: packages failed: ") as string });
      expect(setsIn()).toEqual([]);
    } finally {
      writeFileSync(file, good);
    }
  });

  it("leaves the earlier set and no part of a new one when it is stopped, wherever that is", async () => {
    const first = await saveSet(options({ environment: { ...environment, servers: {} } }));
    for (const stopAt of ["saving servers", "saving the environment", "saving the inventory"]) {
      const stop = new AbortController();
      const doing = (what: string): void => {
        if (what.startsWith(stopAt)) stop.abort();
      };
      await expect(saveSet(options({ now: new Date("2026-11-26T08:00:00Z"), doing, signal: stop.signal })), stopAt).rejects.toThrow();
      expect(setsIn()).toEqual(["2026-11-26T07-30-00Z"]);
    }
    await verifySet(first.folder, "here", passphrase);
  });

  it("does not run beside another one", async () => {
    const bare = { ...environment, servers: {} };
    const [one, two] = await Promise.allSettled([saveSet(options({ environment: bare })), saveSet(options({ environment: bare, now: new Date("2026-11-26T07:31:00Z") }))]);
    expect([one.status, two.status].sort()).toEqual(["fulfilled", "rejected"]);
    const refused = [one, two].find((result) => result.status === "rejected");
    expect(String(refused?.reason)).toContain("is changing this stack");
  });
});
