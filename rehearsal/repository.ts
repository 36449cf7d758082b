import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import { dirname, join, normalize, relative } from "node:path";
import { buildDeb, controlFile, type DebSpec } from "./deb";
import { RehearsalError, run, tryRun } from "./process";

/** The folders of a site's apt mirror, as `site.mirror.apt` documents them. */
export type MirrorArea = "debian" | "cuda" | "nvidia-container-toolkit" | "grafana";

export interface MirrorPackage extends DebSpec {
  area: MirrorArea;
}

/** What the parts of the mirror with suites answer for, as Debian's and Grafana's own do; NVIDIA's parts are flat. */
const layouts: Readonly<Partial<Record<MirrorArea, { origin: string; suites: readonly string[]; components: readonly string[] }>>> = {
  debian: { origin: "Debian", suites: ["bookworm", "bookworm-updates", "bookworm-security"], components: ["main", "contrib", "non-free", "non-free-firmware"] },
  grafana: { origin: "grafana", suites: ["stable"], components: ["main"] },
};

const areas: readonly MirrorArea[] = ["debian", "cuda", "nvidia-container-toolkit", "grafana"];

type Gpg = (args: readonly string[]) => Promise<string>;

/** A signed apt mirror in a folder. */
export interface Mirror {
  folder: string;
  /** The public key that signs it, in the binary form apt reads from a keyring file. */
  keyring: Buffer;
}

/** Builds all packages and the signed indexes that apt reads. */
export async function buildMirror(folder: string, packages: readonly MirrorPackage[]): Promise<Mirror> {
  const keys = join(folder, "..", "mirror-keys");
  mkdirSync(folder, { recursive: true });
  mkdirSync(keys, { recursive: true, mode: 0o700 });
  const gpg: Gpg = (args) => run("gpg", ["--homedir", keys, "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", ...args]);
  try {
    await gpg(["--quick-generate-key", "Rackwright rehearsal mirror", "ed25519", "sign", "never"]);
    const keyringFile = join(keys, "mirror.gpg");
    await gpg(["--output", keyringFile, "--export"]);
    for (const area of areas) await buildArea(area, join(folder, area), packages.filter((candidate) => candidate.area === area), gpg);
    return { folder, keyring: readFileSync(keyringFile) };
  } finally {
    await tryRun("gpgconf", ["--homedir", keys, "--kill", "all"]);
    rmSync(keys, { recursive: true, force: true });
  }
}

async function buildArea(area: MirrorArea, root: string, packages: readonly MirrorPackage[], gpg: Gpg): Promise<void> {
  mkdirSync(join(root, "pool"), { recursive: true });
  const entries: string[] = [];
  for (const spec of packages) {
    const file = `pool/${await buildDeb(spec, join(root, "pool"))}`;
    const content = readFileSync(join(root, file));
    entries.push(`${controlFile(spec)}Filename: ${file}\nSize: ${content.length}\nSHA256: ${sha256(content)}\n`);
  }
  const index = entries.join("\n");
  const layout = layouts[area];
  if (layout === undefined) {
    writeFileSync(join(root, "Packages"), index);
    await sign(root, ["Packages"], { Origin: area === "cuda" ? "NVIDIA" : "https://nvidia.github.io/libnvidia-container", Label: "NVIDIA" }, gpg);
    return;
  }
  const { origin, suites, components } = layout;
  for (const suite of suites) {
    const home = join(root, "dists", suite);
    const indexes = components.map((component) => `${component}/binary-amd64/Packages`);
    for (const [position, file] of indexes.entries()) {
      mkdirSync(join(home, dirname(file)), { recursive: true });
      // Everything is in the first suite's first component; the others exist and are empty.
      writeFileSync(join(home, file), suite === suites[0] && position === 0 ? index : "");
    }
    await sign(home, indexes, { Origin: origin, Label: origin, Suite: suite, Codename: suite, Components: components.join(" "), Architectures: "amd64" }, gpg);
  }
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Writes Release and its two signed forms for the index files of a folder. */
async function sign(folder: string, indexes: readonly string[], fields: Readonly<Record<string, string>>, gpg: Gpg): Promise<void> {
  const sums = indexes.map((index) => {
    const content = readFileSync(join(folder, index));
    return ` ${sha256(content)} ${content.length} ${index}`;
  });
  const release = [...Object.entries(fields).map(([field, value]) => `${field}: ${value}`), `Date: ${new Date().toUTCString()}`, "SHA256:", ...sums, ""].join("\n");
  const file = join(folder, "Release");
  writeFileSync(file, release);
  await gpg(["--output", join(folder, "InRelease"), "--clearsign", file]);
  await gpg(["--output", `${file}.gpg`, "--armor", "--detach-sign", file]);
}

export interface ServedMirror {
  /** As an emulated server reaches it. */
  guestUrl: string;
  /** As this machine reaches it. */
  hostUrl: string;
  /** Paths that were asked for and found, in order. */
  served: readonly string[];
  close(): Promise<void>;
}

/** Address of this machine's loopback as QEMU's user network shows it to a guest. */
const hostFromGuest = "10.0.2.2";

/** Serves the mirror over HTTP on loopback. */
export async function serveMirror(folder: string): Promise<ServedMirror> {
  const served: string[] = [];
  const server: HttpServer = createServer((request, response) => {
    const path = normalize(decodeURIComponent((request.url ?? "/").split("?")[0] ?? "/"));
    const file = join(folder, path);
    const stat = !relative(folder, file).startsWith("..") ? statSync(file, { throwIfNoEntry: false }) : undefined;
    if (stat?.isFile() !== true) {
      response.writeHead(404).end();
      return;
    }
    served.push(path);
    response.writeHead(200, { "content-length": stat.size, "last-modified": stat.mtime.toUTCString() });
    if (request.method === "HEAD") response.end();
    else createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address !== "object") throw new RehearsalError("The stand-in mirror could not listen on loopback.");
  return {
    guestUrl: `http://${hostFromGuest}:${address.port}`,
    hostUrl: `http://127.0.0.1:${address.port}`,
    served,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
