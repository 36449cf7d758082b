import { spawn, type ChildProcessByStdio } from "node:child_process";
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { Server } from "../components/environment/schema";
import { copyDisk, takeBootFiles, writeIntoDisk, type GuestFile } from "./disk";
import { blockNode, driveArguments, driveDevice, emulateDrives, successorOf, udevRules, type EmulatedDrive } from "./hardware";
import { RehearsalError, lastLines } from "./process";
import { Qmp } from "./qmp";
import type { SystemImage } from "./rootfs";
import { Ssh, makeKeyPair, type KeyPair } from "./ssh";

export interface ServerOptions {
  name: string;
  server: Server;
  /** The login name `up` uses; root is always there for the rack's own checks. */
  user: string;
  /** Where this server's files go. */
  folder: string;
  image: SystemImage;
  /** Who may log in. */
  key: KeyPair;
  /** Further files for the system disk. */
  files?: readonly GuestFile[];
  /** @default 1024 */
  memoryMiB?: number;
  /** Port of loopback at which it answers: that of a server in whose place it comes. @default one that is free */
  port?: number;
  /** It reaches nothing: neither this machine nor anything behind it. @default false */
  isolated?: boolean;
  /** A port of the server that is reached at {@link EmulatedServer.servicePort} of loopback, besides SSH's. @default none */
  offers?: number;
  /** Gives a drive another size or another way to its backing file than the emulator's own. @default as it is */
  shapeDrive?: (drive: EmulatedDrive) => EmulatedDrive;
  signal?: AbortSignal | undefined;
}

const bootTimeoutSeconds = 240;
const hotPlugTimeoutSeconds = 30;
const managementMac = "52:54:00:00:00:01";

/** One emulated server: a QEMU process in software emulation with the environment's drives, reached by SSH on loopback. */
export class EmulatedServer {
  readonly name: string;
  readonly ssh: Ssh;
  private fitted: readonly EmulatedDrive[];
  private qemu: ChildProcessByStdio<Writable, Readable, Readable> | undefined;
  private exited: Promise<void> = Promise.resolve();
  private qmp: Qmp | undefined;
  private complaints = "";

  private constructor(
    private readonly options: ServerOptions,
    readonly port: number,
    readonly hostKey: string,
    /** Port of loopback at which {@link ServerOptions.offers} answers. */
    readonly servicePort: number,
  ) {
    this.name = options.name;
    this.fitted = emulateDrives(options.server).map(options.shapeDrive ?? ((drive): EmulatedDrive => drive));
    this.ssh = new Ssh(options.folder, port, hostKey, options.key.privateKeyFile);
  }

  /** Makes the disks of a blank server: system installed, data drives empty. Does not start it. */
  static async create(options: ServerOptions): Promise<EmulatedServer> {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const hostKey = await makeKeyPair(options.folder, "host_key", (file) => readFileSync(file, "utf8"));
    const server = new EmulatedServer(options, options.port ?? (await freePort()), hostKey.publicKey, await freePort());
    await copyDisk(options.image.file, server.disk);
    for (const drive of server.drives) makeSparse(join(options.folder, drive.file), drive.sizeMiB);
    await writeIntoDisk(server.disk, [...guestFiles(options, hostKey, server.drives), ...(options.files ?? [])]);
    return server;
  }

  private get disk(): string {
    return join(this.options.folder, "system.ext4");
  }

  get drives(): readonly EmulatedDrive[] {
    return this.fitted;
  }

  get running(): boolean {
    return this.qemu !== undefined;
  }

