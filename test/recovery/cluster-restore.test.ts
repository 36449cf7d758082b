import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { controlPlaneTimeout } from "../support/control-plane";
import { BackupSite, finished, programsMissing } from "./backup-site";
import { K3sServer, type ApiObject, type Datastore } from "./k3s-server";
import { runbookBlocks } from "./runbook";

const missing = programsMissing();
if (missing !== undefined) process.stderr.write(`the cluster's data are not restored from real backups: ${missing}\n`);

const configMaps = "/api/v1/namespaces/work/configmaps";
const configMap = (name: string, n: number): unknown => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { n: String(n) } });

/** Changes one after the other, each once the one before is acknowledged: objects come, one changes all the time, and some go. */
class Writer {
  issued = 0;
  acknowledged = 0;
  private running = true;
  private done: Promise<void> = Promise.resolve();

  constructor(private readonly server: K3sServer) {}

  start(): void {
    this.done = (async () => {
      while (this.running) {
        this.issued += 1;
        await this.change(this.issued);
        this.acknowledged = this.issued;
      }
    })();
  }

  private change(n: number): Promise<unknown> {
    if (n % 4 === 0) return this.server.call("DELETE", `${configMaps}/w-${n - 3}`);
    if (n % 4 === 2) return this.server.call("PUT", `${configMaps}/counter`, configMap("counter", n));
    return this.server.call("POST", configMaps, configMap(`w-${n}`, n));
  }

  /** What is there after so many changes: the number in each object, by its name. */
  static after(changes: number): Record<string, string> {
    const objects = new Map([["counter", "0"]]);
    for (let n = 1; n <= changes; n += 1) {
      if (n % 4 === 0) objects.delete(`w-${n - 3}`);
      else objects.set(n % 4 === 2 ? "counter" : `w-${n}`, String(n));
    }
    return Object.fromEntries(objects);
  }

  async stop(): Promise<void> {
    this.running = false;
    await this.done;
  }
}

const numbers = (objects: Record<string, ApiObject>): Record<string, string> => Object.fromEntries(Object.values(objects).map(({ metadata, data }) => [metadata.name, data?.["n"] ?? ""]));

