import { isMap, sameValue, SEALED, UNKNOWN } from "../../values";
import type { PropertyMap, Value } from "../../values";
import { covers, parsePath } from "../../paths";
import type { DiffResult } from "../provider";
import { asksForReplacement } from "./force-new";

type Kind = "add" | "delete" | "update";
type Path = (string | number)[];

interface Change {
  path: Path;
  kind: Kind;
  /** The new value; undefined where it is gone. */
  value: Value | undefined;
}

export function pathText(path: Path): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${String(key)}]`;
    if (/[."[\]]/.test(key)) return `${text}["${key.replaceAll('"', '\\"')}"]`;
    return text === "" ? key : `${text}.${key}`;
  }, "");
}

function compare(old: Value | undefined, now: Value | undefined, path: Path, into: Change[]): void {
  // In a preview without a passphrase secrets count as unchanged.
  if (old === SEALED && now !== undefined) return;
  if (now === undefined) {
    if (old !== undefined) into.push({ path, kind: "delete", value: undefined });
  } else if (old === undefined) into.push({ path, kind: "add", value: now });
  else if (now === UNKNOWN) into.push({ path, kind: "update", value: now });
  else if (isMap(old) && isMap(now)) {
    for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
      compare(own(old, key), own(now, key), [...path, key], into);
    }
  } else if (Array.isArray(old) && Array.isArray(now)) {
    for (let i = 0; i < Math.max(old.length, now.length); i++) compare(old[i], now[i], [...path, i], into);
  } else if (!sameValue(old, now)) into.push({ path, kind: "update", value: now });
}

function own(map: PropertyMap, key: string): Value | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/** Compares what is there with what is asked for; `replacing` are the paths that cannot be changed in place. */
export function diffObjects(old: PropertyMap, now: PropertyMap, replacing: string[], ignoreChanges: string[]): Omit<DiffResult, "deleteBeforeReplace"> {
  const changes: Change[] = [];
  compare(old, now, [], changes);
  const ignored = ignoreChanges.map(parsePath);
  const detailedDiff: Record<string, Kind> = {};
  const replaceKeys: string[] = [];
  for (const { path, kind, value } of changes) {
    if (ignored.some((pattern) => covers(pattern, path))) continue;
    const name = pathText(path);
    detailedDiff[name] = kind;
    if (asksForReplacement(path, value, replacing) || (kind === "delete" && name === "metadata")) replaceKeys.push(name);
  }
  const changed = Object.keys(detailedDiff).length > 0;
  const inputPaths = Object.keys(detailedDiff).filter((path) => detailedDiff[path] === "delete");
  return { changes: changed ? "some" : "none", changedKeys: [], replaceKeys, detailedDiff, inputPaths };
}
