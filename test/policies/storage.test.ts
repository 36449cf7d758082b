import { describe, expect, it } from "vitest";
import { arrayDrivesAlike } from "../../policies/storage/array-drives-alike";
import { coldTierOnCapacityDrives } from "../../policies/storage/cold-tier-on-capacity-drives";
import { drivesById } from "../../policies/storage/drives-by-id";
import { hotTierHasASource } from "../../policies/storage/hot-tier-has-a-source";
import { noParityOnNvme } from "../../policies/storage/no-parity-on-nvme";
import { raid0HotTierNvmeOnly } from "../../policies/storage/raid0-hot-tier-nvme-only";
import { tiersShareNoDrive } from "../../policies/storage/tiers-share-no-drive";
import { warmTierOnSsd } from "../../policies/storage/warm-tier-on-ssd";
import { warmTierSurvivesADrive } from "../../policies/storage/warm-tier-survives-a-drive";
import type { SiteSpec, StorageTierSpec } from "../../policies/specs";
import { analyze, broken, expectViolations } from "./analyze";
import { serverSpec, siteSpec, tierSpec } from "./fixtures";

const drive = (kind: StorageTierSpec["drives"][number]["kind"], id: string = kind, capacityGB = 3840) => ({ id, kind, capacityGB });

describe("raid0-hot-tier-nvme-only", () => {
  it("accepts RAID 0 on the hot tier on NVMe", () => {
    expect(tierSpec("hot").level).toBe("raid0");
    expect(analyze(raid0HotTierNvmeOnly, tierSpec("hot"))).toEqual([]);
  });

  it.each(["warm", "cold"] as const)("refuses RAID 0 on the %s tier", (tier) => {
    const spec = broken(tierSpec("hot"), (spec) => (spec.tier = tier));
    expectViolations(analyze(raid0HotTierNvmeOnly, spec), { at: `servers.gpu-01.tiers.${tier}.level`, says: [tier, "raid0"], allowed: "raid0 on the hot tier only" });
  });

  it.each(["sata-ssd", "hdd"] as const)("refuses a %s in a RAID 0 and names the drive", (kind) => {
    const spec = broken(tierSpec("hot"), (spec) => spec.drives.push(drive(kind, "slow_1")));
    expectViolations(analyze(raid0HotTierNvmeOnly, spec), { at: "servers.gpu-01.tiers.hot.drives", says: ["slow_1", kind], allowed: "nvme in a raid0 array" });
  });

  it("says nothing of other levels on other drives", () => {
    const spec = broken(tierSpec("hot"), (spec) => Object.assign(spec, { level: "raid10", drives: [drive("hdd")] }));
    expect(analyze(raid0HotTierNvmeOnly, spec)).toEqual([]);
  });
});

describe("warm-tier-survives-a-drive", () => {
  it.each(["raid1", "raid5", "raid6", "raid10"] as const)("accepts %s", (level) => {
    expect(analyze(warmTierSurvivesADrive, broken(tierSpec("warm"), (spec) => (spec.level = level)))).toEqual([]);
  });

  it.each(["single", "raid0"] as const)("refuses %s", (level) => {
    const spec = broken(tierSpec("warm"), (spec) => (spec.level = level));
    expectViolations(analyze(warmTierSurvivesADrive, spec), { at: "servers.gpu-01.tiers.warm.level", says: [level, "checkpoints"], allowed: "raid1, raid5, raid6 or raid10" });
  });

  it.each(["hot", "cold"] as const)("says nothing of the %s tier", (tier) => {
    expect(analyze(warmTierSurvivesADrive, broken(tierSpec("warm"), (spec) => Object.assign(spec, { tier, level: "single" })))).toEqual([]);
  });

  it("takes the levels that the site accepts", () => {
    const messages = analyze(warmTierSurvivesADrive, tierSpec("warm"), { config: { levels: ["raid6"] } });
    expectViolations(messages, { at: "servers.gpu-01.tiers.warm.level", says: ["raid1"], allowed: "raid6" });
  });
});

describe("warm-tier-on-ssd", () => {
  it.each(["sata-ssd", "nvme"] as const)("accepts %s", (kind) => {
    expect(analyze(warmTierOnSsd, broken(tierSpec("warm"), (spec) => (spec.drives = [drive(kind)])))).toEqual([]);
  });

  it("refuses each rotating drive by name", () => {
    const spec = broken(tierSpec("warm"), (spec) => spec.drives.push(drive("hdd", "disk_1"), drive("hdd", "disk_2")));
    const expected = { at: "servers.gpu-01.tiers.warm.drives", allowed: "sata-ssd or nvme" };
    expectViolations(analyze(warmTierOnSsd, spec), { ...expected, says: ["disk_1"] }, { ...expected, says: ["disk_2"] });
  });

  it("says nothing of rotating drives in the cold tier", () => {
    expect(analyze(warmTierOnSsd, tierSpec("cold"))).toEqual([]);
  });
});

