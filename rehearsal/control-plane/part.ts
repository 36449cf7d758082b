import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { lastLines } from "../process";

/** One process of the control plane. It ends with the process that started it, however that ends. */
export class Part {
  private readonly child: ChildProcess;
  private readonly exited: Promise<void>;
  private readonly log: string;
  private gone = false;

  constructor(
    readonly name: string,
    command: string,
    args: readonly string[],
    folder: string,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.log = join(folder, `${name}.log`);
    const output = openSync(this.log, "a");
    // A group of its own: Ctrl-C is for the rehearsal, which ends its parts in their order. HOME keeps configuration of this machine's user out.
    this.child = spawn("setpriv", ["--pdeathsig", "KILL", command, ...args], { stdio: ["ignore", output, output], detached: true, cwd: folder, env: { PATH: process.env["PATH"], HOME: folder, ...env } });
    closeSync(output);
    this.exited = new Promise((resolve) => {
      const ended = (): void => {
        this.gone = true;
        resolve();
      };
      this.child.on("exit", ended);
      this.child.on("error", ended);
    });
  }

  /** Of the program itself: what starts it becomes it. */
  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Where what it writes is kept. */
  get logFile(): string {
    return this.log;
  }

  get ended(): boolean {
    return this.gone;
  }

  /** Ends it at once: nothing of it is to be kept. */
  async kill(): Promise<void> {
    this.killNow();
    await this.exited;
  }

  /** Resolves when it has ended, in whatever way. */
  whenEnded(): Promise<void> {
    return this.exited;
  }

  /** Tells it to do something, such as to read its files again. */
  signal(name: NodeJS.Signals): void {
    if (!this.gone) this.child.kill(name);
  }

  /** Lets it close its files, and waits until it has. */
  async end(): Promise<void> {
    this.signal("SIGTERM");
    await this.exited;
  }

  killNow(): void {
    if (!this.gone) this.child.kill("SIGKILL");
  }

  /** The end of what it wrote. */
  lastLines(): string {
    try {
      return lastLines(readFileSync(this.log, "utf8"), 12);
    } catch {
      return "";
    }
  }

  residentKiB(): number {
    try {
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.child.pid ?? 0}/status`, "utf8"))?.[1] ?? 0);
    } catch {
      return 0;
    }
  }
}