  /** Starts the machine and waits for SSH. Returns the seconds it took. */
  async start(): Promise<number> {
    const started = Date.now();
    const { kernel, initrd } = await takeBootFiles(this.disk, this.options.image.kernelRelease, this.options.folder);
    const args = machineArguments({ ...this.options, memoryMiB: this.options.memoryMiB ?? 1024, port: this.port, servicePort: this.servicePort, kernel, initrd, disk: this.disk, console: join(this.options.folder, "console.log"), drives: this.drives });
    this.complaints = "";
    // The emulator dies with this process, whatever ends it; Ctrl-C in the terminal is for this process to hear.
    const qemu = spawn("setpriv", ["--pdeathsig", "KILL", "qemu-system-x86_64", ...args], { stdio: ["pipe", "pipe", "pipe"], detached: true });
    this.qemu = qemu;
    qemu.stderr.setEncoding("utf8").on("data", (text: string) => (this.complaints += text));
    this.exited = new Promise((resolve) => {
      const ended = (): void => {
        if (this.qemu === qemu) this.qemu = undefined;
        resolve();
      };
      qemu.on("exit", ended);
      qemu.on("error", (error) => {
        this.complaints += error.message;
        ended();
      });
    });
    try {
      this.qmp = new Qmp(qemu.stdout, qemu.stdin);
      await this.qmp.negotiate();
      await this.ssh.waitUntilUp(bootTimeoutSeconds, () => this.running, this.options.signal);
    } catch (error) {
      await this.kill();
      const reason = error instanceof Error ? error.message : String(error);
      throw new RehearsalError(`${this.name} did not boot. ${reason}\n${lastLines(this.complaints || this.consoleText(), 12)}`);
    }
    return (Date.now() - started) / 1000;
  }

  /** Reboots by the system's own means, with the kernel and initrd that its disk has by then. Returns the seconds it took. */
  async reboot(): Promise<number> {
    const started = Date.now();
    await this.powerOff("systemctl reboot");
    await this.start();
    return (Date.now() - started) / 1000;
  }

  /** Shuts the system down; pulls the plug when that takes longer than two minutes. */
  async powerOff(command = "systemctl poweroff"): Promise<void> {
    if (!this.running) return;
    // The connection may break before the command ends.
    await this.ssh.try(`${command} || true`);
    const timer = setTimeout(() => void this.kill(), 120_000);
    await this.exited;
    clearTimeout(timer);
  }

  /** Ends the emulator at once, as when power fails. */
  async kill(): Promise<void> {
    this.qemu?.kill("SIGKILL");
    await this.exited;
  }

  /** Path of a drive's backing file. */
  backingFile(id: string): string {
    return join(this.options.folder, this.drive(id).file);
  }

  drive(id: string): EmulatedDrive {
    const drive = this.drives.find((candidate) => candidate.id === id);
    if (drive === undefined) throw new RehearsalError(`${this.name} has no drive ${id}.`);
    return drive;
  }

  /** Pulls an NVMe drive out of the running server. Its content stays in its backing file. */
  async pullDrive(id: string): Promise<void> {
    const qmp = this.connected();
    const drive = this.drive(id);
    const gone = qmp.waitFor("DEVICE_DELETED", (data) => data["device"] === drive.device, hotPlugTimeoutSeconds);
    await Promise.all([gone, qmp.execute("device_del", { id: drive.device })]);
  }

  /** Puts a pulled drive back into its slot, with the content it has in its backing file. */
  async insertDrive(id: string): Promise<void> {
    const qmp = this.connected();
    const drive = this.drive(id);
    const nodes = (await qmp.execute("query-named-block-nodes", { flat: true })) as { "node-name": string }[];
    if (!nodes.some((node) => node["node-name"] === drive.node)) {
      await qmp.execute("blockdev-add", blockNode(drive, (file) => join(this.options.folder, file)));
    }
    await qmp.execute("device_add", driveDevice(drive));
  }

  /** Puts a blank drive with a serial number of its own into the slot of a pulled one. Returns its name under /dev/disk/by-id. */
  async replaceDrive(id: string): Promise<string> {
    const blank = successorOf(this.drive(id));
    makeSparse(join(this.options.folder, blank.file), blank.sizeMiB);
    this.fitted = this.fitted.map((drive) => (drive.id === id ? blank : drive));
    await this.insertDrive(blank.id);
    return blank.id;
  }

  private connected(): Qmp {
    if (this.qmp === undefined || !this.running) throw new RehearsalError(`${this.name} is not running.`);
    return this.qmp;
  }

