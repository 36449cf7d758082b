import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { stat } from "node:fs/promises";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { abortError } from "./errors";
import { LineCollector } from "./lines";
import { commandError, resultOf } from "./run";
import type { CommandOutput, CommandRun } from "./run";
import type { ExecResult } from "./ssh";

/** Time between SIGTERM and SIGKILL for a command that is told to stop. */
const STOP_GRACE_MILLISECONDS = 5_000;

export interface LocalRun extends CommandRun {
  /** Program and leading arguments; the command line is appended. @default ["/bin/sh", "-c"] */
  interpreter: string[];
  /** Absolute working directory. */
  directory: string;
}

type Process = ChildProcessByStdio<Writable | null, Readable, Readable>;

/** Signals the command and everything it started: it was given a process group of its own. */
function signalGroup(child: Process, signal: "SIGTERM" | "SIGKILL"): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

/** The words of strsignal(3), as the recorded messages have them. */
const SIGNAL_WORDS: Record<string, string> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
  SIGABRT: "aborted",
  SIGKILL: "killed",
  SIGSEGV: "segmentation fault",
  SIGPIPE: "broken pipe",
  SIGTERM: "terminated",
};

function describeSignal(signal: string): string {
  const number = (constants.signals as Record<string, number | undefined>)[signal];
  return SIGNAL_WORDS[signal] ?? `signal ${String(number ?? signal)}`;
}

function endOf(result: ExecResult): string {
  if (result.signal !== undefined) return `signal: ${describeSignal(result.signal)}`;
  return `exit status ${String(result.code)}`;
}

function whyNotStarted(program: string, error: NodeJS.ErrnoException): string {
  if (error.code !== "ENOENT") return `${program}: ${error.code ?? error.message}`;
  return program.includes("/")
    ? `fork/exec ${program}: no such file or directory`
    : `exec: "${program}": executable file not found in $PATH`;
}

function start(run: LocalRun): Promise<Process> {
  const [program = "/bin/sh", ...leading] = run.interpreter;
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void => {
      reject(commandError(whyNotStarted(program, error), run, ""));
    };
    try {
      const child = spawn(program, [...leading, run.command], {
        cwd: run.directory,
        env: { ...process.env, ...run.environment, ...run.previous },
        detached: true,
        stdio: [run.stdin ? "pipe" : "ignore", "pipe", "pipe"],
      }) as Process;
      child.once("error", refuse);
      child.once("spawn", () => resolve(child));
    } catch (error) {
      refuse(error as NodeJS.ErrnoException);
    }
  });
}

/**
 * Runs a command on this machine. Aborting ends the command's whole process group: SIGTERM, and SIGKILL five seconds
 * later.
 *
 * @throws Error where it cannot be started or does not exit with status 0; the signal's reason where it was stopped.
 */
export async function runLocally(run: LocalRun): Promise<CommandOutput> {
  if (run.signal.aborted) throw abortError(run.signal);
  const directory = await stat(run.directory).catch(() => undefined);
  if (directory?.isDirectory() !== true) {
    const reason = directory === undefined ? "no such file or directory" : "not a directory";
    throw commandError(`chdir ${run.directory}: ${reason}`, run, "");
  }
  const child = await start(run);
  const stdout = new LineCollector(run.onStdout);
  const stderr = new LineCollector(run.onStderr);
  const both = new LineCollector();
  child.stdout.on("data", (bytes: Buffer) => {
    stdout.add(bytes);
    both.add(bytes);
  });
  child.stderr.on("data", (bytes: Buffer) => {
    stderr.add(bytes);
    both.add(bytes);
  });
  // A command may end without reading its input.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(run.stdin);

  let kill: NodeJS.Timeout | undefined;
  const stop = (): void => {
    signalGroup(child, "SIGTERM");
    kill = setTimeout(() => signalGroup(child, "SIGKILL"), STOP_GRACE_MILLISECONDS);
  };
  const stopped = (): boolean => run.signal.aborted;
  if (stopped()) stop();
  else run.signal.addEventListener("abort", stop, { once: true });

  const ended = await new Promise<Pick<ExecResult, "code" | "signal">>((resolve) => {
    child.once("close", (code, signal) => resolve(signal === null ? { code } : { code, signal }));
  });
  clearTimeout(kill);
  run.signal.removeEventListener("abort", stop);
  const result = { ...ended, stdout: stdout.finish(), stderr: stderr.finish(), output: both.finish() };
  if (stopped()) throw abortError(run.signal);
  return resultOf(run, result, endOf);
}
