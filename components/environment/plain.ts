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

  const copyMapping = (source: object, keys: readonly PropertyKey[], depth: number): Record<string, unknown> => {
    const target: Record<string, unknown> = {};
    for (const key of Object.keys(source)) {
      const place = [...keys, key];
      if (reservedKeys.has(key)) findings.push({ keys: place, message: "is a reserved word and cannot be a key", fix: "Choose another name." });
      else target[key] = copy((source as Record<string, unknown>)[key], place, depth + 1);
    }
    return target;
  };

  const fault = (value: object, depth: number): string | undefined => {
    if (depth > deepestNesting) return `is nested more than ${deepestNesting} levels deep`;
    if (Array.isArray(value)) return value.length > longestList ? `has ${value.length} entries; at most ${longestList} are read` : undefined;
    const prototype: unknown = Object.getPrototypeOf(value);
    return prototype === Object.prototype || prototype === null ? undefined : "is not plain data";
  };

  const copy = (value: unknown, keys: readonly PropertyKey[], depth: number): unknown => {
    if (typeof value !== "object" || value === null) return value;
    try {
      const message = fault(value, depth);
      if (message === undefined) return Array.isArray(value) ? Array.from(value as unknown[], (entry, index) => copy(entry, [...keys, index], depth + 1)) : copyMapping(value, keys, depth);
      findings.push({ keys, message });
    } catch {
      findings.push({ keys, message: "cannot be read" });
    }
    return undefined;
  };

  return { value: copy(input, [], 0), findings };
}