describe("cold-tier-on-capacity-drives", () => {
  it("accepts rotating drives, and any drive in another tier", () => {
    for (const tier of ["hot", "warm", "cold"] as const) expect(analyze(coldTierOnCapacityDrives, tierSpec(tier))).toEqual([]);
  });

  it.each(["sata-ssd", "nvme"] as const)("objects to %s", (kind) => {
    const spec = broken(tierSpec("cold"), (spec) => (spec.drives = [drive(kind, "fast_1")]));
    expectViolations(analyze(coldTierOnCapacityDrives, spec), { at: "servers.gpu-01.tiers.cold.drives", says: ["fast_1", kind], allowed: "hdd, or an object store in place of the tier" });
  });
});

describe("hot-tier-has-a-source", () => {
  const alone = () =>
    broken(siteSpec(), (spec) => {
      delete spec.site.objectStore;
      for (const server of Object.values(spec.servers)) server.tiers = { hot: server.tiers.hot };
    });
  const violation = (server: string) => ({ at: `servers.${server}.tiers.hot`, says: ["raid0", "no other copy"], allowed: "a hot tier beside a warm tier, a cold tier or site.objectStore" });

  it("refuses every hot tier of an environment that has nothing else", () => {
    expectViolations(analyze(hotTierHasASource, alone()), violation("gpu-01"), violation("gpu-02"));
  });

  it("refuses a hot tier on a single drive in the same way", () => {
    const spec = broken(alone(), ({ servers }) => {
      delete servers["gpu-02"];
      Object.assign(servers["gpu-01"]?.tiers.hot ?? {}, { level: "single" });
    });
    expectViolations(analyze(hotTierHasASource, spec), { ...violation("gpu-01"), says: ["single"] });
  });

  it.each(["warm", "cold"] as const)("accepts a %s tier on another server as the source", (tier) => {
    const spec = broken(alone(), ({ servers }) => Object.assign(servers["gpu-02"]?.tiers ?? {}, { [tier]: siteSpec().servers["gpu-02"]?.tiers[tier] }));
    expect(analyze(hotTierHasASource, spec)).toEqual([]);
  });

  it("accepts an object store as the source", () => {
    expect(analyze(hotTierHasASource, broken(alone(), ({ site }) => (site.objectStore = siteSpec().site.objectStore)))).toEqual([]);
  });

  it("accepts an NFS export of weights as the source, and no folder or bucket that is nowhere", () => {
    const withStore = (modelStore: SiteSpec["site"]["modelStore"]) => broken(alone(), (spec) => (spec.site.modelStore = modelStore));
    expect(analyze(hotTierHasASource, withStore({ kind: "nfs", server: "10.0.0.9", path: "/export/models" }))).toEqual([]);
    expectViolations(analyze(hotTierHasASource, withStore({ kind: "object-store", prefix: "models" })), violation("gpu-01"), violation("gpu-02"));
    expectViolations(analyze(hotTierHasASource, withStore({ kind: "directory", path: "/data/models" })), violation("gpu-01"), violation("gpu-02"));
  });

  describe("with the model store in a folder", () => {
    const keptIn = (path: string, hot: object = {}) =>
      broken(siteSpec(), ({ site, servers }) => {
        site.modelStore = { kind: "directory", path };
        delete servers["gpu-02"];
        Object.assign(servers["gpu-01"]?.tiers.hot ?? {}, hot);
      });
    const onTheHotTier = { at: "site.modelStore.path", allowed: "a folder on the warm or cold tier" };

    it.each(["/srv/hot", "/srv/hot/models", "/srv/hot/a/b"])("refuses %s, where the hot tier is", (path) => {
      expectViolations(analyze(hotTierHasASource, keptIn(path)), { ...onTheHotTier, says: [path, "gpu-01", "raid0"] });
    });

    it("refuses it where the hot tier has a mount of its own, and on a single drive", () => {
      expectViolations(analyze(hotTierHasASource, keptIn("/fast/models", { mount: "/fast", level: "single" })), { ...onTheHotTier, says: ["/fast/models", "single"] });
      expect(analyze(hotTierHasASource, keptIn("/srv/hot/models", { mount: "/fast" }))).toEqual([]);
    });

    it.each(["/srv/warm/models", "/srv/hot-spare/models", "/srv"])("accepts %s", (path) => {
      expect(analyze(hotTierHasASource, keptIn(path))).toEqual([]);
    });

    it("accepts it on a hot tier that survives a lost drive", () => {
      expect(analyze(hotTierHasASource, keptIn("/srv/hot/models", { level: "raid10" }))).toEqual([]);
    });
  });

  it("accepts a hot tier that survives a lost drive by itself", () => {
    const spec = broken(alone(), ({ servers }) => {
      for (const { tiers } of Object.values(servers)) Object.assign(tiers.hot ?? {}, { level: "raid10" });
    });
    expect(analyze(hotTierHasASource, spec)).toEqual([]);
  });
});

