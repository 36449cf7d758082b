import type { Finding } from "./problems";

const deepestNesting = 32;
const longestList = 10_000;
/** Keys with which JavaScript would reach an object's prototype; zod passes over them in silence. */
const reservedKeys = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Copies any input into plain data: objects, lists, text, numbers and booleans. What cannot be (cycles, accessors,
 * instances of classes, excessive nesting, reserved keys) is left out and reported. Never throws.
 */
export function toPlain(input: unknown): { value: unknown; findings: Finding[] } {
  const findings: Finding[] = [];

  const refuse = (keys: readonly PropertyKey[], message: string, fix?: string): undefined => {
    findings.push({ keys, message, ...(fix === undefined ? {} : { fix }) });
    return undefined;
  };

  const copyList = (list: readonly unknown[], keys: readonly PropertyKey[], depth: number): unknown => {
    if (list.length > longestList) return refuse(keys, `has ${list.length} entries; at most ${longestList} are read`);
    return Array.from(list, (entry, index) => copy(entry, [...keys, index], depth + 1));
  };

  const copyMapping = (source: object, keys: readonly PropertyKey[], depth: number): unknown => {
    const prototype: unknown = Object.getPrototypeOf(source);
    if (prototype !== Object.prototype && prototype !== null) return refuse(keys, "is not plain data");
    const target: Record<string, unknown> = {};
    for (const key of Object.keys(source)) {
      if (reservedKeys.has(key)) refuse([...keys, key], "is a reserved word and cannot be a key", "Choose another name.");
      else target[key] = copy((source as Record<string, unknown>)[key], [...keys, key], depth + 1);
    }
    return target;
  };

  const copy = (value: unknown, keys: readonly PropertyKey[], depth: number): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (depth > deepestNesting) return refuse(keys, `is nested more than ${deepestNesting} levels deep`, "Check for a reference to itself.");
    try {
      return Array.isArray(value) ? copyList(value as readonly unknown[], keys, depth) : copyMapping(value, keys, depth);
    } catch {
      return refuse(keys, "cannot be read");
    }
  };

  return { value: copy(input, [], 0), findings };
}
