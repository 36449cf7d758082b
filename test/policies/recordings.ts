import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadStackFile, parseEnvironment, type Environment } from "../../components/environment";

export const stacks = join(__dirname, "../../stacks");
const recordings = join(__dirname, "recorded");

export function shipped(name: string): Environment {
  const stack = loadStackFile(join(stacks, `Pulumi.${name}.yaml`));
  if (!stack.ok) throw new Error(`${name}: ${JSON.stringify(stack.problems)}`);
  return stack.environment;
}

/** A violation as both engines report it. */
export interface RecordedViolation {
  level: string;
  severity: string;
  rule: string;
  type: string;
  resource: string;
  message: string;
}

export interface Recording {
  made: string;
  /** Absent: the shipped environment of that name. */
  environment?: unknown;
  violations: RecordedViolation[];
}

export function recorded(name: string): Recording & { parsed: Environment } {
  const recording = JSON.parse(readFileSync(join(recordings, `${name}.json`), "utf8")) as Recording;
  if (recording.environment === undefined) return { ...recording, parsed: shipped(name) };
  const parsed = parseEnvironment(recording.environment);
  if (!parsed.ok) throw new Error(`${name}: ${JSON.stringify(parsed.problems)}`);
  return { ...recording, parsed: parsed.environment };
}

export const recordedNames = readdirSync(recordings).map((file) => file.replace(/\.json$/, ""));

/** For comparing without regard to order: resources are registered side by side. */
export const inOrder = (violations: readonly RecordedViolation[]): string[] =>
  violations.map(({ level, severity, rule, type, resource, message }) => JSON.stringify({ level, severity, rule, type, resource, message })).sort();
