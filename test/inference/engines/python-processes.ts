import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const scripts = join(__dirname, "../../../components/inference/engines/scripts");
/** PyTorch as far as the exporter looks at it, with figures that a program sets. */
export const standIn = join(__dirname, "stand-ins/gpu");
/** Debian's interpreter, which its python3-torch is for. */
export const debianPython = "/usr/bin/python3";

/** What keeps programs with a real PyTorch from running here. */
export function torchMissing(): string | undefined {
  const { status, stderr } = spawnSync(debianPython, ["-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"], { encoding: "utf8" });
  return status === 0 ? undefined : `Debian's python3-torch is not installed${stderr === "" ? "" : ` (${stderr.trim()})`}; apt-get install --no-install-recommends python3-torch brings it, with 640 MB`;
}

export interface Program {
  pid: number;
  process: ChildProcess;
  out: () => string;
  err: () => string;
  /** Exit code, or the signal that ended it. */
  ended: Promise<number | string | null>;
}

export interface ProgramOptions {
  python?: string;
  /** Folders of modules after the exporter's own. @default {@link standIn} */
  path?: string[];
  env?: Record<string, string>;
}

/** One figure as Prometheus would read it. */
export interface Sample {
  name: string;
  process: number;
  device: number;
  uuid: string;
  value: number;
}

/** What a container of an engine has: the exporter's two files, a folder for figures, a port. Nothing outlives {@link close}. */
export class Container {
  readonly folder = mkdtempSync(join(tmpdir(), "rackwright-allocator-"));
  readonly python = join(this.folder, "python");
  readonly figures = join(this.folder, "figures");
  private readonly programs: Program[] = [];
  private count = 0;

  private constructor(
    readonly port: number,
    readonly intervalSeconds: number,
  ) {
    chmodSync(this.folder, 0o755);
    mkdirSync(this.python);
    for (const name of ["sitecustomize.py", "allocator_metrics.py"]) copyFileSync(join(scripts, name), join(this.python, name));
  }

  static async make(intervalSeconds = 0.2): Promise<Container> {
    return new Container(await freePort(), intervalSeconds);
  }

  /** Starts a program, which is a file of its own so that its children can be spawned from it. */
  start(text: string, { python = "python3", path = [standIn], env = {} }: ProgramOptions = {}): Program {
    const file = join(this.folder, `program${this.count++}.py`);
    writeFileSync(file, text);
    const child = spawn(python, ["-u", file], {
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: children that outlive it are ended with it.
      detached: true,
      env: {
        PATH: process.env.PATH ?? "", PYTHONDONTWRITEBYTECODE: "1", PYTHONPATH: [this.python, ...path].join(":"), RACKWRIGHT_ALLOCATOR_FOLDER: this.figures,
        RACKWRIGHT_ALLOCATOR_PORT: String(this.port), RACKWRIGHT_ALLOCATOR_INTERVAL_SECONDS: String(this.intervalSeconds), ...env,
      },
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (data: Buffer) => (out += data.toString()));
    child.stderr.on("data", (data: Buffer) => (err += data.toString()));
    const ended = new Promise<number | string | null>((resolve) => child.once("close", (code, signal) => resolve(code ?? signal)));
    const program = { pid: child.pid ?? 0, process: child, out: () => out, err: () => err, ended };
    this.programs.push(program);
    return program;
  }

  /** Runs a program to its end. */
  async run(text: string, options?: ProgramOptions): Promise<{ code: number | string | null; out: string; err: string }> {
    const program = this.start(text, options);
    const code = await program.ended;
    return { code, out: program.out(), err: program.err() };
  }

  /** What Prometheus gets; undefined where nobody answers. */
  async text(): Promise<string | undefined> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.port}/metrics`, { signal: AbortSignal.timeout(5000) });
      return answer.status === 200 ? await answer.text() : undefined;
    } catch {
      return undefined;
    }
  }

  async samples(): Promise<Sample[]> {
    const lines = ((await this.text()) ?? "").split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return lines.map((line) => {
      const [, name = "", process, device, uuid = "", value] = /^(\w+)\{process="(\d+)",device="(\d+)",uuid="([^"]*)"\} (\d+)$/.exec(line) ?? [];
      if (name === "") throw new Error(`this is no sample: ${line}`);
      return { name, process: Number(process), device: Number(device), uuid, value: Number(value) };
    });
  }

  /** Processes whose figures are served. */
  async processes(): Promise<number[]> {
    return [...new Set((await this.samples()).map(({ process }) => process))].sort((a, b) => a - b);
  }

  files(): string[] {
    return existsSync(this.figures) ? readdirSync(this.figures).sort() : [];
  }

  script(name: string): string {
    return join(this.python, name);
  }

  async pauseIntervals(count: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, count * this.intervalSeconds * 1000));
  }

  async close(): Promise<void> {
    for (const { pid, ended } of this.programs.splice(0)) {
      try {
        process.kill(-pid, "SIGKILL");
      } catch {
        // All of them have ended.
      }
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function until<T>(what: string, look: () => Promise<T | false | undefined> | T | false | undefined, seconds = 15): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not come about in ${seconds} s`);
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
