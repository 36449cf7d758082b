import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { join } from "node:path";
import { loadStackFile, parseEnvironment, type Environment } from "../../components/environment";
import { Backup, publicKeyIn } from "../../components/recovery/backup";
import { planBackups } from "../../components/recovery/backup-plan";
import { planServer, Server } from "../../components/servers";
import { missingSecrets } from "../../components/site";
import { record, Secret } from "../servers/recorder";
import { hostKey } from "../support/environments";

function shipped(name: string): Environment {
  const loaded = loadStackFile(join(__dirname, "../../stacks", `Pulumi.${name}.yaml`));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.environment;
}

/** An environment of the given servers: which tiers each has, and its roles. */
function site(servers: Record<string, { tiers: string[]; roles?: string[] }>, more: { controlPlane?: string[]; trains?: string[]; store?: boolean; recovery?: object; distribution?: string } = {}): Environment {
  const base = shipped("sme-production");
  const [template] = Object.values(base.servers);
  const made = Object.fromEntries(Object.entries(servers).map(([name, { tiers, roles = ["worker"] }], index) => [name, {
    ...template, address: `10.0.0.${index + 1}`, roles: [...new Set([...roles, ...(more.controlPlane?.includes(name) === true ? ["control-plane"] : [])])], rack: undefined,
    hostKey: hostKey(name),
    drives: Object.fromEntries(tiers.flatMap((tier) => [0, 1].map((drive) => [`nvme-${name}-${tier}-${drive}`, { kind: tier === "hot" ? "nvme" : tier === "warm" ? "sata-ssd" : "hdd", capacityGB: 1000 }]))),
    tiers: Object.fromEntries(tiers.map((tier) => [tier, { level: tier === "hot" ? "raid0" : "raid1", drives: [0, 1].map((drive) => `nvme-${name}-${tier}-${drive}`) }])),
  }]));
  const parsed = parseEnvironment(JSON.parse(JSON.stringify({
    site: { name: "plant", internetAccess: true, ...(more.store === true ? { objectStore: { endpoint: "https://s3.plant.example", bucket: "plant" } } : {}) },
    servers: made,
    cluster: { distribution: more.distribution ?? "k3s", controlPlane: more.controlPlane ?? [] },
    training: more.trains === undefined ? {} : { tune: { servers: more.trains, command: ["python3", "train.py"] } },
    ...(more.recovery === undefined ? {} : { recovery: more.recovery }),
  })));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems, undefined, 1));
  return parsed.environment;
}

describe("what is backed up", () => {
  it("is what exists on one server and nowhere else: checkpoints of jobs, and the data of the control plane", () => {
    const { sources, without } = planBackups(site({ "gpu-01": { tiers: ["hot", "warm"] }, "gpu-02": { tiers: ["hot", "warm"] }, "store-01": { tiers: ["warm", "cold"], roles: ["storage", "control-plane"] } }, { controlPlane: ["store-01"], trains: ["gpu-02"] }));
    expect(Object.fromEntries(Object.entries(sources).map(([name, { contents, cluster }]) => [name, [contents, cluster]]))).toEqual({ "gpu-02": [["checkpoints"], undefined], "store-01": [["cluster"], "sqlite"] });
    expect(without).toEqual([]);
  });

  it("goes to another server's cold tier, a storage server's before others', else to its own, else to the object store", () => {
    const place = (environment: Environment, server: string): unknown => planBackups(environment).sources[server]?.place;
    const three = site({ "gpu-01": { tiers: ["warm", "cold"] }, "gpu-02": { tiers: ["warm", "cold"] }, "store-01": { tiers: ["warm", "cold"], roles: ["storage"] } }, { controlPlane: ["gpu-01"], trains: ["gpu-01", "store-01"], store: true });
    expect(place(three, "gpu-01")).toEqual({ kind: "store", server: "store-01", address: "10.0.0.3", port: 22, hostKey: expect.stringMatching(/^ssh-ed25519 /) as string, path: "/srv/cold/backup" });
    expect(place(three, "store-01")).toMatchObject({ kind: "store", server: "gpu-01" });
    expect(place(site({ "gpu-01": { tiers: ["warm", "cold"] } }, { controlPlane: ["gpu-01"], store: true }), "gpu-01")).toEqual({ kind: "folder", path: "/srv/cold/backup" });
    expect(place(site({ "gpu-01": { tiers: ["warm"] } }, { controlPlane: ["gpu-01"], store: true }), "gpu-01")).toEqual({ kind: "bucket", path: "plant/backup" });
    const nowhere = planBackups(site({ "gpu-01": { tiers: ["warm"] } }, { controlPlane: ["gpu-01"] }));
    expect([nowhere.sources, nowhere.without]).toEqual([{}, ["gpu-01"]]);
  });

  it("is no copy on the drives of the original", () => {
    const environment = site({ "gpu-01": { tiers: ["cold"] } }, { controlPlane: ["gpu-01"], trains: ["gpu-01"], recovery: { checkpoints: { tier: "cold" } } });
    expect(planBackups(environment).sources["gpu-01"]?.contents).toEqual(["cluster"]);
  });

  it("is nothing on a site without a cluster, or with backups of its own", () => {
    expect(planBackups(site({ "gpu-01": { tiers: ["warm", "cold"] } }, { distribution: "none" })).sources).toEqual({});
    const off = site({ "gpu-01": { tiers: ["warm", "cold"] } }, { controlPlane: ["gpu-01"], recovery: { backup: { enabled: false } } });
    expect([planBackups(off), planServer(off, "gpu-01").recoverySteps, missingSecrets(off, {}).map(({ key }) => key)]).toEqual([{ sources: {}, stores: {}, without: [] }, [], ["grafanaAdminPassword"]]);
  });

  it("asks for its password before anything is made, and only where something is backed up", () => {
    const keys = (name: string): string[] => missingSecrets(shipped(name), {}).map(({ key }) => key);
    for (const name of ["dev-test", "edge", "sme-production"]) expect(keys(name)).toContain("backupPassword");
  });
});

