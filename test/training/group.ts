import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const scripts = join(__dirname, "../../components/training/scripts");
const trainer = join(__dirname, "trainer.py");

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => { resolve(typeof address === "object" && address !== null ? address.port : 0); });
    });
  });
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** The servers of a training job as processes of this machine: each has a folder of its own as its checkpoint volume. */
export class Group {
  readonly folder = mkdtempSync(join(tmpdir(), "rackwright-training-"));
  readonly journal = join(this.folder, "journal");
  private readonly running = new Map<number, ChildProcess>();
  private readonly ends = new Map<number, Promise<Ended>>();
  private readonly text = new Map<number, string>();

  private constructor(private readonly servers: number, private readonly port: number, private readonly settings: Record<string, string>) {}

  static async of(servers: number, settings: Record<string, string> = {}): Promise<Group> {
    return new Group(servers, await freePort(), settings);
  }

  checkpoints(rank: number): string {
    const folder = join(this.folder, `server-${rank}`, "job");
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Names in a server's folder that are not hidden. */
  names(rank: number): string[] {
    return readdirSync(this.checkpoints(rank)).filter((name) => !name.startsWith(".")).sort();
  }

  start(rank: number, command: readonly string[], more: Record<string, string> = {}): ChildProcess {
    const child = spawn("python3", [join(scripts, "run_together.py"), "--", ...command], {
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        PATH: process.env.PATH,
        PYTHONDONTWRITEBYTECODE: "1",
        RACKWRIGHT_CHECKPOINT_DIRECTORY: this.checkpoints(rank), RACKWRIGHT_CHECKPOINT_EVERY_STEPS: "10", RACKWRIGHT_CHECKPOINT_KEEP_LAST: "2",
        RACKWRIGHT_SERVERS: String(this.servers), RACKWRIGHT_RANK: String(rank), RACKWRIGHT_PROCESSES: "1", RACKWRIGHT_LEADER: "127.0.0.1",
        RACKWRIGHT_MEETING_PORT: String(this.port), RACKWRIGHT_GENERATION: "g", RACKWRIGHT_PATIENCE_SECONDS: "20", RACKWRIGHT_GRACE_SECONDS: "2", RACKWRIGHT_BEAT_SECONDS: "0.2",
        CHECKPOINT_TOOL: join(scripts, "checkpoints.py"),
        ...this.settings,
        ...more,
      },
    });
    this.running.set(rank, child);
    this.text.set(rank, "");
    child.stderr.on("data", (data: Buffer) => this.text.set(rank, this.said(rank) + data.toString()));
    this.ends.set(rank, new Promise((resolve) => child.on("close", (code, signal) => { resolve({ code, signal }); })));
    return child;
  }

  train(rank: number, steps: number, ...options: string[]): ChildProcess {
    return this.start(rank, ["python3", trainer, String(steps), this.journal, ...options, "attempt=@attempt@"]);
  }

  ended(rank: number): Promise<Ended> {
    return this.ends.get(rank) ?? Promise.reject(new Error(`server ${rank} was not started`));
  }

  said(rank: number): string {
    return this.text.get(rank) ?? "";
  }

  lines(): string[] {
    return existsSync(this.journal) ? readFileSync(this.journal, "utf8").trim().split("\n") : [];
  }

  /** Ends what still runs, and removes what all of it wrote. */
  async end(): Promise<void> {
    for (const child of this.running.values()) if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await Promise.all(this.ends.values());
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function until(what: string, holds: () => boolean, seconds = 15): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`did not come about within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
