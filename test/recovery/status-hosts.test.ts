import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recordRehearsal } from "../../cli/recovery-record";
import { hasNamespaces } from "../cluster/scratch-host";
import { makeKey, startSshd, type KeyPair, type Sshd } from "../engine/command-provider/sshd";
import { scriptsFolder } from "../servers/host-script";
import { generatedServer } from "../support/environments";
import { ProjectCopy } from "../support/project-copy";
import { BackupSite, programsMissing } from "./backup-site";

const missing = programsMissing() ?? (hasNamespaces() ? undefined : "unshare gives no mounts here (a kernel without user namespaces)");
if (missing !== undefined) process.stderr.write(`rackwright recovery status was not asked of servers: ${missing}\n`);

const name = "answers";
const env = { PULUMI_CONFIG_PASSPHRASE: "correct horse battery staple" };

/** A server over a real SSH server: the scripts that `up` brings are in its home, and its /var/lib is a folder of the test's. */
class Host {
  private sshd: Sshd | undefined;

  constructor(private readonly folder: string, private readonly login: KeyPair, private readonly state: string) {
    mkdirSync(`${folder}/home/.rackwright`, { recursive: true });
    mkdirSync(`${folder}/lib/rackwright/backup`, { recursive: true });
    mkdirSync(`${folder}/bin`);
    this.bringScripts();
    writeFileSync(`${folder}/bin/sudo`, "#!/bin/bash\nshift; exec \"$@\"\n", { mode: 0o755 });
    writeFileSync(`${folder}/bin/session`, `#!/bin/bash\nexport PATH=${folder}/bin:$PATH\ncd ${folder}/home\nexec unshare --map-root-user --mount bash -c 'mount --bind ${folder}/lib /var/lib && mount --bind ${state} /var/lib/rackwright/backup && eval "$SSH_ORIGINAL_COMMAND"'\n`, { mode: 0o755 });
  }

  bringScripts(): void {
    symlinkSync(scriptsFolder, `${this.folder}/home/.rackwright/scripts`);
  }

  loseScripts(): void {
    rmSync(`${this.folder}/home/.rackwright/scripts`);
  }

  /** Changes what the server remembers, as if time had passed. */
  remember(file: string, values: Readonly<Record<string, string>>): () => void {
    const path = `${this.state}/${file}.status`;
    const before = readFileSync(path, "utf8");
    writeFileSync(path, before.split("\n").map((line) => { const key = line.slice(0, line.indexOf("=")); return key in values ? `${key}=${values[key] ?? ""}` : line; }).join("\n"));
    return () => { writeFileSync(path, before); };
  }

  async start(): Promise<void> {
    const known = this.sshd;
    this.sshd = await startSshd([`command="${this.folder}/bin/session" ${this.login.publicKey}`], known === undefined ? {} : { port: known.port });
  }

  get port(): number {
    return this.sshd?.port ?? 0;
  }

  get hostKey(): string {
    return this.sshd?.hostKey ?? "";
  }

  async stop(): Promise<void> {
    await this.sshd?.stop();
  }
}

