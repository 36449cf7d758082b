import { createHash } from "node:crypto";
import type { Drive, Server } from "../components/environment/schema";

/** A drive of the environment as the emulator has it. */
export interface EmulatedDrive {
  /** The environment's name for it, under /dev/disk/by-id. */
  id: string;
  kind: Drive["kind"];
  /** QEMU's name for the device, by which it is pulled. */
  device: string;
  /** QEMU's name for the backing file. */
  node: string;
  /** File name of the backing file, inside the server's folder. */
  file: string;
  sizeMiB: number;
  /** At most 20 characters: what NVMe and ATA have room for. */
  serial: string;
  /** Set where the emulated device can carry the vendor's model name. */
  model?: string;
  /** `device`: the guest's own udev makes the id from model and serial. `rule`: an added udev rule makes it from the serial. */
  idFrom: "device" | "rule";
  /** Bus of the device on the emulated machine. */
  bus: string;
  /** Unix socket of an NBD server that has the backing file open and stands before it. Absent: the emulator opens the file. */
  nbdSocket?: string;
}

const serialCharacters = 20;
const modelCharacters = 40;
const sataPorts = 6;
const portsPerSlot = 8;
/** XFS refuses less than 300 MiB, and 560 MiB where it is told of stripes, for its log has to fit into one of eight groups. */
const smallestPlainMiB = 336;
const smallestStripedMiB = 640;
const smallestDriveMiB = 128;

/** Data drives of an array: what its capacity is divided by. */
export function dataDrives(level: string, drives: number): number {
  switch (level) {
    case "raid0":
      return drives;
    case "raid5":
      return Math.max(1, drives - 1);
    case "raid6":
      return Math.max(1, drives - 2);
    case "raid10":
      return Math.max(1, Math.floor(drives / 2));
    default:
      return 1;
  }
}

/** The drives of a server, scaled down: same ids, kinds and count, sparse backing files of a few hundred MiB. */
export function emulateDrives(server: Server): EmulatedDrive[] {
  const sizes = new Map<string, number>();
  for (const tier of Object.values(server.tiers)) {
    const whole = tier.level === "single" || tier.level === "raid1" ? smallestPlainMiB : smallestStripedMiB;
    const each = Math.max(smallestDriveMiB, Math.ceil(whole / dataDrives(tier.level, tier.drives.length) / 16) * 16);
    for (const id of tier.drives) sizes.set(id, each);
  }
  const taken = new Set<string>();
  let nvme = 0;
  let sata = 0;
  return Object.entries(server.drives).map(([id, { kind }], index) => {
    const identity = identify(id, kind, taken);
    taken.add(identity.serial);
    const bus = kind === "nvme" ? `port${nvme++}` : `ahci${Math.floor(sata / sataPorts)}.${sata++ % sataPorts}`;
    return {
      id,
      kind,
      device: `drive${index}`,
      node: `disk${index}`,
      file: `drive${index}.raw`,
      sizeMiB: sizes.get(id) ?? smallestDriveMiB,
      ...identity,
      bus,
    };
  });
}

function identify(id: string, kind: Drive["kind"], taken: ReadonlySet<string>): Pick<EmulatedDrive, "serial" | "model" | "idFrom"> {
  const parts = /^(?:ata|nvme)-(.+)_([A-Za-z0-9-]+)$/.exec(id);
  const serial = parts?.[2];
  const usable = serial !== undefined && serial.length >= 4 && serial.length <= serialCharacters && !taken.has(serial);
  const model = parts?.[1];
  if (kind !== "nvme" && id.startsWith("ata-") && usable && model !== undefined && model.length <= modelCharacters) {
    return { serial, model, idFrom: "device" };
  }
  // QEMU's NVMe model name is fixed, so no NVMe id of a vendor comes from the device alone.
  return { serial: usable ? serial : createHash("sha256").update(id).digest("hex").slice(0, serialCharacters).toUpperCase(), idFrom: "rule" };
}