describe("the steps of a site's backups", () => {
  const environment = site({ "gpu-01": { tiers: ["hot", "warm"] }, "store-01": { tiers: ["warm", "cold"], roles: ["storage"] } }, { controlPlane: ["gpu-01"], trains: ["gpu-01"] });

  it("are one on each server that has something, and one where it is kept, which waits for the others' keys", () => {
    expect(planServer(environment, "gpu-01").recoverySteps.map(({ name, script, dependsOn }) => ({ name, script, dependsOn }))).toEqual([{ name: "gpu-01-backup", script: "backup.sh", dependsOn: [] }]);
    expect(planServer(environment, "store-01").recoverySteps.map(({ name, script, dependsOn }) => ({ name, script, dependsOn }))).toEqual([{ name: "store-01-backup-store", script: "backup-store.sh", dependsOn: ["gpu-01-backup"] }]);
    expect(planServer(environment, "gpu-01").recoverySteps[0]?.args).toEqual([
      "--server", "gpu-01", "--every-hours", "24", "--checkpoints", expect.stringMatching(/^tune:\d+:yes=\/srv\/warm\/checkpoints\/tune$/), "--cluster", "sqlite", "--store", "10.0.0.2:22", "--store-key", expect.stringMatching(/^ssh-ed25519=/),
      "--metrics-folder", "/var/lib/rackwright/metrics", "--package", "restic", "--package", "sqlite3", "--package", "openssh-client",
    ]);
    expect(planServer(environment, "store-01").recoverySteps[0]?.args).toEqual(["--repository", "gpu-01=checkpoints,cluster", "--remote", "gpu-01", "--folder", "/srv/cold/backup", "--keep-daily", "7", "--keep-weekly", "4", "--metrics-folder", "/var/lib/rackwright/metrics", "--package", "restic", "--package", "rclone"]);
  });

  it("get the password and the keys on standard input only, as secrets", async () => {
    const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPW9";
    const credentials = { backupPassword: pulumi.secret("T0P-S3CRET") };
    const made = await record(() => {
      const servers = new Map(Object.keys(environment.servers).map((name) => [name, new Server(name, { environment, credentials })]));
      new Backup("backup", { environment, credentials, servers });
    }, { preview: false, outputs: { "gpu-01-backup": { stdout: JSON.stringify({ step: "gpu-01-backup", publicKey: key }) } } });
    expect(made.urns.filter((urn) => urn.includes("recovery")).sort()).toEqual(["rackwright:recovery:Backup$command:remote:Command::gpu-01-backup", "rackwright:recovery:Backup$command:remote:Command::store-01-backup-store", "rackwright:recovery:Backup::backup"]);
    expect(made.named("command:remote:Command", "gpu-01-backup").inputs["stdin"]).toEqual(new Secret("password T0P-S3CRET\n"));
    expect(made.named("command:remote:Command", "store-01-backup-store").inputs["stdin"]).toEqual(new Secret(`password T0P-S3CRET\nkey-gpu-01 ${key}\n`));
    expect(JSON.stringify(made.resources.map(({ inputs }) => ({ ...inputs, stdin: undefined })))).not.toContain("T0P-S3CRET");
  });

  it.each([["nothing", ""], ["noise", "{"], ["another document", '{"step":"gpu-01-backup"}'], ["no text", '{"publicKey":1}']])("read no key in %s", (_, stdout) => {
    expect(publicKeyIn(stdout)).toBeUndefined();
  });
});
