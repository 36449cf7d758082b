import { describe, expect, it } from "vitest";
import { environmentSchema } from "../../components/environment/schema";
import { HostChecks } from "../../rehearsal/host-checks";
import type { Finished } from "../../rehearsal/process";
import type { RemoteShell } from "../../rehearsal/ssh";

const drives = ["nvme-MODEL_AAAA1", "nvme-MODEL_AAAA2"];
const environment = environmentSchema.parse({
  site: { name: "here" },
  software: { cudaToolkit: "12.2" },
  servers: {
    one: {
      address: "192.0.2.1",
      hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIkzRIZLK6CHZpHv6R778lKRtfnFPfEeF1bY9YVCxP16",
      cpu: { model: "xeon-silver-4310" },
      memoryGiB: 64,
      pcieGeneration: 4,
      gpus: { model: "rtx-4090", count: 2 },
      drives: Object.fromEntries(drives.map((id) => [id, { kind: "nvme", capacityGB: 2000 }])),
      tiers: { hot: { level: "raid0", drives } },
    },
  },
});

/** What a server that is as wanted answers; each test changes one answer. */
const asWanted: Record<string, string> = {
  "findmnt --noheadings --raw --output SOURCE,FSTYPE,UUID,OPTIONS --mountpoint /srv/hot": "/dev/md127 xfs 9a283dff-0000 rw,noatime,attr2\n",
  "readlink -e /dev/disk/by-id/nvme-MODEL_AAAA1": "/dev/nvme0n1\n",
  "readlink -e /dev/disk/by-id/nvme-MODEL_AAAA2": "/dev/nvme1n1\n",
  "mdadm --detail /dev/md127":
    "        Raid Level : raid0\n      Raid Devices : 2\n             State : clean \n        Chunk Size : 512K\n       0     259        1        0      active sync   /dev/nvme0n1\n       1     259        0        1      active sync   /dev/nvme1n1\n",
  "xfs_info /srv/hot": "data     =                       bsize=4096   blocks=113664, imaxpct=25\n         =                       sunit=128    swidth=256 blks\n",
  "cat /etc/fstab": "# comment\nUUID=9a283dff-0000 /srv/hot xfs noatime,nofail 0 0\n",
  "dpkg-query -W -f '${db:Status-Abbrev}\\t${Package}\\t${Version}\\n'": "hi \tnvidia-open-580\t580.173.02-0ubuntu1\nhi \tnvidia-container-toolkit\t1.20.0-1\n",
  "apt-mark showhold": "nvidia-container-toolkit\nnvidia-open-580\n",
  "apt-get --simulate --quiet full-upgrade": "Inst openssh-server [1] (2 here)\n",
  "nvidia-smi --query-gpu=name,driver_version --format=csv,noheader": "NVIDIA GeForce RTX 4090, 580.173.02\n".repeat(2),
  "systemctl is-active nvidia-persistenced": "active\n",
  "systemctl is-active rackwright-metrics-state.timer": "active\n",
  "systemctl is-active rackwright-metrics-health.timer": "active\n",
  "cat /var/lib/rackwright/metrics/*.prom": [
    "# HELP rackwright_array_state State.\n# TYPE rackwright_array_state gauge",
    'rackwright_array_state{tier="hot",array="one-hot",state="ok"} 1',
    'rackwright_array_state{tier="hot",array="one-hot",state="failed"} 0',
    "# HELP rackwright_array_members_working Members.\n# TYPE rackwright_array_members_working gauge",
    'rackwright_array_members_working{tier="hot",array="one-hot"} 2',
    "# HELP rackwright_tier_mounted Mounted.\n# TYPE rackwright_tier_mounted gauge",
    'rackwright_tier_mounted{tier="hot",mountpoint="/srv/hot"} 1',
    "# HELP rackwright_drive_healthy Healthy.\n# TYPE rackwright_drive_healthy gauge",
    ...drives.map((id) => `rackwright_drive_healthy{drive="${id}",tier="hot"} 1`),
    "",
  ].join("\n"),
  "modprobe --showconfig": "blacklist nouveau\n",
  "bash -lc 'command -v nvcc'": "/usr/local/cuda/bin/nvcc\n",
  "systemd-run --quiet --pipe --wait sh -c 'command -v nvcc'": "/usr/local/cuda/bin/nvcc\n",
};