/** A drive of the same kind and size for the same slot, under a serial number of its own. The server's own udev names it. */
export function successorOf(drive: EmulatedDrive): EmulatedDrive {
  const serial = createHash("sha256").update(`${drive.serial} replaced`).digest("hex").slice(0, serialCharacters).toUpperCase();
  return { ...drive, serial, id: `nvme-QEMU_NVMe_Ctrl_${serial}`, idFrom: "device", device: `${drive.device}-again`, node: `${drive.node}-again`, file: `again-${drive.file}` };
}

/** Udev rules that give each drive the environment's id where the emulated device cannot carry it. */
export function udevRules(drives: readonly EmulatedDrive[]): string {
  const lines = drives
    .filter((drive) => drive.idFrom === "rule")
    .flatMap(({ id, kind, serial }) => {
      const match = kind === "nvme" ? `KERNEL=="nvme*n*", ATTRS{serial}=="${serial}"` : `KERNEL=="sd*", ENV{ID_SERIAL_SHORT}=="${serial}"`;
      return [
        `SUBSYSTEM=="block", ENV{DEVTYPE}=="disk", ${match}, SYMLINK+="disk/by-id/${id}"`,
        `SUBSYSTEM=="block", ENV{DEVTYPE}=="partition", ${match}, SYMLINK+="disk/by-id/${id}-part%n"`,
      ];
    });
  return lines.length === 0 ? "" : `# The emulated drives cannot carry these ids themselves.\n${lines.join("\n")}\n`;
}

/** Arguments for the buses and drives; backing files are named by `path`. */
export function driveArguments(drives: readonly EmulatedDrive[], path: (file: string) => string): string[] {
  const nvme = drives.filter((drive) => drive.kind === "nvme").length;
  const controllers = Math.ceil((drives.length - nvme) / sataPorts);
  const args: string[] = [];
  for (let port = 0; port < nvme; port++) {
    // Ports of one slot are functions of one device. Slots 0x10 and up are free on this machine type.
    const slot = 0x10 + Math.floor(port / portsPerSlot);
    const multifunction = port % portsPerSlot === 0 ? ",multifunction=on" : "";
    args.push("-device", `pcie-root-port,id=port${port},bus=pcie.0,chassis=${port + 1},addr=${slot.toString(16)}.${port % portsPerSlot}${multifunction}`);
  }
  for (let controller = 0; controller < controllers; controller++) args.push("-device", `ich9-ahci,id=ahci${controller}`);
  for (const drive of drives) {
    args.push("-blockdev", JSON.stringify(blockNode(drive, path)));
    args.push("-device", JSON.stringify(driveDevice(drive)));
  }
  return args;
}

/** The backing file as a QEMU block node. Flushes are kept in the host's memory: the guest's data need not outlive the host. */
export function blockNode(drive: EmulatedDrive, path: (file: string) => string): Record<string, unknown> {
  const options = { "node-name": drive.node, discard: "unmap", cache: { direct: false, "no-flush": true } };
  if (drive.nbdSocket !== undefined) return { driver: "nbd", ...options, server: { type: "unix", path: drive.nbdSocket } };
  return { driver: "raw", ...options, file: { driver: "file", filename: path(drive.file), discard: "unmap", cache: { direct: false, "no-flush": true } } };
}

/** The drive as QEMU's `-device` and QMP's `device_add` take it. */
export function driveDevice(drive: EmulatedDrive): Record<string, unknown> {
  const common = { id: drive.device, drive: drive.node, serial: drive.serial, bus: drive.bus };
  if (drive.kind === "nvme") return { driver: "nvme", ...common };
  return {
    driver: "ide-hd",
    ...common,
    ...(drive.model === undefined ? {} : { model: drive.model }),
    // 1 is ATA's way to say that nothing rotates.
    rotation_rate: drive.kind === "hdd" ? 7200 : 1,
  };
}
