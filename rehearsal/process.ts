import { spawn } from "node:child_process";

/** Something a rehearsal needs that is not there, or that did not work: a sentence for the user, without a stack trace. */
export class RehearsalError extends Error {
  constructor(
    message: string,
    /** `unreachable`: packages or their sources are missing. `failed`: the emulated rack itself did not come up. */
    readonly kind: "unreachable" | "failed" = "failed",
  ) {
    super(message);
    this.name = "RehearsalError";
  }
}

export interface RunOptions {
  input?: string | undefined;
  cwd?: string | undefined;
  env?: NodeJS.ProcessEnv | undefined;
  signal?: AbortSignal | undefined;
  /** Called with every line the program writes to stderr. */
  onLine?: ((line: string) => void) | undefined;
}

export interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program without a shell and collects what it says. Only a program that cannot be started is an error. */
export function tryRun(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      // Programs of the system's administration are not on every user's PATH.
      env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`, LC_ALL: "C.UTF-8", ...options.env },
      signal: options.signal,
      stdio: ["pipe", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    let unfinishedLine = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      const lines = (unfinishedLine + text).split("\n");
      unfinishedLine = lines.pop() ?? "";
      for (const line of lines) options.onLine?.(line);
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.name === "AbortError") reject(new RehearsalError("The rehearsal was stopped."));
      else reject(error.code === "ENOENT" ? new RehearsalError(`\`${command}\` was not found on this machine.`, "unreachable") : error);
    });
    child.on("close", (code, signal) => {
      if (unfinishedLine !== "") options.onLine?.(unfinishedLine);
      resolve({ code: code ?? 128, stdout, stderr: signal === null ? stderr : `${stderr}\nended by ${signal}` });
    });
    // A program that does not read its input is judged by its exit code, not by the broken pipe.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
}

/** Runs a program and returns what it wrote to stdout; any other exit code than 0 is an error with the end of its stderr. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await tryRun(command, args, options);
  if (code !== 0) throw new RehearsalError(`\`${[command, ...args].join(" ").slice(0, 300)}\` ended with exit code ${code}:\n${lastLines(stderr || stdout, 15)}`);
  return stdout;
}

export function lastLines(text: string, count: number): string {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}

/** Waits, or fails early when the signal says to stop. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new RehearsalError("The rehearsal was stopped."));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted === true) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