describe("tiers-share-no-drive", () => {
  it("accepts tiers with drives of their own", () => {
    expect(analyze(tiersShareNoDrive, serverSpec())).toEqual([]);
  });

  it("refuses a drive in two tiers and names it and them", () => {
    const spec = broken(serverSpec(), ({ tiers }) => tiers.cold?.drives.push("ata-ssd_1a"));
    expectViolations(analyze(tiersShareNoDrive, spec), { at: "servers.gpu-01.tiers", says: ["ata-ssd_1a", "warm and cold"], allowed: "once" });
  });

  it("refuses a drive that one tier names twice", () => {
    const spec = broken(serverSpec(), ({ tiers }) => tiers.hot?.drives.push("nvme-fast_1a"));
    expectViolations(analyze(tiersShareNoDrive, spec), { at: "servers.gpu-01.tiers", says: ["nvme-fast_1a", "2 times", "hot and hot"], allowed: "once" });
  });
});

describe("array-drives-alike", () => {
  it("accepts drives of one kind and capacity", () => {
    expect(analyze(arrayDrivesAlike, tierSpec("hot"))).toEqual([]);
  });

  it("objects to mixed kinds", () => {
    const spec = broken(tierSpec("warm"), (spec) => spec.drives.push(drive("nvme", "fast_1", 1920)));
    expectViolations(analyze(arrayDrivesAlike, spec), { at: "servers.gpu-01.tiers.warm.drives", says: ["nvme and sata-ssd", "slowest"], allowed: "drives of one kind" });
  });

  it("objects to a larger member and tells what becomes of the rest of it", () => {
    const spec = broken(tierSpec("hot"), (spec) => spec.drives.push(drive("nvme", "large_1", 7680)));
    const expected = { at: "servers.gpu-01.tiers.hot.drives", allowed: "a difference of 5 % at most" };
    expectViolations(analyze(arrayDrivesAlike, spec), { ...expected, says: ["3840 GB and 7680 GB", "fewer drives"] });
    expectViolations(analyze(arrayDrivesAlike, { ...spec, level: "raid10" }), { ...expected, says: ["3840 GB and 7680 GB", "all are used as 3840 GB"] });
  });

  it("allows exactly the difference that is set, and no more", () => {
    const spec = broken(tierSpec("hot"), (spec) => spec.drives.push(drive("nvme", "larger_1", 4032)));
    expect(analyze(arrayDrivesAlike, spec)).toEqual([]);
    expect(analyze(arrayDrivesAlike, spec, { config: { capacityDifferencePercent: 4 } })).toHaveLength(1);
    expect(analyze(arrayDrivesAlike, broken(spec, ({ drives }) => drives.push(drive("nvme", "larger_2", 4033))))).toHaveLength(1);
  });

  it("says nothing of drives that are not in an array", () => {
    const spec = broken(tierSpec("cold"), (spec) => spec.drives.push(drive("nvme", "fast_1")));
    expect(analyze(arrayDrivesAlike, spec)).toEqual([]);
  });
});

describe("drives-by-id", () => {
  it.each(["nvme-SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0T", "nvme-eui.0025385b21404c8f", "wwn-0x5000c500a1b2c3d4", "ata-ST16000NM001G_ZL2", "scsi-35000c500a1b2c3d4"])("accepts %s", (id) => {
    expect(analyze(drivesById, broken(tierSpec("hot"), (spec) => (spec.drives = [drive("nvme", id)])))).toEqual([]);
  });

  it.each(["sda", "sdab", "sda1", "vdb", "nvme0n1", "nvme1n1p2", "nvme0c0n1", "/dev/nvme0n1", "md127", "dm-3", "xvda"])("refuses the kernel name %s", (id) => {
    const spec = broken(tierSpec("hot"), (spec) => (spec.drives = [drive("nvme", id)]));
    expectViolations(analyze(drivesById, spec), { at: "servers.gpu-01.tiers.hot.drives", says: [id, "kernel name"], allowed: "a name under /dev/disk/by-id" });
  });

  it("refuses a partition", () => {
    const spec = broken(tierSpec("hot"), (spec) => (spec.drives = [drive("nvme", "nvme-fast_1a-part1")]));
    expectViolations(analyze(drivesById, spec), { at: "servers.gpu-01.tiers.hot.drives", says: ["nvme-fast_1a-part1", "partition"], allowed: "whole drives" });
  });
});

describe("no-parity-on-nvme", () => {
  it.each(["raid5", "raid6"] as const)("objects to %s", (level) => {
    const spec = broken(tierSpec("hot"), (spec) => (spec.level = level));
    expectViolations(analyze(noParityOnNvme, spec), { at: "servers.gpu-01.tiers.hot.level", says: [level, "NVMe"], allowed: "raid0 or raid10" });
  });

  it.each(["raid0", "raid1", "raid10", "single"] as const)("accepts %s", (level) => {
    expect(analyze(noParityOnNvme, broken(tierSpec("hot"), (spec) => (spec.level = level)))).toEqual([]);
  });

  it("says nothing of parity on other drives or in other tiers", () => {
    expect(analyze(noParityOnNvme, broken(tierSpec("hot"), (spec) => Object.assign(spec, { level: "raid5", drives: [drive("hdd")] })))).toEqual([]);
    expect(analyze(noParityOnNvme, broken(tierSpec("hot"), (spec) => Object.assign(spec, { level: "raid5", tier: "warm" })))).toEqual([]);
  });
});
