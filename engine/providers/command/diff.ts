import { isMap, sameValue } from "../../values";
import type { PropertyMap, Value } from "../../values";
import type { DiffRequest, DiffResult } from "../provider";
import { isAbsent } from "./properties";

/** A diff with the path of each change, for `replaceOnChanges` and for the display: `triggers[0]`, `environment.PATH`. */
export interface DetailedDiff extends DiffResult {
  detailedDiff: Record<string, "add" | "delete" | "update">;
}

function childPath(path: string, key: string): string {
  const plain = /^[A-Za-z_$][\w$]*$/.test(key);
  if (path === "") return plain ? key : `["${key.replaceAll('"', '\\"')}"]`;
  return plain ? `${path}.${key}` : `${path}["${key.replaceAll('"', '\\"')}"]`;
}

function compareItems(path: string, old: Value[], now: Value[], into: DetailedDiff["detailedDiff"]): void {
  for (let index = 0; index < Math.max(old.length, now.length); index++) {
    const itemPath = `${path}[${index}]`;
    const before = old[index];
    const after = now[index];
    if (before === undefined) into[itemPath] = "add";
    else if (after === undefined) into[itemPath] = "delete";
    else compare(itemPath, before, after, into);
  }
}

function compareMaps(path: string, old: PropertyMap, now: PropertyMap, into: DetailedDiff["detailedDiff"]): void {
  for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
    const before = old[key];
    const after = now[key];
    if (isAbsent(before) && isAbsent(after)) continue;
    if (isAbsent(before)) into[childPath(path, key)] = "add";
    else if (isAbsent(after)) into[childPath(path, key)] = "delete";
    else compare(childPath(path, key), before, after, into);
  }
}

function compare(path: string, old: Value, now: Value, into: DetailedDiff["detailedDiff"]): void {
  if (Array.isArray(old) && Array.isArray(now)) compareItems(path, old, now, into);
  else if (isMap(old) && isMap(now)) compareMaps(path, old, now, into);
  else if (!sameValue(old, now)) into[path] = "update";
}

/**
 * Compares old and new inputs. `triggers` as a whole (given, taken away, secret, unknown) asks for a replacement; a
 * changed item in it does not by itself: the SDK adds `replaceOnChanges: ["triggers[*]"]` to every resource, which the
 * engine applies to `detailedDiff`.
 */
export function diffInputs(request: Pick<DiffRequest, "oldInputs" | "oldOutputs" | "newInputs" | "ignoreChanges">): DetailedDiff {
  const now = { ...request.newInputs };
  for (const key of request.ignoreChanges) {
    const kept = request.oldOutputs[key];
    if (kept !== undefined) now[key] = kept;
  }
  const detailedDiff: DetailedDiff["detailedDiff"] = {};
  const changedKeys: string[] = [];
  for (const key of [...new Set([...Object.keys(request.oldInputs), ...Object.keys(now)])].sort()) {
    if (key === "version" || key.startsWith("__")) continue;
    const before = Object.keys(detailedDiff).length;
    const one = (map: PropertyMap): PropertyMap => (map[key] === undefined ? {} : { [key]: map[key] });
    compareMaps("", one(request.oldInputs), one(now), detailedDiff);
    if (Object.keys(detailedDiff).length > before) changedKeys.push(key);
  }
  return {
    changes: changedKeys.length > 0 ? "some" : "none",
    replaceKeys: Object.hasOwn(detailedDiff, "triggers") ? ["triggers"] : [],
    changedKeys,
    deleteBeforeReplace: false,
    detailedDiff,
  };
}
