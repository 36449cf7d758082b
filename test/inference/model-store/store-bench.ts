import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export const layoutScript = join(__dirname, "../../../components/inference/model-store/layout.sh");

/** Shells that the script must run under. busybox brings its own sha256sum, awk, xargs, stat and so on, as in the pod's image. */
export const shells = ["busybox", "dash"] as const;
export type Shell = (typeof shells)[number];

function found(program: string): string | undefined {
  const { status, stdout } = spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

const missing = ["rclone", "busybox", "dash", "flock"].filter((program) => found(program) === undefined);
/** Why the script cannot be run here, or undefined. */
export const cannotRun = missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;

export interface LayoutEvent {
  event: string;
  [field: string]: unknown;
}

export interface LayoutRun {
  code: number | null;
  events: LayoutEvent[];
  /** The last event. */
  summary: LayoutEvent;
  stderr: string;
}

export interface RunOptions {
  shell?: Shell;
  source?: string;
  env?: Readonly<Record<string, string>>;
  /** Body of a shell script that takes rclone's place; the real one is `$RCLONE`. */
  rclone?: string;
  /** Called when the run has begun. */
  started?: (child: ChildProcess) => void;
  /** Command line that the run is put behind. */
  within?: readonly string[];
}

/** A model store and a hot tier in a temporary folder. */
export class StoreBench {
  readonly folder = mkdtempSync(join(tmpdir(), "rackwright-store-"));
  readonly store = join(this.folder, "store");
  readonly target = join(this.folder, "models");
  private counter = 0;

  constructor() {
    mkdirSync(this.store);
    mkdirSync(this.target);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Writes a model's files and its manifest. Returns the manifest's SHA-256. */
  put(model: string, files: Readonly<Record<string, string | Buffer>>): string {
    const lines = Object.entries(files).map(([path, content]) => {
      const file = join(this.store, model, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      return `${createHash("sha256").update(content).digest("hex")}  ${path}\n`;
    });
    return this.putManifest(model, lines.join(""));
  }

  putManifest(model: string, text: string): string {
    mkdirSync(join(this.store, model), { recursive: true });
    writeFileSync(join(this.store, model, "manifest.sha256"), text);
    return createHash("sha256").update(text).digest("hex");
  }

  /** What is laid out. */
  read(path: string): string | undefined {
    const file = join(this.target, path);
    return existsSync(file) ? readFileSync(file, "latin1") : undefined;
  }

  /** A PATH of nothing but what the shell's own image would have, and rclone. */
  private path(shell: Shell, rclone: string | undefined): string {
    const programs = join(this.folder, `programs-${this.counter++}`);
    mkdirSync(programs);
    if (rclone === undefined) symlinkSync(found("rclone") ?? "", join(programs, "rclone"));
    else writeFileSync(join(programs, "rclone"), `#!/bin/sh\nRCLONE=${found("rclone") ?? ""}\n${rclone}\n`, { mode: 0o755 });
    if (shell === "dash") return `${programs}:/usr/sbin:/usr/bin:/sbin:/bin`;
    spawnSync("busybox", ["--install", "-s", programs]);
    // Debian builds busybox without flock; Alpine's has it.
    if (!existsSync(join(programs, "flock"))) symlinkSync(found("flock") ?? "", join(programs, "flock"));
    return programs;
  }

  run(flags: readonly string[], { shell = "busybox", source = this.store, env = {}, rclone, started, within = [] }: RunOptions = {}): Promise<LayoutRun> {
    const command = [...within, ...(shell === "busybox" ? [found("busybox") ?? "", "sh"] : ["/bin/dash"]), layoutScript, "--source", source, "--target", this.target, ...flags];
    const child = spawn(command[0] ?? "", command.slice(1), { env: { PATH: this.path(shell, rclone), HOME: this.folder, TMPDIR: this.folder, ...env }, stdio: ["ignore", "pipe", "pipe"], detached: true });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    started?.(child);
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => {
        const events = stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as LayoutEvent);
        resolve({ code, events, summary: events.at(-1) ?? { event: "none" }, stderr });
      });
    });
  }
}