describe.skipIf(missing !== undefined).each<Datastore>(["sqlite", "etcd"])("a cluster whose data are in %s", (datastore) => {
  const folder = mkdtempSync(join(tmpdir(), "rackwright-k3s-"));
  let site: BackupSite;
  let server: K3sServer;
  let environment: Record<string, string>;
  let robot = "";
  const kept: Record<string, Record<string, ApiObject>> = {};
  const lists = ["/api/v1/namespaces", "/api/v1/secrets", "/api/v1/serviceaccounts", "/apis/rbac.authorization.k8s.io/v1/clusterroles"];

  beforeAll(async () => {
    site = await BackupSite.make();
    server = await K3sServer.make(folder, datastore);
    environment = { RACKWRIGHT_K3S_DATA: server.data, PATH: `${server.bin}:${process.env["PATH"] ?? ""}` };
    await server.start();
    await server.call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "work" } });
    await server.call("POST", configMaps, configMap("counter", 0));
    for (let n = 0; n < 20; n += 1) await server.call("POST", "/api/v1/namespaces/work/secrets", { apiVersion: "v1", kind: "Secret", metadata: { name: `s-${n}` }, stringData: { password: `T0P-S3CRET-${n}` } });
    await server.call("POST", "/api/v1/namespaces/work/serviceaccounts", { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot" } });
    robot = (await server.call<{ status: { token: string } }>("POST", "/api/v1/namespaces/work/serviceaccounts/robot/token", { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 86_400 } }))?.status.token ?? "";
    for (const list of lists) kept[list] = await server.objects(list);
  }, controlPlaneTimeout);
  afterAll(async () => {
    await server.crash();
    await site.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Commands of the runbook, with this test's folders in the place of a server's. */
  const run = async (block: string | undefined): Promise<{ code: number | null; stderr: string }> => {
    const here = (block ?? "false").replaceAll("/root/restored/var/lib/rackwright/backup", `${site.path("restored")}${site.path("source")}`).replaceAll("/var/lib/rancher/k3s", server.data);
    return finished("bash", ["-euo", "pipefail", "-c", here], { env: { ...process.env, ...environment } });
  };
  const [keys, sqlite, etcd] = runbookBlocks("Get the cluster back");
  const staged = (): string => `${site.path("restored")}${site.path("source/stage-cluster")}`;
  const getBack = async (): Promise<void> => {
    rmSync(site.path("restored"), { recursive: true, force: true });
    const [snapshot = ""] = site.snapshots();
    expect((await site.restic(["restore", snapshot, "--target", site.path("restored")])).code).toBe(0);
  };
  let backedUp: { first: number; last: number };

  it("is backed up while objects come, change and go", async () => {
    const writer = new Writer(server);
    writer.start();
    await expect.poll(() => writer.acknowledged, { timeout: 60_000 }).toBeGreaterThan(40);
    const first = writer.acknowledged;
    const backup = await site.backUpCluster(datastore, environment);
    backedUp = { first, last: writer.issued };
    await expect.poll(() => writer.acknowledged, { timeout: 60_000 }).toBeGreaterThan(backedUp.last + 20);
    await writer.stop();
    expect([backup.code, backup.stderr]).toEqual([0, "backup-run: cluster of gpu-01 is backed up\n"]);
    expect(numbers(await server.objects(configMaps))).toEqual(Writer.after(writer.acknowledged));
    const looked = await site.keep({}, "cluster");
    expect([looked.code, looked.stderr]).toEqual([0, ""]);
  }, 300_000);

  it("is not restored from a file that is not what was backed up", async () => {
    await server.crash();
    await getBack();
    const [file = ""] = spawnSync("bash", ["-c", `ls -d ${staged()}/{state.db,rackwright-*} 2>/dev/null`], { encoding: "utf8" }).stdout.split("\n");
    const content = readFileSync(file);
    const changed = Buffer.from(content);
    changed.writeUInt8(changed.readUInt8(4321) ^ 1, 4321);
    writeFileSync(file, changed);
    const before = readFileSync(server.path("token"), "utf8");
    const first = await run(keys);
    expect([first.code, first.stderr]).toEqual([1, expect.stringMatching(/1 computed checksum did NOT match/)]);
    expect(readFileSync(server.path("token"), "utf8")).toBe(before);
    if (datastore === "etcd") {
      const second = await run(etcd);
      expect([second.code, second.stderr]).toEqual([1, expect.stringMatching(/expected sha256/)]);
    }
  }, 60_000);

  it("comes back by the runbook on a server that has nothing any more: one moment of it, with every object as it was", async () => {
    rmSync(server.path(), { recursive: true });
    spawnSync("mkdir", ["-p", server.path()]);
    await getBack();
    expect(await run(keys)).toMatchObject({ code: 0 });
    expect(await run(datastore === "sqlite" ? sqlite : etcd)).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, "systemctl"), "utf8").trim().split("\n").slice(-2)).toEqual(["disable --now k3s", "enable --now k3s"]);
    await server.start();
    for (const list of lists) expect([list, await server.objects(list)]).toEqual([list, kept[list]]);
    const found = numbers(await server.objects(configMaps));
    const moment = Array.from({ length: backedUp.last - backedUp.first + 1 }, (_, index) => backedUp.first + index).filter((changes) => JSON.stringify(sorted(Writer.after(changes))) === JSON.stringify(sorted(found)));
    expect([moment, found]).toEqual([[expect.any(Number)], found]);
    // Who had a token has one still, and the store takes writes.
    expect(await server.whoIs(robot)).toBe("system:serviceaccount:work:robot");
    const fresh = await server.call("POST", configMaps, configMap("fresh", 1));
    const newest = Math.max(...Object.values(kept).flatMap((objects) => Object.values(objects).map(({ metadata }) => Number(metadata.resourceVersion))));
    expect(Number(fresh?.metadata.resourceVersion)).toBeGreaterThan(newest);
  }, 300_000);

  it("comes back over what is there, which is kept", async () => {
    await server.crash();
    expect(await run(keys)).toMatchObject({ code: 0 });
    expect(await run(datastore === "sqlite" ? sqlite : etcd)).toMatchObject({ code: 0 });
    await server.start();
    expect(await server.call("GET", `${configMaps}/fresh`)).toBeUndefined();
    expect(await server.call("GET", `${configMaps}/counter`)).toBeDefined();
    expect(spawnSync("bash", ["-c", `ls -d ${server.path()}/db{.lost,/etcd-old}-* 2>/dev/null | wc -l`], { encoding: "utf8" }).stdout.trim()).not.toBe("0");
  }, 120_000);
});

const sorted = (record: Record<string, string>): [string, string][] => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