  /** What the machine printed on its serial console. */
  consoleText(): string {
    const file = join(this.options.folder, "console.log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }
}

export interface MachineSpec {
  name: string;
  server: Pick<Server, "nics">;
  memoryMiB: number;
  port: number;
  /** Of loopback. */
  servicePort?: number;
  offers?: number;
  kernel: string;
  initrd: string;
  disk: string;
  console: string;
  folder: string;
  drives: readonly EmulatedDrive[];
  isolated?: boolean;
}

/** QEMU's arguments for one server. */
export function machineArguments(spec: MachineSpec): string[] {
  const nics = Object.keys(spec.server.nics).flatMap((_, index) => [
    "-netdev", `user,id=nic${index},restrict=on`,
    "-device", `virtio-net-pci,netdev=nic${index},mac=${nicMac(index)}`,
  ]);
  return [
    "-name", spec.name,
    "-machine", "q35",
    // KVM is not to be had on many build machines, and a rehearsal has to run on all of them.
    "-accel", "tcg,thread=multi,tb-size=512",
    // Software emulation is a fifth faster where programs do not find the widest vector instructions.
    "-cpu", "Nehalem",
    "-smp", "2",
    "-m", String(spec.memoryMiB),
    "-nodefaults",
    "-display", "none",
    // A reboot of the guest ends the emulator, so that the next start takes the kernel that the disk has then.
    "-no-reboot",
    "-qmp", "stdio",
    "-serial", `file:${escapeCommas(spec.console)}`,
    "-kernel", spec.kernel,
    "-initrd", spec.initrd,
    "-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0 mitigations=off",
    "-blockdev", JSON.stringify({ driver: "raw", "node-name": "system", discard: "unmap", cache: { direct: false, "no-flush": true }, file: { driver: "file", filename: spec.disk, cache: { direct: false, "no-flush": true } } }),
    "-device", "virtio-blk-pci,drive=system,serial=system",
    "-device", "virtio-rng-pci",
    "-netdev", `user,id=management,${spec.isolated === true ? "restrict=on," : ""}hostfwd=tcp:127.0.0.1:${spec.port}-:22${spec.offers === undefined ? "" : `,hostfwd=tcp:127.0.0.1:${spec.servicePort ?? spec.offers}-:${spec.offers}`}`,
    "-device", `virtio-net-pci,netdev=management,mac=${managementMac}`,
    ...nics,
    ...driveArguments(spec.drives, (file) => join(spec.folder, file)),
  ];
}

function nicMac(index: number): string {
  return `52:54:00:00:01:${index.toString(16).padStart(2, "0")}`;
}

function escapeCommas(value: string): string {
  return value.replaceAll(",", ",,");
}

function guestFiles(options: ServerOptions, hostKey: KeyPair, drives: readonly EmulatedDrive[]): GuestFile[] {
  const rules = udevRules(drives);
  const links = Object.keys(options.server.nics).map((nic, index) => ({
    path: `/etc/systemd/network/00-${nic}.link`,
    text: `[Match]\nMACAddress=${nicMac(index)}\n[Link]\nName=${nic}\n`,
  }));
  const login = `id -u '${options.user}' >/dev/null 2>&1 || useradd -m -s /bin/bash '${options.user}'\ninstall -d -m 700 -o '${options.user}' ~${options.user}/.ssh\ninstall -m 600 -o '${options.user}' /root/.ssh/authorized_keys ~${options.user}/.ssh/authorized_keys\nprintf '%s ALL=(ALL) NOPASSWD: ALL\\n' '${options.user}' >/etc/sudoers.d/rack\n`;
  return [
    { path: "/etc/hostname", text: `${options.name}\n` },
    { path: "/etc/hosts", text: `127.0.0.1 localhost\n127.0.1.1 ${options.name}\n` },
    { path: "/etc/ssh/ssh_host_ed25519_key", text: hostKey.privateKey, mode: 0o600 },
    { path: "/etc/ssh/ssh_host_ed25519_key.pub", text: `${hostKey.publicKey}\n` },
    { path: "/root/.ssh/authorized_keys", text: `${options.key.publicKey}\n`, mode: 0o600 },
    ...(rules === "" ? [] : [{ path: "/etc/udev/rules.d/61-rack-drives.rules", text: rules }]),
    ...(options.user === "root" ? [] : [{ path: "/etc/rack/login", text: login }]),
    ...links,
  ];
}

function makeSparse(file: string, sizeMiB: number): void {
  const handle = openSync(file, "w", 0o600);
  ftruncateSync(handle, sizeMiB * 1024 * 1024);
  closeSync(handle);
}

/** A port that is free on loopback now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === "object" ? resolve(address.port) : reject(new RehearsalError("No free port on loopback."))));
    });
  });
}
