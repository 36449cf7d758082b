import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { RehearsalError, lastLines, tryRun } from "./process";

/** A program the rehearsal starts, and the Debian package that has it. */
export interface NeededProgram {
  program: string;
  package: string;
}

/** What the machine that rehearses needs. Nothing here is installed on the user's servers. */
export const neededPrograms: readonly NeededProgram[] = [
  { program: "qemu-system-x86_64", package: "qemu-system-x86" },
  { program: "mmdebstrap", package: "mmdebstrap" },
  { program: "mkfs.ext4", package: "e2fsprogs" },
  { program: "debugfs", package: "e2fsprogs" },
  { program: "ssh", package: "openssh-client" },
  { program: "dpkg-deb", package: "dpkg" },
  { program: "gpg", package: "gpg" },
  { program: "gpg-agent", package: "gpg-agent" },
  { program: "setpriv", package: "util-linux" },
];

/** Further programs where servers are monitored: one of them runs on the emulated servers, the others watch them from here. */
export const hostMonitoringPrograms: readonly NeededProgram[] = [
  { program: "prometheus-node-exporter", package: "prometheus-node-exporter" },
  { program: "prometheus", package: "prometheus" },
  { program: "promtool", package: "prometheus" },
  { program: "prometheus-alertmanager", package: "prometheus-alertmanager" },
];

/** Further programs where it runs without root: the system image is then packed in a user namespace. */
const neededWithoutRoot: readonly NeededProgram[] = [{ program: "newuidmap", package: "uidmap" }];

/** Packages among {@link neededPrograms} whose program is in none of the folders. */
export function missingPackages(folders: readonly string[], programs: readonly NeededProgram[] = neededPrograms): string[] {
  const missing = programs.filter(({ program }) => !folders.some((folder) => isExecutable(join(folder, program))));
  return [...new Set(missing.map((entry) => entry.package))];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The one command that installs them. */
export function installCommand(packages: readonly string[]): string {
  return `sudo apt-get install --no-install-recommends ${packages.join(" ")}`;
}

/**
 * Installs what is missing when running as root on a machine with apt.
 * @param more programs that this rehearsal needs besides those that all need.
 * @throws RehearsalError (unreachable) naming the packages and the command otherwise.
 */
export async function ensurePackages(onProgress: (line: string) => void, more: readonly NeededProgram[] = []): Promise<string[]> {
  return ensurePrograms("The emulated rack", [...neededPrograms, ...more, ...(process.getuid?.() === 0 ? [] : neededWithoutRoot)], onProgress);
}

/**
 * The same for any list of programs.
 * @param who needs them, for the message
 */
export async function ensurePrograms(who: string, programs: readonly NeededProgram[], onProgress: (line: string) => void): Promise<string[]> {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"].filter((folder) => folder !== "");
  const missing = missingPackages(folders, programs);
  if (missing.length === 0) return [];
  const names = missing.join(", ");
  if (process.getuid?.() !== 0 || !folders.some((folder) => isExecutable(join(folder, "apt-get")))) {
    throw new RehearsalError(`${who} needs these Debian packages on this machine: ${names}.\nInstall them with: ${installCommand(missing)}`, "unreachable");
  }
  onProgress(`Installing ${names}`);
  const environment = { DEBIAN_FRONTEND: "noninteractive" };
  // An old package list may still do, so a failed update is only told when the installation fails too.
  const update = await tryRun("apt-get", ["update", "-qq"], { env: environment });
  const install = await tryRun("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing], { env: environment });
  const still = missingPackages(folders, programs);
  if (install.code !== 0 || still.length > 0) {
    throw new RehearsalError(`Installing ${names} failed:\n${lastLines(update.stderr + install.stderr, 12)}`, "unreachable");
  }
  return missing;
}
