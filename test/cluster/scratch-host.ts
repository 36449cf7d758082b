import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { scriptsFolder, type Finished } from "../servers/host-script";

/** Whether this machine lets a test have mounts of its own. */
export function hasNamespaces(): boolean {
  return spawnSync("unshare", ["--map-root-user", "--mount", "true"]).status === 0;
}

/** Enters the folder as the root of a machine: this one's programs, nothing else of it. */
const enter = `
set -e
root=$1 scripts=$2; shift 2
for folder in /usr /bin /sbin /lib /lib64 /dev /proc /etc/alternatives; do
  [ ! -d "$folder" ] || [ -L "$folder" ] || mount --rbind "$folder" "$root$folder"
done
mount --bind "$root/local" "$root/usr/local"
mount --bind "$scripts" "$root/scripts"
exec chroot "$root" /usr/bin/env -i PATH=/stubs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root $SCRATCH_ENVIRONMENT bash "$@"
`;

/** A machine of which all but the programs is a folder: scripts run in it as root, with stand-ins for what needs hardware or systemd. */
export class ScratchHost {
  private readonly root = mkdtempSync(join(tmpdir(), "rackwright-host-"));

  constructor(stubs: Readonly<Record<string, string>>) {
    for (const folder of ["usr", "bin", "sbin", "lib", "lib64", "dev", "proc", "scripts", "local/bin", "stubs", "etc/alternatives", "etc/apt/apt.conf.d", "run", "tmp", "root", "var/lib"]) {
      const from = `/${folder}`;
      if (existsSync(from) && lstatSync(from).isSymbolicLink()) symlinkSync(readlinkSync(from), join(this.root, folder));
      else mkdirSync(join(this.root, folder), { recursive: true });
    }
    this.write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
    this.write("/etc/group", "root:x:0:\n");
    for (const [name, body] of Object.entries(stubs)) this.write(`/stubs/${name}`, `#!/bin/bash\n${body}\n`, 0o755);
  }

  /** @param environment more of it: names and values without blanks. */
  run(script: string, args: readonly string[], input = "", environment: Readonly<Record<string, string>> = {}): Promise<Finished> {
    return new Promise((resolve, reject) => {
      // A process group of its own: a script may end all of it.
      const options = { detached: true, env: { ...process.env, SCRATCH_ENVIRONMENT: Object.entries(environment).map((pair) => pair.join("=")).join(" ") } };
      const child = spawn("unshare", ["--map-root-user", "--mount", "bash", "-c", enter, "enter", this.root, scriptsFolder, `/scripts/${script}`, ...args], options);
      let [stdout, stderr] = ["", ""];
      child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
      child.on("error", reject);
      child.on("close", (code) => { resolve({ code, stdout, stderr }); });
      // A script that refuses its flags ends before it reads.
      child.stdin.on("error", () => undefined);
      child.stdin.end(input);
    });
  }

  exists(path: string): boolean {
    return existsSync(this.path(path));
  }

  read(path: string): string {
    return readFileSync(this.path(path), "utf8");
  }

  /** Names in a folder, in order. */
  list(path: string): string[] {
    return readdirSync(this.path(path)).sort();
  }

  mode(path: string): string {
    return (lstatSync(this.path(path)).mode & 0o777).toString(8);
  }

  write(path: string, content: string, mode = 0o644): void {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), content);
    chmodSync(this.path(path), mode);
  }

  remove(path = "/"): void {
    rmSync(path === "/" ? this.root : this.path(path), { recursive: true, force: true });
  }

  /** Where a path of the machine is on this one. */
  path(path: string): string {
    return join(this.root, path.startsWith("/usr/local/") ? path.replace("/usr/local", "/local") : path);
  }
}
