import { describe, expect, it } from "vitest";
import { parseArray, parsePackages, parseSimulation, parseXfsInfo } from "../../rehearsal/observe";

/** As mdadm 4.2 of Debian 12 printed it on an emulated server. */
const raid0 = `/dev/md127:
           Version : 1.2
     Creation Time : Mon Nov 23 06:04:43 2026
        Raid Level : raid0
        Array Size : 456704 (446.00 MiB 467.66 MB)
      Raid Devices : 2
     Total Devices : 2
       Persistence : Superblock is persistent

             State : clean 
    Active Devices : 2
   Working Devices : 2
    Failed Devices : 0
     Spare Devices : 0

            Layout : -unknown-
        Chunk Size : 512K

Consistency Policy : none

              Name : rackwright:gpu-01-hot
              UUID : 4bb3da28:fee24e1e:aa8b3bb1:1b57a8ec
            Events : 0

    Number   Major   Minor   RaidDevice State
       0     259        1        0      active sync   /dev/nvme1n1
       1     259        0        1      active sync   /dev/nvme0n1
`;

const degraded = `/dev/md126:
        Raid Level : raid1
      Raid Devices : 2
             State : active, degraded 

    Number   Major   Minor   RaidDevice State
       0       8       16        0      active sync   /dev/sdb
       -       0        0        1      removed

       1       8       32        -      faulty
`;

describe("mdadm --detail", () => {
  it("tells level, chunk and active members", () => {
    expect(parseArray("/dev/md127", raid0)).toEqual({ device: "/dev/md127", level: "raid0", members: ["nvme0n1", "nvme1n1"], raidDevices: 2, chunkKiB: 512, degraded: false });
  });

  it("counts a member that is gone as no member", () => {
    expect(parseArray("/dev/md126", degraded)).toMatchObject({ level: "raid1", members: ["sdb"], raidDevices: 2, chunkKiB: undefined, degraded: true });
  });

  it("does not count a member that is still rebuilding", () => {
    expect(parseArray("/dev/md126", degraded.replace("-       0        0        1      removed", "2       8       32        1      spare rebuilding   /dev/sdc")).members).toEqual(["sdb"]);
  });

  it("takes text it does not know for a broken array", () => {
    expect(parseArray("/dev/md0", "mdadm: cannot open /dev/md0")).toMatchObject({ level: "none", degraded: true });
  });
});

describe("xfs_info", () => {
  const info = (sunit: number, swidth: number): string => `meta-data=/dev/md127             isize=512    agcount=8, agsize=14208 blks
         =                       sectsz=512   attr=2, projid32bit=1
data     =                       bsize=4096   blocks=113664, imaxpct=25
         =                       sunit=${sunit}    swidth=${swidth} blks
naming   =version 2              bsize=4096   ascii-ci=0, ftype=1
log      =internal log           bsize=4096   blocks=16384, version=2
         =                       sectsz=512   sunit=8 blks, lazy-count=1
`;

  it("tells stripe unit and width of the data, not of the log", () => {
    expect(parseXfsInfo(info(128, 256))).toEqual({ stripeUnitKiB: 512, stripeWidthKiB: 1024 });
    expect(parseXfsInfo(info(0, 0))).toEqual({ stripeUnitKiB: 0, stripeWidthKiB: 0 });
  });

  it("is undefined for anything else", () => {
    expect(parseXfsInfo("xfs_info: /srv/hot: No such file or directory")).toBeUndefined();
  });
});

describe("dpkg-query", () => {
  it("counts installed packages, held ones too, and no remains", () => {
    const text = "ii \tbuild-essential\t12.9\nhi \tnvidia-open-580\t580.173.02-0ubuntu1\nrc \tnvidia-utils-535\t535.1-1\nun \tdkms\t\nhF \tbroken\t1\n";
    expect(parsePackages(text)).toEqual([{ name: "build-essential", version: "12.9" }, { name: "nvidia-open-580", version: "580.173.02-0ubuntu1" }]);
  });
});

describe("apt-get --simulate", () => {
  it("tells what would be installed, not what would be configured", () => {
    expect(parseSimulation("NOTE: only a simulation\nInst nvidia-open-580 [1] (2 here)\nConf nvidia-open-580 (2 here)\n")).toEqual(["nvidia-open-580"]);
    expect(parseSimulation("0 upgraded, 0 newly installed")).toEqual([]);
  });
});
