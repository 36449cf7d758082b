import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Environment } from "../../components/environment/schema";
import { parseEnvironment } from "../../components/environment";
import { emulateDrives, successorOf } from "../../rehearsal/hardware";
import { tierSteps } from "../../rehearsal/host-steps";
import { handsOn, lostHotTier, rebuildsOf, roomier, withOwnStore, withoutDrive } from "../../rehearsal/hot-tier-plan";
import { machineArguments } from "../../rehearsal/server";
import { shipped } from "../policies/recordings";

const sme = shipped("sme-production");
const hotDrives = [2, 3, 4, 5].map((number) => `nvme-SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R50000${number}`);
const [first = "", , , last = ""] = hotDrives;

/** The environment with something else about its first server. */
function changed(change: (server: Environment["servers"][string], environment: Environment) => void): Environment {
  const environment = structuredClone(sme);
  for (const name of ["gpu-01", "gpu-02"]) {
    const server = environment.servers[name];
    if (server !== undefined) change(server, environment);
  }
  return environment;
}

describe("which hot tier is lost", () => {
  it("is that of the active replica of a service with a standby, filled from a tier of the same server", () => {
    expect(lostHotTier(sme, "sme-production")).toMatchObject({
      service: { name: "assistant" }, active: { server: "gpu-01", role: "active" }, mount: "/srv/hot", store: "/srv/warm/models", storeTier: "warm", models: ["qwen2.5-72b", "bert-large"],
    });
    expect(lostHotTier(sme, "sme-production").otherSource).toBeUndefined();
  });

  it("says what stands in where weights come from elsewhere", () => {
    const nfs = changed((_server, { site }) => (site.modelStore = { kind: "nfs", server: "10.20.0.21", path: "/export" }));
    expect(lostHotTier(nfs, "sme")).toMatchObject({ store: "/srv/warm/models", otherSource: "the NFS export of site.modelStore" });
    const bucket = changed((_server, { site }) => (site.objectStore = { endpoint: "https://s3.example.org", bucket: "weights", region: "us-east-1" }));
    expect(lostHotTier(bucket, "sme").otherSource).toBe("the object store");
  });

  it.each<[string, Environment, string]>([
    ["without a standby", shipped("dev-test"), "recovery.standby.mode is none"],
    ["whose hot tier survives a drive", changed((server) => Object.assign(server.tiers.hot ?? {}, { level: "raid10" })), "needs a hot tier that is raid0 on NVMe drives"],
    ["whose hot tier is not on NVMe", changed((server) => Object.assign(server.drives[first] ?? server.drives["nvme-SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R500011"] ?? {}, { kind: "sata-ssd" })), "needs a hot tier that is raid0 on NVMe drives"],
    ["without another tier on the server", changed((server, { site }) => { delete server.tiers.warm; site.objectStore = { endpoint: "https://s3.example.org", bucket: "weights", region: "us-east-1" }; }), "give that server a warm or a cold tier"],
  ])("is none in an environment %s", (_what, environment, message) => {
    expect(() => lostHotTier(environment, "sme")).toThrow(message);
  });
});

describe("how it comes back", () => {
  it("is on a new drive, and on what remains where that is enough for a RAID 0", () => {
    const of = (drives: string[]) => rebuildsOf({ tier: { level: "raid0", drives, chunkKiB: 512 } });
    expect(of(hotDrives)).toEqual(["replaced", "remaining"]);
    expect(of(hotDrives.slice(0, 3))).toEqual(["replaced", "remaining"]);
    expect(of(hotDrives.slice(0, 2))).toEqual(["replaced"]);
  });

  it("changes nothing in the environment's file but the drive's name", () => {
    const replaced = withoutDrive(sme, "gpu-01", last, "nvme-NEW_1");
    expect(replaced.servers["gpu-01"]?.tiers.hot?.drives).toEqual([...hotDrives.slice(0, 3), "nvme-NEW_1"]);
    expect(JSON.stringify(replaced)).toBe(JSON.stringify(sme).replaceAll(last, "nvme-NEW_1"));
    const remaining = withoutDrive(sme, "gpu-01", last);
    expect(remaining.servers["gpu-01"]?.tiers.hot?.drives).toEqual(hotDrives.slice(0, 3));
    expect(Object.keys(remaining.servers["gpu-01"]?.drives ?? {})).toEqual(Object.keys(sme.servers["gpu-01"]?.drives ?? {}).filter((id) => id !== last));
    expect(() => withoutDrive(sme, "gpu-01", "nvme-OTHER")).toThrow("gpu-01 has no hot tier with nvme-OTHER");
  });

  it("is an environment that is valid, whose tier's step names the drives that are there", () => {
    const own = withOwnStore(sme);
    for (const [environment, drives] of [[own, hotDrives], [withoutDrive(own, "gpu-01", last), hotDrives.slice(0, 3)], [withoutDrive(own, "gpu-01", last, "nvme-NEW_1"), [...hotDrives.slice(0, 3), "nvme-NEW_1"]]] as const) {
      const parsed = parseEnvironment(environment);
      expect(parsed.ok ? [] : parsed.problems).toEqual([]);
      const [hot, warm] = tierSteps(environment, "gpu-01");
      const values = (args: readonly string[] | undefined, flag: string): string[] => (args ?? []).flatMap((word, index, all) => (all[index - 1] === flag ? [word] : []));
      expect(values(hot?.args, "--drive")).toEqual(drives);
      expect(values(hot?.args, "--folder")).toEqual(["models"]);
      expect(values(warm?.args, "--folder")).toEqual(["models"]);
    }
  });
});