describe.skipIf(missing !== undefined)("rackwright recovery status, asked of servers over SSH,", { timeout: 120_000 }, () => {
  let site: BackupSite;
  let project: ProjectCopy;
  let source: Host;
  let store: Host;
  beforeAll(async () => {
    site = await BackupSite.make();
    mkdirSync(site.path("k3s/server/db"), { recursive: true });
    writeFileSync(site.path("k3s/server/token"), "token\n");
    spawnSync("sqlite3", [site.path("k3s/server/db/state.db"), "CREATE TABLE kine (id INTEGER PRIMARY KEY, value BLOB); INSERT INTO kine VALUES (1, randomblob(100000));"]);
    expect((await site.backUpCluster("sqlite", { RACKWRIGHT_K3S_DATA: site.path("k3s") })).code).toBe(0);
    expect((await site.keep({}, "cluster")).code).toBe(0);
    const login = makeKey(site.root, "login");
    source = new Host(site.path("gpu-01"), login, site.path("source"));
    store = new Host(site.path("store-01"), login, site.path("store"));
    for (const host of [source, store]) await host.start();

    const { gpus: _, ...storage } = generatedServer(2);
    const hdd = "ata-ST8000NM017B-2TJ103_WWZ0A101";
    const other = "ata-ST8000NM017B-2TJ103_WWZ0A102";
    const at = (host: Host): object => ({ address: "127.0.0.1", port: host.port, hostKey: host.hostKey });
    const environment = {
      site: { name },
      ssh: { user: userInfo().username, dialTimeoutSeconds: 10 },
      servers: {
        "gpu-01": { ...generatedServer(1), ...at(source), roles: ["worker", "control-plane"] },
        "store-01": { ...storage, ...at(store), roles: ["storage"], drives: { ...storage.drives, [hdd]: { kind: "hdd", capacityGB: 8000 }, [other]: { kind: "hdd", capacityGB: 8000 } }, tiers: { ...storage.tiers, cold: { level: "raid1", drives: [hdd, other] } } },
      },
      cluster: { distribution: "k3s", controlPlane: ["gpu-01"] },
      recovery: { standby: { mode: "none" } },
    };
    project = new ProjectCopy();
    project.writeStack(name, JSON.stringify({ config: { "rackwright:environment": environment } }));
    const set = await project.run(["secret", name, "sshPrivateKey"], { env, stdin: login.privateKey });
    expect([set.code, set.stderr]).toEqual([0, expect.any(String)]);
    recordRehearsal(name, "coldStart", { at: Math.floor(Date.now() / 1000) - 86_400, ok: true, seconds: 900, how: "on emulated servers" }, project.folder);
  }, 120_000);
  afterAll(async () => {
    for (const host of [source, store]) await host.stop();
    project.remove();
    await site.close();
  });

  interface Answer { levels: { level: string; what: string; verdict: string; reason: string; rpoSeconds?: number; rpoTargetSeconds?: number; rtoSeconds?: number; lastSuccess?: number; lastRehearsal?: number }[]; unreachable: { server: string; address: string; reason: string }[] }
  const ask = async (): Promise<{ code: number; backup: Answer["levels"][number] | undefined; unreachable: Answer["unreachable"]; stderr: string }> => {
    const { code, stdout, stderr } = await project.run(["recovery", "status", name, "--json"], { env });
    expect(stdout, stderr).toMatch(/^\{/);
    const { levels, unreachable } = JSON.parse(stdout) as Answer;
    return { code, backup: levels.find(({ level }) => level === "backup"), unreachable, stderr };
  };

  it("ends with 0 where a backup was made, read back and restored from, and shows when and how long", async () => {
    const { code, backup, unreachable } = await ask();
    expect([code, unreachable, backup]).toEqual([0, [], expect.objectContaining({ what: "gpu-01/cluster", verdict: "well", reason: "kept on store-01", rpoTargetSeconds: 86_400 })]);
    expect(backup?.rpoSeconds).toBeLessThan(600);
    expect(backup?.rtoSeconds).toBeGreaterThan(0);
    for (const at of [backup?.lastSuccess, backup?.lastRehearsal]) expect(Math.abs((at ?? 0) - Date.now() / 1000)).toBeLessThan(600);
    const page = await project.run(["recovery", "status", name], { env });
    expect([page.code, page.stdout]).toEqual([0, expect.stringMatching(/^well +backup +gpu-01\//m)]);
    expect(page.stdout).toContain("Every level that is asked for is well.");
  });

  it("ends with 1 where one is overdue, failed or was not tried for too long, and says which", async () => {
    const ago = (hours: number): string => String(Math.floor(Date.now() / 1000 - hours * 3600));
    for (const [change, reason] of [
      [() => source.remember("source-cluster", { last_success: ago(37) }), "the next one is overdue"],
      [() => source.remember("source-cluster", { error: "the tier that keeps backups is full" }), "the tier that keeps backups is full"],
      [() => store.remember("kept-gpu-01-cluster", { restored: ago(8 * 24 + 1) }), "the last try to restore from it is too long ago"],
    ] as const) {
      const back = change();
      const { code, backup } = await ask();
      back();
      expect([code, backup?.verdict, backup?.reason]).toEqual([1, "missed", reason]);
    }
    expect((await ask()).code).toBe(0);
  });

  it("ends with 3 where a server is silent or has no scripts, says which and what to do, and still shows the others'", async () => {
    source.loseScripts();
    const without = await ask();
    source.bringScripts();
    expect([without.code, without.unreachable]).toEqual([3, [{ server: "gpu-01", address: `127.0.0.1:${source.port}`, reason: expect.stringMatching(/recovery-status\.sh did not run there: .*No such file or directory\. `rackwright up` brings it/) as string }]]);
    await store.stop();
    const silent = await ask();
    expect([silent.code, silent.unreachable]).toEqual([3, [{ server: "store-01", address: `127.0.0.1:${store.port}`, reason: expect.stringMatching(/./) as string }]]);
    expect(silent.backup).toMatchObject({ verdict: "unknown", reason: "no word from store-01", lastSuccess: expect.any(Number) as number });
    expect(silent.stderr).not.toMatch(/^ +at /m);
  });
});
