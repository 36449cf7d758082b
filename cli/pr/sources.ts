import { mkdirSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { ENVIRONMENT_FILE_KEY, loadStackText, type LoadedStack, type Problem } from "../../components/environment";
import { parseYaml } from "../../components/environment/yaml";
import { unreadable, type Repository, type TreeFile } from "./git";

/** One environment's file in one commit, with the file that it names. */
export interface Source {
  name: string;
  /** From the project's folder: `stacks/Pulumi.dev-test.yaml`. */
  file: string;
  /** Equal where all that was read is. */
  key: string;
  text: string;
  /** The environment in a file of its own (`rackwright:environmentFile`). */
  own?: { path: string; text: string };
  /** Why it cannot be read. */
  faults: Problem[];
}

/** An environment of which the two commits differ; absent where the commit has none of that name. */
export interface ChangedSource {
  name: string;
  base?: Source;
  head?: Source;
}

const stackFile = /^Pulumi\.([A-Za-z0-9._-]+)\.yaml$/;
const plainPath = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*\.yaml$/;

function ownPath(text: string): string | undefined {
  const parsed = parseYaml(text);
  const config = parsed.ok ? (parsed.file.value as { config?: Record<string, unknown> } | null)?.config : undefined;
  const named = typeof config === "object" && Object.hasOwn(config, ENVIRONMENT_FILE_KEY) ? config[ENVIRONMENT_FILE_KEY] : undefined;
  return typeof named === "string" && plainPath.test(named) && named.split("/").every((part) => part !== "." && part !== "..") ? named : undefined;
}

async function readTree(repository: Repository, file: TreeFile): Promise<{ text: string } | { fault: string }> {
  const fault = unreadable(file);
  if (fault !== undefined) return { fault };
  try {
    return { text: await repository.read(file) };
  } catch (error) {
    if (error instanceof TypeError) return { fault: "is not UTF-8 text" };
    throw error;
  }
}

async function readSource(repository: Repository, files: ReadonlyMap<string, TreeFile>, name: string, entry: TreeFile): Promise<Source> {
  const source: Source = { name, file: `stacks/Pulumi.${name}.yaml`, key: entry.oid, text: "", faults: [] };
  const stack = await readTree(repository, entry);
  if ("fault" in stack) return { ...source, faults: [{ path: "file", message: stack.fault, fix: "Commit the file itself." }] };
  const named = ownPath(stack.text);
  const own = named === undefined ? undefined : files.get(named);
  if (named === undefined || own === undefined) return { ...source, text: stack.text };
  const read = await readTree(repository, own);
  const key = `${entry.oid} ${own.oid}`;
  if ("fault" in read) return { ...source, key, text: stack.text, faults: [{ path: "file", file: `stacks/${named}`, message: read.fault, fix: "Commit the file itself." }] };
  return { ...source, key, text: stack.text, own: { path: named, text: read.text } };
}

async function sourcesOf(repository: Repository, commit: string): Promise<Map<string, Source>> {
  const files = await repository.stackFiles(commit);
  const sources = new Map<string, Source>();
  for (const [file, entry] of files) {
    const name = stackFile.exec(file)?.[1];
    if (name !== undefined) sources.set(name, await readSource(repository, files, name, entry));
  }
  return sources;
}

/**
 * The environments of which two commits differ, by name, and how many they have that are the same.
 * @param also Environments that are wanted although nothing differs in their files
 */
export async function changedSources(repository: Repository, base: string, head: string, also: ReadonlySet<string>): Promise<{ changed: ChangedSource[]; unchanged: number }> {
  const [before, after] = [await sourcesOf(repository, base), await sourcesOf(repository, head)];
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const changed = names.filter((name) => before.get(name)?.key !== after.get(name)?.key || also.has(name)).map((name): ChangedSource => {
    const [old, now] = [before.get(name), after.get(name)];
    return { name, ...(old === undefined ? {} : { base: old }), ...(now === undefined ? {} : { head: now }) };
  });
  return { changed, unchanged: names.length - changed.length };
}

/** Reads a source as every command reads a stack file. @param folder Gets the file that the source names, and nothing else */
export function loadSource(source: Source, folder: string): LoadedStack | { ok: false; problems: Problem[] } {
  if (source.faults.length > 0) return { ok: false, problems: source.faults };
  if (source.own !== undefined) {
    const target = path.join(folder, source.own.path);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, source.own.text, { mode: 0o600 });
  }
  return loadStackText(source.name, source.text, folder);
}
