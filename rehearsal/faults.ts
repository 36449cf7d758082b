import { pause, RehearsalError } from "./process";
import type { EmulatedServer } from "./server";

/** A drive that was taken out of a running server. */
export interface DriveFault {
  server: string;
  id: string;
  how: string;
}

const waitSeconds = 30;

/**
 * Takes a drive out of a running server: an NVMe drive by pulling the emulated device, another by letting the kernel
 * drop it, for the emulator cannot unplug SATA.
 */
export async function pullDrive(server: EmulatedServer, id: string): Promise<DriveFault> {
  if (server.drive(id).kind === "nvme") await server.pullDrive(id);
  else await server.ssh.run(`echo 1 >/sys/class/block/$(basename $(readlink -f /dev/disk/by-id/${id}))/device/delete`);
  await until(server, id, false);
  return { server: server.name, id, how: server.drive(id).kind === "nvme" ? "pulled out" : "dropped by the kernel" };
}

/** Has md itself declare a member faulty, as it does when the drive stops answering. */
export async function failMember(server: EmulatedServer, id: string): Promise<void> {
  await server.ssh.run(`drive=$(basename $(readlink -f /dev/disk/by-id/${id})); for array in /sys/class/block/$drive/holders/md*; do mdadm --quiet --fail /dev/$(basename $array) /dev/$drive; done`);
}

/** Puts the same drive back with the content it had. */
export async function putDriveBack(server: EmulatedServer | undefined, fault: DriveFault): Promise<void> {
  if (server === undefined) throw new RehearsalError(`There is no server ${fault.server}.`);
  if (server.drive(fault.id).kind === "nvme") await server.insertDrive(fault.id);
  else await server.ssh.run("for host in /sys/class/scsi_host/host*/scan; do echo '- - -' >$host; done");
  await until(server, fault.id, true);
}

/** Puts a blank drive into the slot of an NVMe drive that was pulled. Returns its name under /dev/disk/by-id. */
export async function putNewDrive(server: EmulatedServer, id: string): Promise<string> {
  const blank = await server.replaceDrive(id);
  await until(server, blank, true);
  return blank;
}

async function until(server: EmulatedServer, id: string, there: boolean): Promise<void> {
  for (let second = 0; second < waitSeconds; second++) {
    const { code } = await server.ssh.try(`udevadm settle; test -b /dev/disk/by-id/${id}`);
    if ((code === 0) === there) return;
    await pause(1000);
  }
  throw new RehearsalError(`${server.name} did not notice within ${waitSeconds} s that ${id} was ${there ? "put back" : "taken out"}.`);
}
