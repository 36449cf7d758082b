import type { ExecResult } from "./ssh";

/** Lines and characters of a failed command's output that its error message repeats. */
const TAIL_LINES = 40;
const TAIL_CHARACTERS = 8_192;
const COMMAND_CHARACTERS = 1_000;

/** What both local and remote runs of a command are told. */
export interface CommandRun {
  command: string;
  stdin?: string | undefined;
  environment: Record<string, string>;
  /** Output of the previous run, for PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR; empty ones are not passed. */
  previous: Record<string, string>;
  onStdout?: ((line: string) => void) | undefined;
  onStderr?: ((line: string) => void) | undefined;
  warn: (message: string) => void;
  /** Applied to what an error repeats before that is cut short: half a secret would no longer be recognized. */
  redact: (text: string) => string;
  signal: AbortSignal;
}

function tail(output: string): string {
  const lines = output.split("\n");
  const kept = lines.slice(-TAIL_LINES - 1).join("\n").slice(-TAIL_CHARACTERS);
  return kept.length < output.length ? `(… the beginning is left out)\n${kept}` : kept;
}

function quoted(command: string): string {
  const shown = command.length > COMMAND_CHARACTERS ? `${command.slice(0, COMMAND_CHARACTERS)}…` : command;
  return JSON.stringify(shown);
}

/** An error in the form in which Pulumi's own provider reports one: what happened, the command, its output. */
export function commandError(reason: string, run: Pick<CommandRun, "command" | "redact">, output: string): Error {
  return new Error(`${reason}: running ${quoted(run.redact(run.command))}:\n${tail(run.redact(output))}`);
}

/** Drops one line end, as the recorded outputs have it. */
export function trimLineEnd(text: string): string {
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}

export interface CommandOutput {
  stdout: string;
  stderr: string;
}

/** Turns the end of a command into its outputs. @throws Error unless it exited with status 0 */
export function resultOf(run: CommandRun, result: ExecResult, reason: (result: ExecResult) => string): CommandOutput {
  if (result.code !== 0) throw commandError(reason(result), run, result.output);
  return { stdout: trimLineEnd(result.stdout), stderr: trimLineEnd(result.stderr) };
}
