import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RehearsalError, lastLines, run, tryRun } from "./process";

/**
 * The system image of an emulated server: a stock Debian 12 with the kernel and the storage tools that a server's
 * installer brings. What a server needs beyond that is for `up` to install. Changing anything here builds a new image.
 */
export const recipe = {
  suite: "bookworm",
  sizeMiB: 3072,
  packages: [
    "systemd-sysv", "dbus", "udev", "kmod", "initramfs-tools", "linux-image-amd64", "zstd", "openssh-server", "sudo", "iproute2",
    "ca-certificates", "gpg", "mdadm", "xfsprogs", "nvme-cli", "smartmontools", "parted", "curl", "pciutils",
  ],
  // What nobody reads on a machine that lives for minutes.
  leaveOut: ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*"],
  initramfsModules: ["virtio_pci", "virtio_blk", "ext4", "nvme", "ahci", "sd_mod", "raid0", "raid1", "raid10", "raid456"],
  maskedUnits: ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "man-db.timer", "smartmontools.service", "systemd-timesyncd.service", "getty@tty1.service"],
  files: {
    "/etc/fstab": "/dev/vda / ext4 errors=remount-ro 0 1\n",
    // The addresses of QEMU's user network.
    "/etc/systemd/network/10-management.network": "[Match]\nMACAddress=52:54:00:00:00:01\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n",
    "/etc/systemd/system/first-login.service":
      "[Unit]\nDescription=Make the login user that the rack asks for\nConditionPathExists=/etc/rack/login\nConditionPathExists=!/etc/rack/done\nBefore=ssh.service\n" +
      "[Service]\nType=oneshot\nExecStart=/bin/sh /etc/rack/login\nExecStart=/bin/touch /etc/rack/done\n[Install]\nWantedBy=multi-user.target\n",
  } as Readonly<Record<string, string>>,
} as const;

/**
 * Packing an initramfs starts thousands of programs, which takes minutes in software emulation, and every array asks for
 * it. This packs the one that came with the image again, with the settings that the server has now laid over it.
 */
const packInitramfs = `#!/bin/sh
# Stand-in for mkinitramfs on an emulated server.
set -eu
out="" version=$(uname -r)
while [ $# -gt 0 ]; do
  case $1 in
    -o) out=$2; shift ;;
    -*) ;;
    *) version=$1 ;;
  esac
  shift
done
cp "/usr/share/rack/initrd.img-$version" "$out"
# The kernel takes a second archive at a multiple of four bytes.
truncate --size=%4 "$out"
cd /
find etc/mdadm etc/modprobe.d etc/udev | cpio --quiet --create --format=newc >>"$out"
`;

export interface SystemImage {
  /** A raw ext4 file system with kernel and initrd in its /boot. Copied for every server, never written to. */
  file: string;
  kernelRelease: string;
  builtInSeconds: number;
  cached: boolean;
}

/** Name of the cache folder: the same recipe is built once. */
export function recipeHash(): string {
  return createHash("sha256").update(JSON.stringify([recipe, bootstrapHooks(), packScript])).digest("hex").slice(0, 12);
}

/**
 * Builds the system image, or takes the one in the cache.
 * @throws RehearsalError (unreachable) when packages cannot be fetched.
 */
