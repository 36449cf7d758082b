import type { PropertyDiff } from "./events";
import { Secret, isMap, sameValue } from "./values";
import type { PropertyMap, Value } from "./values";

type Key = string | number;
const ANY = "*";

/** Pulumi's property paths: `a.b`, `a[0]`, `a["b.c"]`, `a[*]`, `*`. */
export function parsePath(path: string): Key[] {
  const keys: Key[] = [];
  const token = /\.?([^.[\]]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]/gy;
  while (token.lastIndex < path.length) {
    const match = token.exec(path);
    if (match === null) throw new Error(`"${path}" is no property path; expected the form a.b[0]["c.d"]`);
    const [, plain, quoted, index] = match;
    if (plain !== undefined) keys.push(plain);
    else if (quoted !== undefined) keys.push(quoted.replace(/\\(.)/g, "$1"));
    else keys.push(index === ANY ? ANY : Number(index));
  }
  return keys;
}

/** Whether a change at `path` lies at or below `pattern`. */
export function covers(pattern: Key[], path: Key[]): boolean {
  return pattern.length <= path.length && pattern.every((key, i) => key === ANY || String(key) === String(path[i]));
}

/** The new inputs with the old values at the given paths; a path that is in only one of the two is reported back. */
export function ignoreChanges(
  news: PropertyMap,
  olds: PropertyMap,
  paths: string[],
): { inputs: PropertyMap; unmatched: string[] } {
  let inputs: Value = news;
  const unmatched: string[] = [];
  for (const path of paths) {
    const result = reset(inputs, olds, parsePath(path));
    if (result === undefined) unmatched.push(path);
    else inputs = result;
  }
  return { inputs: isMap(inputs) ? inputs : news, unmatched };
}

function reset(value: Value | undefined, old: Value | undefined, path: Key[]): Value | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return old;
  if (value instanceof Secret || old instanceof Secret) {
    const inner = reset(open(value), open(old), path);
    return inner === undefined ? undefined : new Secret(inner);
  }
  if (Array.isArray(value) && Array.isArray(old)) return resetArray(value, old, key, rest);
  if (!isMap(value) || !isMap(old)) return sameValue(value, old) ? value : undefined;
  const result = new Map(Object.entries(value));
  for (const name of key === ANY ? new Set([...Object.keys(value), ...Object.keys(old)]) : [String(key)]) {
    if (rest.length === 0) {
      const before = own(old, name);
      if (before === undefined) result.delete(name);
      else result.set(name, before);
    } else if (Object.hasOwn(value, name) || Object.hasOwn(old, name)) {
      const changed = reset(own(value, name), own(old, name), rest);
      if (changed === undefined) return undefined;
      result.set(name, changed);
    }
  }
  return Object.fromEntries(result);
}

function resetArray(value: Value[], old: Value[], key: Key, rest: Key[]): Value | undefined {
  const result = [...value];
  for (const index of key === ANY ? value.keys() : [Number(key)]) {
    if (index >= old.length || index >= value.length) {
      if (index >= old.length && index >= value.length) continue;
      return undefined;
    }
    const changed = reset(value[index], old[index], rest);
    if (changed === undefined) return undefined;
    result[index] = changed;
  }
  return result;
}

/** A property that is there itself: inputs may be called `toString` or `constructor`. */
function own(map: PropertyMap, name: string): Value | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

function open(value: Value | undefined): Value | undefined {
  return value instanceof Secret ? value.value : value;
}

/** Paths at which two sets of inputs differ, as `detailedDiff` in events names them. Secrets differ as a whole. */
export function detailedDiff(olds: PropertyMap, news: PropertyMap): Map<string, PropertyDiff> {
  const result = new Map<string, PropertyDiff>();
  walkMap(olds, news, "", result);
  return result;
}

function walkMap(olds: PropertyMap, news: PropertyMap, at: string, result: Map<string, PropertyDiff>): void {
  for (const key of [...new Set([...Object.keys(olds), ...Object.keys(news)])].sort()) {
    const name = /^[A-Za-z_$][\w$]*$/.test(key) ? (at === "" ? key : `${at}.${key}`) : `${at}[${JSON.stringify(key)}]`;
    walk(own(olds, key), own(news, key), name, result);
  }
}

function walk(old: Value | undefined, now: Value | undefined, at: string, result: Map<string, PropertyDiff>): void {
  if (old === undefined && now === undefined) return;
  if (old !== undefined && now !== undefined && sameValue(old, now)) return;
  if (isMap(old) && isMap(now)) {
    walkMap(old, now, at, result);
  } else if (Array.isArray(old) && Array.isArray(now)) {
    for (let i = 0; i < Math.max(old.length, now.length); i++) walk(old[i], now[i], `${at}[${String(i)}]`, result);
  } else {
    const diffKind = old === undefined ? "add" : now === undefined ? "delete" : "update";
    result.set(at, { diffKind, inputDiff: false });
  }
}