function checksOf(changes: Record<string, string | undefined> = {}): HostChecks {
  const answers = { ...asWanted, ...changes };
  const shell: RemoteShell = {
    try: (command): Promise<Finished> => {
      const answer = answers[command];
      return Promise.resolve({ code: answer === undefined ? 1 : 0, stdout: answer ?? "", stderr: "" });
    },
    run: (command) => Promise.resolve(answers[command] ?? ""),
  };
  const server = environment.servers["one"];
  if (server === undefined) throw new Error("no server");
  return new HostChecks(environment, server, shell);
}

const key = (start: string): string => {
  const found = Object.keys(asWanted).find((command) => command.startsWith(start));
  if (found === undefined) throw new Error(`no answer begins with ${start}`);
  return found;
};
const edit = (start: string, from: string, to: string): Record<string, string> => ({ [key(start)]: (asWanted[key(start)] ?? "").replace(from, to) });
const gone = (start: string): Record<string, undefined> => ({ [key(start)]: undefined });

describe("arrays", () => {
  it("pass as wanted", async () => {
    expect(await checksOf().arrays()).toBe("hot raid0 of nvme0n1, nvme1n1");
  });

  it.each([
    ["another level", edit("mdadm", "raid0", "raid1"), /level raid1, wanted is raid0/],
    ["another member", edit("mdadm", "/dev/nvme1n1", "/dev/sda"), /active members nvme0n1, sda/],
    ["a member too few", edit("mdadm", "       1     259        0        1      active sync   /dev/nvme1n1\n", ""), /active members nvme0n1; wanted/],
    ["another number of members", edit("mdadm", "Raid Devices : 2", "Raid Devices : 3"), /made for 3 drives/],
    ["another chunk", edit("mdadm", "512K", "64K"), /chunk 64 KiB, wanted is 512/],
    ["a degraded array", edit("mdadm", "State : clean", "State : clean, degraded"), /degraded/],
    ["a drive that is gone", gone("readlink -e /dev/disk/by-id/nvme-MODEL_AAAA2"), /nvme-MODEL_AAAA2 is not there/],
    ["nothing mounted", gone("findmnt"), /nothing is mounted/],
    ["a plain drive in place of the array", gone("mdadm"), /no MD array/],
  ])("fail with %s", async (_, changes, message) => {
    await expect(checksOf(changes).arrays()).rejects.toThrow(message);
  });
});

describe("XFS geometry", () => {
  it("passes as wanted and fails with another unit, another width, or none to be read", async () => {
    expect(await checksOf().geometry()).toContain("hot 512/1024 KiB");
    await expect(checksOf(edit("xfs_info", "sunit=128", "sunit=16")).geometry()).rejects.toThrow("stripe unit 64 KiB");
    await expect(checksOf(edit("xfs_info", "swidth=256", "swidth=128")).geometry()).rejects.toThrow("width 512 KiB");
    await expect(checksOf(gone("xfs_info")).geometry()).rejects.toThrow("cannot read /srv/hot");
  });
});

describe("mounts", () => {
  it("pass as wanted", async () => {
    expect(await checksOf().mounts()).toContain("/srv/hot UUID=9a283dff");
  });

  it.each([
    ["another file system", edit("findmnt", " xfs ", " ext4 "), /is ext4/],
    ["access times", edit("findmnt", "noatime", "relatime"), /without noatime/],
    ["a kernel name in fstab", edit("cat /etc/fstab", "UUID=9a283dff-0000", "/dev/md127"), /mounts \/dev\/md127/],
    ["another UUID in fstab", edit("cat /etc/fstab", "9a283dff", "00000000"), /what is mounted has UUID=9a283dff/],
    ["a boot that waits for the drives", edit("cat /etc/fstab", ",nofail", ""), /without nofail/],
    ["no entry in fstab", edit("cat /etc/fstab", "UUID", "#UUID"), /no entry/],
  ])("fail with %s", async (_, changes, message) => {
    await expect(checksOf(changes).mounts()).rejects.toThrow(message);
  });
});

