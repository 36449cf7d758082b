import { readFileSync } from "node:fs";
import * as path from "node:path";
import { inspectEnvironment } from "./parse";
import { toPlain } from "./plain";
import { toProblem, type Problem } from "./problems";
import type { Environment } from "./schema";
import { parseYaml } from "./yaml";

/**
 * Configuration key that names a YAML file with the environment, for sites that are too large for configuration:
 * Pulumi hands all configuration to the program in one environment variable, and Linux limits one to 128 KiB.
 */
export const ENVIRONMENT_FILE_KEY = "rackwright:environmentFile";

/** What configuration may take up, with some room for what Pulumi adds. */
export const largestConfigBytes = 120 * 1024;

/** Mappings with their keys in order, as Go's JSON encoder writes them. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const mapping = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(Object.keys(mapping).sort().map((key) => [key, sorted(mapping[key])]));
}

/** Why a file could not be read, for its reader. */
export function readFault(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "does not exist";
  if (code === "EACCES") return "may not be read by this user";
  if (code === "EISDIR") return "is a folder";
  return error instanceof TypeError ? "is not UTF-8 text" : "cannot be read";
}

/** A file as text. @throws TypeError where it is not UTF-8, and the file system's errors */
export function readText(file: string): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
}

export type EnvironmentFile = { ok: true; environment: Environment } | { ok: false; problems: Problem[] };

/**
 * Reads an environment from a YAML file of its own. Never throws; each problem names the file.
 * @param folder Folder of the stack files
 * @param name The file's path below that folder
 */
export function readEnvironmentFile(folder: string, name: string): EnvironmentFile {
  const file = path.resolve(folder, name);
  const shown = path.join(path.basename(folder), path.relative(folder, file));
  const inFile = (problems: readonly Problem[]): EnvironmentFile => ({ ok: false, problems: problems.map((problem) => ({ ...problem, file: shown })) });
  let text: string;
  try {
    text = readText(file);
  } catch (error) {
    return inFile([{ path: "file", message: readFault(error), fix: `It is what ${ENVIRONMENT_FILE_KEY} names, below the folder of the stack files.` }]);
  }
  const parsed = parseYaml(text);
  if (!parsed.ok) return inFile(parsed.problems);
  const { value, findings } = toPlain(parsed.file.value);
  // In the order that configuration has, so that moving an environment into a file changes nothing.
  const inspected = inspectEnvironment(sorted(value));
  findings.push(...inspected.findings);
  if (inspected.environment === undefined || findings.length > 0) return inFile(findings.map((finding) => ({ ...toProblem(finding), ...parsed.file.placeOf(finding.keys) })));
  return { ok: true, environment: inspected.environment };
}