describe("what is to be done by hand", () => {
  const scripts = join(__dirname, "../../components/servers/scripts");
  /** What the step itself says, by its own function. */
  const said = (states: string, array: string): string => {
    const program = `set -eu; readonly BY_ID=/dev/disk/by-id; blocker() { printf %s "$2"; }; . ${scripts}/tier-diagnosis.sh; TIER=hot MOUNT=/srv/hot ARRAY=${array} DRIVES=(nvme-A_1 nvme-B_2 nvme-C_3) STATES=(${states}); array_is_lost`;
    const { status, stdout, stderr } = spawnSync("bash", ["-c", program], { encoding: "utf8" });
    expect(status, stderr).toBe(0);
    return stdout;
  };

  it("is read in what the tier's own step says", () => {
    expect(handsOn(said("ours ours missing", "md127"))).toEqual({ commands: ["umount /srv/hot", "mdadm --stop /dev/md127"], drives: ["nvme-A_1", "nvme-B_2"] });
    expect(said("ours ours missing", "md127")).toContain("RAID 0 has lost nvme-C_3");
  });

  it("is nothing where it says something else", () => {
    expect(handsOn("the array is degraded")).toBeUndefined();
  });
});

describe("an emulated drive that takes another's place", () => {
  const [gpu, store] = [sme.servers["gpu-01"], sme.servers["store-01"]];
  const drive = gpu === undefined ? undefined : emulateDrives(gpu).find(({ id }) => id === last);
  const [other] = store === undefined ? [] : emulateDrives(store);
  if (drive === undefined || other === undefined) throw new Error(`no ${last}`);
  const again = successorOf(drive);

  it("is blank, of the same size, in the same slot, under a name that the server's own udev gives it", () => {
    expect([again.sizeMiB, again.bus, again.kind]).toEqual([drive.sizeMiB, drive.bus, "nvme"]);
    expect(new Set([again.serial, again.file, again.node, again.device, again.id, drive.serial, drive.file, drive.node, drive.device, drive.id]).size).toBe(10);
    expect(again.id).toBe(`nvme-QEMU_NVMe_Ctrl_${again.serial}`);
    expect(again.serial).toMatch(/^[0-9A-F]{20}$/);
    expect(again.idFrom).toBe("device");
    expect(successorOf(again).serial).not.toBe(again.serial);
  });

  it("has room for XFS with stripes on the drives that remain", () => {
    const size = roomier(lostHotTier(sme, "sme-production"))(drive).sizeMiB;
    expect(size * (hotDrives.length - 1)).toBeGreaterThanOrEqual(560);
    expect(roomier({ tier: { level: "raid0", drives: [last, "nvme-B"], chunkKiB: 512 } })(drive).sizeMiB).toBeGreaterThanOrEqual(560);
    expect(roomier(lostHotTier(sme, "sme-production"))(other)).toEqual(other);
  });
});

describe("an emulated server that offers a port", () => {
  const spec = { name: "one", server: { nics: {} }, memoryMiB: 1024, port: 12345, kernel: "/k", initrd: "/i", disk: "/d", console: "/c", folder: "/rack", drives: [] };
  const management = (more: object): string => machineArguments({ ...spec, ...more }).find((word) => word.startsWith("user,id=management")) ?? "";

  it("is reached at it on loopback alone, and at no other besides SSH's", () => {
    expect(management({ offers: 8000, servicePort: 23456 })).toBe("user,id=management,hostfwd=tcp:127.0.0.1:12345-:22,hostfwd=tcp:127.0.0.1:23456-:8000");
    expect(management({ servicePort: 23456 })).toBe("user,id=management,hostfwd=tcp:127.0.0.1:12345-:22");
  });
});