describe("pins", () => {
  const planned = [{ name: "nvidia-open-580", hold: true }, { name: "nvidia-container-toolkit", hold: true }];

  it("pass as wanted, whatever else an upgrade would move", async () => {
    expect(await checksOf().pins(planned)).toContain("driver branch 580 580.173.02 (1 packages)");
  });

  it.each([
    ["another driver version", edit("dpkg-query", "580.173.02", "580.173.03"), /wanted is 580\.173\.02, found nvidia-open-580 580\.173\.03/],
    ["another toolkit version", edit("dpkg-query", "1.20.0-1", "1.20.1-1"), /container toolkit: wanted is 1\.20\.0/],
    ["a package that is not installed", edit("dpkg-query", "hi \tnvidia-container", "rc \tnvidia-container"), /not installed: nvidia-container-toolkit/],
    ["a package that is not held", edit("apt-mark", "nvidia-open-580", ""), /not held: nvidia-open-580/],
    ["an upgrade that would move the driver", edit("apt-get", "openssh-server", "nvidia-utils-580"), /would move nvidia-utils-580/],
  ])("fail with %s", async (_, changes, message) => {
    await expect(checksOf(changes).pins(planned)).rejects.toThrow(message);
  });
});

describe("the GPU host", () => {
  it("passes as wanted", async () => {
    expect(await checksOf().gpuHost()).toContain("2 x NVIDIA GeForce RTX 4090, 580.173.02");
  });

  it.each([
    ["a GPU too few", edit("nvidia-smi", "NVIDIA GeForce RTX 4090, 580.173.02\n", ""), /wanted is 2 times/],
    ["another GPU", edit("nvidia-smi", "4090", "3090"), /nvidia-smi answers/],
    ["a stopped persistence daemon", edit("systemctl is-active nvidia-persistenced", "active", "inactive"), /nvidia-persistenced is inactive/],
    ["a fabric manager that is not wanted", { "systemctl is-active nvidia-fabricmanager": "active\n" }, /fabric manager runs/],
    ["nouveau", edit("modprobe", "blacklist nouveau", ""), /not blacklisted/],
    ["logins that do not find CUDA", gone("bash -lc"), /login shell does not find nvcc/],
    ["services that do not find CUDA", gone("systemd-run"), /service does not find nvcc/],
  ])("fails with %s", async (_, changes, message) => {
    await expect(checksOf(changes).gpuHost()).rejects.toThrow(message);
  });
});

describe("measurements", () => {
  const metrics = "cat /var/lib/rackwright/metrics";

  it("pass as wanted", async () => {
    expect(await checksOf().measurements()).toBe("6 series: 1 tiers ok, 2 drives");
  });

  it.each([
    ["a timer that does not run", edit("systemctl is-active rackwright-metrics-health", "active", "inactive"), /rackwright-metrics-health.timer is inactive/],
    ["no metrics", gone(metrics), /do not say that \/srv\/hot is mounted/],
    ["metrics that Prometheus cannot read", edit(metrics, "} 1\n", "} one\n"), /promtool finds fault/],
    ["a tier that is not mounted", edit(metrics, 'mountpoint="/srv/hot"} 1', 'mountpoint="/srv/hot"} 0'), /do not say that \/srv\/hot is mounted/],
    ["an array that is not ok", edit(metrics, 'state="ok"} 1', 'state="ok"} 0'), /do not say that the array is ok/],
    ["a member that does not work", edit(metrics, 'array="one-hot"} 2', 'array="one-hot"} 1'), /1 members work by the metrics, 2 are wanted/],
    ["a drive that nothing is heard of", edit(metrics, 'healthy{drive="nvme-MODEL_AAAA2"', 'healthy{drive="other"'), /nothing is measured of nvme-MODEL_AAAA2/],
  ])("fail with %s", async (_, changes, message) => {
    await expect(checksOf(changes).measurements()).rejects.toThrow(message);
  });
});

describe("data", () => {
  const write = "dd if=/dev/urandom of=/srv/hot/rehearsal.bin bs=1M count=4 status=none && sync && sha256sum </srv/hot/rehearsal.bin";
  const read = "sha256sum </srv/hot/rehearsal.bin";

  it.each([["aaaa  -\n", true], ["bbbb  -\n", false], [undefined, false]])("with the sum %j is the same: %s", async (sum, same) => {
    const checks = checksOf({ [write]: "aaaa  -\n", [read]: sum });
    await checks.writeData();
    if (same) expect(await checks.data()).toContain("unchanged");
    else await expect(checks.data()).rejects.toThrow("/srv/hot/rehearsal.bin is gone or changed");
  });
});
