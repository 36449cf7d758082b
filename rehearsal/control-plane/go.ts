import { chmodSync, existsSync, readdirSync } from "node:fs";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { lastLines, RehearsalError, tryRun } from "../process";

/** From 1.21 on, Go fetches by itself the toolchain that a module asks for. */
const switchesToolchains = 21;
const toolchain = "go1.26.8";

interface Options {
  onProgress?: ((line: string) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * A `go` that can build the modules in rehearsal/programs. An older one fetches the pinned toolchain, which is a module like any other.
 * @throws RehearsalError `unreachable` where there is no Go at all, or where the toolchain cannot be fetched.
 */
export async function findGo({ onProgress, signal }: Options = {}): Promise<string> {
  const found: { command: string; minor: number }[] = [];
  for (const command of ["go", "/usr/local/go/bin/go", "/usr/lib/go/bin/go"]) {
    const minor = await minorVersion(command);
    if (minor !== undefined) found.push({ command, minor });
  }
  const best = found.sort((a, b) => b.minor - a.minor)[0];
  if (best === undefined) {
    throw new RehearsalError("Go was not found; the rehearsal's control plane is built with it. Install it, then run this again: `apt-get install golang-go` on Debian and Ubuntu (any version will do), or https://go.dev/dl/", "unreachable");
  }
  if (best.minor >= switchesToolchains) return best.command;
  return fetchToolchain(best.command, { onProgress, signal });
}

async function minorVersion(command: string): Promise<number | undefined> {
  try {
    const { stdout } = await tryRun(command, ["version"], { env: { GOTOOLCHAIN: "local" } });
    const minor = /go1\.(\d+)/.exec(stdout)?.[1];
    return minor === undefined ? undefined : Number(minor);
  } catch {
    return undefined;
  }
}

async function fetchToolchain(go: string, { onProgress, signal }: Options): Promise<string> {
  const architecture = arch() === "x64" ? "amd64" : arch();
  const name = `golang.org/toolchain@v0.0.1-${toolchain}.${platform()}-${architecture}`;
  onProgress?.(`using ${toolchain} of the module proxy, for this machine's Go is too old`);
  const { code, stdout, stderr } = await tryRun(go, ["mod", "download", "-json", name], { cwd: "/", signal, env: { GO111MODULE: "on" } });
  const folder = code === 0 ? (JSON.parse(stdout) as { Dir?: string }).Dir : undefined;
  if (folder === undefined) throw new RehearsalError(`${name} could not be fetched by \`${go} mod download\`: ${lastLines(stderr || stdout, 6)}`, "unreachable");
  // A module's files carry no permission to be run.
  for (const programs of [join(folder, "bin"), join(folder, "pkg", "tool", `${platform()}_${architecture}`)]) {
    if (!existsSync(programs)) continue;
    for (const program of readdirSync(programs)) chmodSync(join(programs, program), 0o755);
  }
  return join(folder, "bin", "go");
}
