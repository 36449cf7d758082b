import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hasNamespaces, ScratchHost } from "../cluster/scratch-host";
import { documentOf, findingsOf, type Finished } from "../servers/host-script";
import { hostKey, library, publicKey, source, store, stubs, units } from "./backup-steps";

if (!hasNamespaces()) process.stderr.write("unshare gives no mounts here (a kernel without user namespaces): backup.sh and backup-store.sh were not run\n");

describe.skipIf(!hasNamespaces())("the steps that set up backups", () => {
  let host: ScratchHost;
  beforeEach(() => {
    host = new ScratchHost(stubs);
    host.write("/run/mounted", "");
    host.write("/srv/cold/.keep", "");
  });
  afterEach(() => { host.remove(); });
  const ids = (run: Finished): string[] => findingsOf(run).map(({ id }) => id);
  const run = (script: string, verb: string, args: string[], input = ""): Promise<Finished> => host.run(script, [verb, ...args], input);

  describe("backup.sh", () => {
    it("sets a server up, once, and prints the public key that lets it in", async () => {
      expect([...new Set(ids(await run("backup.sh", "check", source)))]).toEqual(["package-missing", "secret", "backup-key", "backup-host-key", "backup-script", "backup-unit", "backup-disabled", "backup-stopped"]);
      const made = await run("backup.sh", "apply", source, "password T0P-S3CRET\n");
      expect([made.code, made.stderr]).toEqual([0, expect.stringContaining("started rackwright-backup.timer")]);
      expect(documentOf(made)["publicKey"]).toBe(host.read("/etc/rackwright/backup/key.pub").split(" ").slice(0, 2).join(" "));
      expect(documentOf(await run("backup.sh", "check", source))).toEqual({ step: "gpu-01-backup", ok: true, findings: [] });
      const again = documentOf(await run("backup.sh", "apply", source));
      expect(again).toEqual({ step: "gpu-01-backup", changed: [], rebootRequired: false, publicKey: documentOf(made)["publicKey"] });
      expect(host.read("/etc/rackwright/backup/known_hosts")).toBe(`[10.0.0.9]:2222 ${hostKey.replace("=", " ")}\n`);
      expect(`${made.stdout}${made.stderr}${host.read(`${units}/rackwright-backup.service`)}`).not.toContain("T0P-S3CRET");
    });

    it("runs every hour what is due, with the lowest weight, bound in time and with few places to write to", async () => {
      await run("backup.sh", "apply", source, "password T0P-S3CRET\n");
      const unit = host.read(`${units}/rackwright-backup.service`).split("\n");
      expect(unit).toContain(`ExecStart=/bin/bash ${library}/backup-run.sh --server gpu-01 --every-hours 24 --checkpoints tune:4:yes=/srv/warm/checkpoints/tune --cluster sqlite --store rackwright-backup@10.0.0.9:2222 --metrics-folder /var/lib/rackwright/metrics`);
      for (const line of ["TimeoutStartSec=86400", "Nice=19", "IOSchedulingClass=idle", "ProtectSystem=strict", "NoNewPrivileges=yes", "UMask=0077", "ReadWritePaths=/var/lib/rackwright -/srv/warm/checkpoints -/var/lib/rancher/k3s -/var/lib/rackwright/metrics"]) expect(unit).toContain(line);
      expect(host.read(`${units}/rackwright-backup.timer`)).toContain("OnCalendar=*:10\n");
    });

    it("says why the last backup failed, and that nobody mends it from afar", async () => {
      await run("backup.sh", "apply", source, "password T0P-S3CRET\n");
      host.write("/var/lib/rackwright/backup/source-cluster.status", "error=the tier that keeps backups is full\nwhat=gpu-01/cluster\n");
      expect(findingsOf(await run("backup.sh", "check", source))).toEqual([{ id: "backup-failed", message: "gpu-01/cluster: the tier that keeps backups is full", mendable: false }]);
    });

    it("needs its password once, and the host key of the store", async () => {
      expect((await run("backup.sh", "apply", source)).stderr).toMatch(/the secret password is expected on standard input/);
      const without = source.filter((word, index) => word !== "--store-key" && source[index - 1] !== "--store-key");
      const refused = await run("backup.sh", "apply", without);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("--store-key is needed for --store")]);
    });
  });

  describe("backup-store.sh", () => {
    const input = (password = "T0P-S3CRET", key = publicKey): string => `password ${password}\nkey-gpu-01 ${key}\n`;

    it("makes repositories and lets each server into its own, once", async () => {
      expect([...new Set(ids(await run("backup-store.sh", "check", store)))]).toEqual(["package-missing", "secret", "backup-login", "backup-keys", "backup-repository", "backup-script", "backup-unit", "backup-disabled", "backup-stopped"]);
      const made = await run("backup-store.sh", "apply", store, input());
      expect([made.code, made.stderr]).toEqual([0, expect.stringContaining("started rackwright-backup-keep.timer")]);
      expect(host.read("/var/lib/rackwright-backup/.ssh/authorized_keys")).toBe(`# Written by rackwright.\nrestrict,command="/bin/bash ${library}/backup-door.sh gpu-01 /srv/cold/backup" ${publicKey}\n`);
      expect(host.read("/run/owners/_srv_cold_backup_gpu-01")).toBe("rackwright-backup 700\n");
      expect(host.read("/run/owners/_srv_cold_backup_store-01")).toBe("root 700\n");
      expect(host.read("/run/useradd")).toContain("--shell /bin/sh --password * rackwright-backup");
      expect(documentOf(await run("backup-store.sh", "check", store))).toEqual({ step: "store-01-backup-store", ok: true, findings: [] });
      const inits = (): number => host.read("/run/restic").split("\n").filter((line) => line.includes("init")).length;
      expect(inits()).toBe(2);
      expect(documentOf(await run("backup-store.sh", "apply", store, input()))).toMatchObject({ changed: [] });
      expect(inits()).toBe(2);
      expect(`${made.stdout}${made.stderr}`).not.toContain("T0P-S3CRET");
    });

    it("refuses a password that does not open what is there, and keeps the one that does", async () => {
      await run("backup-store.sh", "apply", store, input());
      const other = await run("backup-store.sh", "apply", store, input("an0ther"));
      expect([other.code, other.stdout, other.stderr]).toEqual([4, "", expect.stringContaining("the repository /srv/cold/backup/gpu-01 does not open: the repository does not open with the password that this server has")]);
      expect(host.read("/etc/rackwright/backup/password")).toBe("T0P-S3CRET\n");
      expect(other.stderr).not.toContain("an0ther");
    });

    it("makes nothing on the system's drive where the tier is not mounted", async () => {
      host.remove("/run/mounted");
      const made = await run("backup-store.sh", "apply", store, input());
      expect([made.code, made.stderr]).toEqual([4, expect.stringContaining("/srv/cold is not mounted, and backups would be on the system's drive")]);
      expect(host.exists("/srv/cold/backup")).toBe(false);
    });

    it.each([["two keys in one line", `${publicKey} ssh-ed25519 AAAA`], ["options", `command="sh" ${publicKey}`], ["another type", "ssh-rsa AAAA"]])("lets nobody in by %s", async (_, key) => {
      const made = await run("backup-store.sh", "apply", store, input("T0P-S3CRET", key));
      expect([made.code, made.stderr]).toEqual([4, expect.stringContaining("is not an ssh-ed25519 key and nothing else")]);
      expect(host.exists("/var/lib/rackwright-backup/.ssh/authorized_keys")).toBe(false);
    });
  });
});
