import type { RemoteShell } from "./ssh";

/** An MD array as mdadm and the kernel tell it. */
export interface ObservedArray {
  device: string;
  level: string;
  /** Kernel names of its active members, sorted. */
  members: string[];
  raidDevices: number;
  chunkKiB: number | undefined;
  degraded: boolean;
}

/** Reads `mdadm --detail`. */
export function parseArray(device: string, text: string): ObservedArray {
  const field = (name: string): string | undefined => new RegExp(`^\\s*${name} : (.+)$`, "m").exec(text)?.[1]?.trim();
  const chunk = /^(\d+)K$/.exec(field("Chunk Size") ?? "")?.[1];
  return {
    device,
    level: field("Raid Level") ?? "none",
    members: [...text.matchAll(/^\s+\d+\s+\d+\s+\d+\s+\d+\s+active sync.*?\/dev\/(\S+)\s*$/gm)].map((match) => match[1] ?? "").sort(),
    raidDevices: Number(field("Raid Devices") ?? 0),
    chunkKiB: chunk === undefined ? undefined : Number(chunk),
    degraded: /degraded|FAILED|broken/.test(field("State") ?? "broken"),
  };
}

export interface XfsGeometry {
  stripeUnitKiB: number;
  stripeWidthKiB: number;
}

/** Reads `xfs_info`: stripe unit and width of the data section are in blocks. */
export function parseXfsInfo(text: string): XfsGeometry | undefined {
  const data = /^data\s+=\s+bsize=(\d+)[\s\S]*?sunit=(\d+)\s+swidth=(\d+) blks/m.exec(text);
  if (data === null) return undefined;
  const [blockSize = 0, unit = 0, width = 0] = data.slice(1).map(Number);
  return { stripeUnitKiB: (unit * blockSize) / 1024, stripeWidthKiB: (width * blockSize) / 1024 };
}

export interface InstalledPackage {
  name: string;
  version: string;
}

/** Reads `dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\n'`: fully installed packages, held ones too. */
export function parsePackages(text: string): InstalledPackage[] {
  return text.split("\n").flatMap((line) => {
    const [status, name, version] = line.split("\t");
    return status !== undefined && /^.i /.test(status) && name !== undefined && version !== undefined ? [{ name, version }] : [];
  });
}

/** Packages that `apt-get --simulate` would install or upgrade. */
export function parseSimulation(text: string): string[] {
  return [...text.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? "");
}

/** Looks at a running server by its own tools, over a way that `up` does not use. */
export class Observer {
  constructor(private readonly ssh: RemoteShell) {}

  /** Kernel name that a drive's id points to now, or undefined where there is no such drive. */
  async kernelName(id: string): Promise<string | undefined> {
    const { code, stdout } = await this.ssh.try(`readlink -e /dev/disk/by-id/${id}`);
    return code === 0 ? stdout.trim().replace("/dev/", "") : undefined;
  }

  /** The device mounted on a path, or undefined where nothing is. */
  async mounted(path: string): Promise<{ source: string; type: string; uuid: string; options: string } | undefined> {
    const { code, stdout } = await this.ssh.try(`findmnt --noheadings --raw --output SOURCE,FSTYPE,UUID,OPTIONS --mountpoint ${path}`);
    const [source, type, uuid, options] = stdout.trim().split(" ");
    return code === 0 && source !== undefined && type !== undefined && uuid !== undefined && options !== undefined ? { source, type, uuid, options } : undefined;
  }

  async array(device: string): Promise<ObservedArray | undefined> {
    const { code, stdout } = await this.ssh.try(`mdadm --detail ${device}`);
    return code === 0 ? parseArray(device, stdout) : undefined;
  }

  async xfs(mount: string): Promise<XfsGeometry | undefined> {
    return parseXfsInfo((await this.ssh.try(`xfs_info ${mount}`)).stdout);
  }

  /** The line of /etc/fstab for a mount point. */
  async fstabLine(mount: string): Promise<string | undefined> {
    const text = await this.ssh.run("cat /etc/fstab");
    return text.split("\n").find((line) => !line.startsWith("#") && line.split(/\s+/)[1] === mount);
  }

  async packages(): Promise<InstalledPackage[]> {
    return parsePackages(await this.ssh.run("dpkg-query -W -f '${db:Status-Abbrev}\\t${Package}\\t${Version}\\n'"));
  }

  async held(): Promise<string[]> {
    return (await this.ssh.run("apt-mark showhold")).split("\n").filter((name) => name !== "");
  }

  /** What a full upgrade would install now. */
  async upgrades(): Promise<string[]> {
    return parseSimulation(await this.ssh.run("apt-get --simulate --quiet full-upgrade"));
  }
}