export async function ensureSystemImage(cacheDir: string, onProgress: (line: string) => void, signal?: AbortSignal): Promise<SystemImage> {
  const folder = join(cacheDir, recipeHash());
  const cached = readImage(folder);
  if (cached !== undefined) return { ...cached, cached: true };
  const started = Date.now();
  mkdirSync(cacheDir, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), "rackwright-image-"));
  // Without root the image is packed under a subordinate user id, which has to get in.
  chmodSync(work, 0o711);
  try {
    const built = mkdtempSync(join(cacheDir, "building-"));
    try {
      await bootstrap(work, onProgress, signal);
      onProgress("Packing the system image");
      await pack(work, join(built, "system.ext4"), signal);
      const kernelRelease = await kernelIn(join(built, "system.ext4"));
      const builtInSeconds = Math.round((Date.now() - started) / 1000);
      writeFileSync(join(built, "image.json"), JSON.stringify({ kernelRelease, builtInSeconds }) + "\n");
      // Another rehearsal may have finished the same image meanwhile; either will do.
      if (readImage(folder) === undefined) {
        rmSync(folder, { recursive: true, force: true });
        renameSync(built, folder);
      }
    } finally {
      rmSync(built, { recursive: true, force: true });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const image = readImage(folder);
  if (image === undefined) throw new RehearsalError(`The system image in ${folder} could not be read after it was built.`);
  return { ...image, cached: false };
}

function readImage(folder: string): Omit<SystemImage, "cached"> | undefined {
  const file = join(folder, "system.ext4");
  const facts = join(folder, "image.json");
  if (!existsSync(file) || !existsSync(facts)) return undefined;
  const parsed: unknown = JSON.parse(readFileSync(facts, "utf8"));
  const { kernelRelease, builtInSeconds } = parsed as { kernelRelease: string; builtInSeconds: number };
  return { file, kernelRelease, builtInSeconds };
}

async function bootstrap(work: string, onProgress: (line: string) => void, signal?: AbortSignal): Promise<void> {
  const aptConfig = join(work, "apt.conf");
  writeFileSync(aptConfig, await acquireSettings());
  const sources = await debianSources();
  const args = [
    "--variant=minbase",
    "--format=tar",
    `--include=${recipe.packages.join(",")}`,
    "--dpkgopt=force-unsafe-io",
    ...recipe.leaveOut.map((path) => `--dpkgopt=path-exclude=${path}`),
    `--aptopt=${aptConfig}`,
    ...bootstrapHooks().map(([stage, script]) => `--${stage}-hook=${script}`),
    recipe.suite,
    join(work, "system.tar"),
    ...(sources === undefined ? [] : ["-"]),
  ];
  onProgress("Building the system image: Debian 12");
  const said: string[] = [];
  const { code } = await tryRun("mmdebstrap", args, {
    input: sources,
    signal,
    onLine: (line) => {
      said.push(line);
      if (line.startsWith("I: ") && !line.includes("-hook in shell")) onProgress(`Building the system image: ${line.slice(3)}`);
    },
  });
  if (code !== 0) throw new RehearsalError(`Building the system image failed:\n${lastLines(said.join("\n"), 20)}`, "unreachable");
}

function bootstrapHooks(): [stage: "essential" | "customize", script: string][] {
  const writes = Object.entries(recipe.files).map(([path, text]) => `mkdir -p "$1${path.slice(0, path.lastIndexOf("/"))}"\nprintf '%s' '${text}' >"$1${path}"`);
  return [
    // Before the kernel is installed, so that its initramfs is packed once.
    ["essential", `mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
printf 'MODULES=list\\nCOMPRESS=zstd\\n' >"$1/etc/initramfs-tools/conf.d/rack"
printf '%s\\n' ${recipe.initramfsModules.join(" ")} >"$1/usr/share/initramfs-tools/modules.d/rack"`],
    ["customize", `set -e
${writes.join("\n")}
rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/hostname "$1"/etc/resolv.conf
: >"$1/etc/machine-id"
chroot "$1" systemctl -q enable systemd-networkd.service ssh.service first-login.service
chroot "$1" systemctl -q mask ${recipe.maskedUnits.join(" ")}
mkdir -p "$1/usr/share/rack"
cp "$1"/boot/initrd.img-* "$1/usr/share/rack/"
chroot "$1" dpkg-divert --quiet --local --rename --add /usr/sbin/mkinitramfs
cat >"$1/usr/sbin/mkinitramfs" <<'PACK'
${packInitramfs}PACK
chmod 755 "$1/usr/sbin/mkinitramfs"`],
  ];
}

/**
 * Debian's entries among the package sources of this machine, so that a site's own mirror is used without being named.
 * Undefined where this machine has none: then mmdebstrap's own default applies.
 */
async function debianSources(): Promise<string | undefined> {
  const { code, stdout } = await tryRun("apt-get", ["indextargets", "--format", "$(CREATED_BY)\t$(ORIGIN)\t$(CODENAME)\t$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)"]);
  if (code !== 0) return undefined;
  return sourcesFromIndexTargets(stdout);
}

/** Turns apt's list of index targets into lines for sources.list, or undefined where Debian's main suite is not among them. */
export function sourcesFromIndexTargets(text: string): string | undefined {
  const components = new Map<string, Set<string>>();
  let main = false;
  for (const line of text.split("\n")) {
    const [createdBy, origin, codename, uri, release, component] = line.split("\t");
    if (createdBy !== "Packages" || origin !== "Debian" || uri === undefined || release === undefined || component === undefined) continue;
    if (codename?.split("-")[0] !== recipe.suite || release.includes("backports")) continue;
    main ||= codename === recipe.suite;
    const key = `${uri.replace(/\/$/, "")} ${release}`;
    components.set(key, (components.get(key) ?? new Set()).add(component));
  }
  if (!main) return undefined;
  return [...components].map(([key, names]) => `deb ${key} ${[...names].join(" ")}\n`).join("");
}

/** How this machine fetches packages (proxies, certificates, retries): the build fetches them the same way. */
async function acquireSettings(): Promise<string> {
  const { stdout } = await tryRun("apt-config", ["dump", "Acquire"]);
  const lines = stdout.split("\n").filter((line) => /^Acquire::(http|https|Retries|ForceIPv4|Check-Valid-Until|Check-Date|Proxy)/i.test(line) && !line.endsWith('"";'));
  return [...lines, 'Acquire::Languages "none";'].join("\n") + "\n";
}

// Device nodes cannot be made without root; the kernel makes them when it boots.
const packScript = 'mkdir "$1/root" && tar --numeric-owner --exclude="./dev/*" -xf "$2" -C "$1/root" && mkfs.ext4 -q -F -L system -d "$1/root" "$3" "$4"';

async function pack(work: string, image: string, signal?: AbortSignal): Promise<void> {
  const raw = join(work, "system.ext4");
  const tree = join(work, "tree");
  mkdirSync(tree);
  chmodSync(tree, 0o777);
  writeFileSync(raw, "");
  chmodSync(raw, 0o666);
  chmodSync(join(work, "system.tar"), 0o644);
  try {
    await runAsOwner(["sh", "-c", packScript, "sh", tree, join(work, "system.tar"), raw, `${recipe.sizeMiB}M`], signal);
  } finally {
    await runAsOwner(["rm", "-rf", join(tree, "root")]);
  }
  await run("cp", ["--sparse=always", raw, image], { signal });
  if (statSync(image).size !== recipe.sizeMiB * 1024 * 1024) throw new RehearsalError(`The system image has ${statSync(image).size} bytes instead of ${recipe.sizeMiB} MiB.`);
}

/** Root keeps its own ids; others get a user namespace in which files can belong to root. */
function runAsOwner(command: readonly string[], signal?: AbortSignal): Promise<string> {
  const [program = "", ...args] = process.getuid?.() === 0 ? command : ["mmdebstrap", "--unshare-helper", ...command];
  return run(program, args, { signal });
}

async function kernelIn(image: string): Promise<string> {
  const listing = await run("debugfs", ["-R", "ls -p /boot", image]);
  const release = /\/vmlinuz-([^/]+)\//.exec(listing)?.[1];
  if (release === undefined) throw new RehearsalError("The system image has no kernel in /boot.");
  return release;
}
