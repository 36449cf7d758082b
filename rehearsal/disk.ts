import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RehearsalError, run, tryRun } from "./process";

/** A file to put into a system disk before it boots. */
export interface GuestFile {
  path: string;
  text: string | Buffer;
  /** @default 0o644 */
  mode?: number;
}

/** Copies the system image; shares its blocks where the file system can. */
export async function copyDisk(image: string, disk: string): Promise<void> {
  await run("cp", ["--reflink=auto", "--sparse=always", image, disk]);
}

/** Writes files into an ext4 image that is not in use, without mounting it: no root, no loop device. */
export async function writeIntoDisk(disk: string, files: readonly GuestFile[]): Promise<void> {
  const folder = mkdtempSync(`${disk}.files-`);
  try {
    const commands: string[] = [];
    const folders = new Set<string>();
    files.forEach((file, index) => {
      for (const parent of parents(file.path)) folders.add(parent);
      const source = join(folder, String(index));
      writeFileSync(source, file.text);
      const mode = (0o100000 | (file.mode ?? 0o644)).toString(8);
      commands.push(`rm ${file.path}`, `write ${source} ${file.path}`, ...["mode 0" + mode, "uid 0", "gid 0"].map((field) => `set_inode_field ${file.path} ${field}`));
    });
    const script = join(folder, "commands");
    writeFileSync(script, [...[...folders].map((path) => `mkdir ${path}`), ...commands].join("\n") + "\n");
    await run("debugfs", ["-w", "-f", script, disk]);
    // debugfs ends with 0 whatever happened, so every file is read back.
    for (const file of files) {
      const readBack = join(folder, "read-back");
      rmSync(readBack, { force: true });
      await tryRun("debugfs", ["-R", `dump ${file.path} ${readBack}`, disk]);
      if (!existsSync(readBack) || !readFileSync(readBack).equals(Buffer.from(file.text))) throw new RehearsalError(`${file.path} could not be written into the system disk.`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function parents(path: string): string[] {
  const parts = path.split("/").slice(1, -1);
  return parts.map((_, index) => "/" + parts.slice(0, index + 1).join("/"));
}

/** Takes kernel and initrd out of the disk's /boot, as a boot loader does. */
export async function takeBootFiles(disk: string, kernelRelease: string, folder: string): Promise<{ kernel: string; initrd: string }> {
  const kernel = join(folder, "vmlinuz");
  const initrd = join(folder, "initrd.img");
  for (const [from, to] of [[`/boot/vmlinuz-${kernelRelease}`, kernel], [`/boot/initrd.img-${kernelRelease}`, initrd]] as const) {
    rmSync(to, { force: true });
    const { stderr } = await tryRun("debugfs", ["-R", `dump ${from} ${to}`, disk]);
    if (/File not found|error|failed/i.test(stderr)) throw new RehearsalError(`${from} could not be read from the system disk: ${stderr.trim()}`);
  }
  return { kernel, initrd };
}
