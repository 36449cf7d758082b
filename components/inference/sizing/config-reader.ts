import type { Finding } from "../../environment/problems";

/** Reads fields of a foreign file without trusting their types; faults are collected. */
export interface ConfigReader {
  readonly findings: Finding[];
  /** A positive whole number; a field of another kind is a fault, an absent one is undefined. */
  count(key: string): number | undefined;
  /** A whole number from 0 on. */
  whole(key: string): number | undefined;
  /** A positive whole number that must be there; 1 where it is not, beside the fault. */
  required(key: string): number;
  text(key: string): string | undefined;
  flag(key: string): boolean | undefined;
  record(key: string): Readonly<Record<string, unknown>> | undefined;
  list(key: string): readonly unknown[] | undefined;
  fault(keys: readonly string[], message: string, value?: unknown, allowed?: string, fix?: string): void;
}

/** Numbers beyond this are no model's: they would only make arithmetic overflow. */
const most = 1e9;

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param place of the record within config.json. */
export function readConfig(config: Readonly<Record<string, unknown>>, place: readonly string[], findings: Finding[] = []): ConfigReader {
  const at = (key: string): unknown => {
    const value = Object.hasOwn(config, key) ? config[key] : undefined;
    return value === null ? undefined : value;
  };
  const fault: ConfigReader["fault"] = (keys, message, value, allowed, fix) => {
    const full = [...place, ...keys];
    if (findings.some((finding) => finding.keys.join(".") === full.join("."))) return;
    findings.push({ keys: full, message, ...(value === undefined ? {} : { value }), ...(allowed === undefined ? {} : { allowed }), ...(fix === undefined ? {} : { fix }) });
  };
  const number = (key: string, least: number): number | undefined => {
    const value = at(key);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    fault([key], "must be a whole number", value, `from ${least} to ${most}`);
    return undefined;
  };
  return {
    findings,
    fault,
    count: (key) => number(key, 1),
    whole: (key) => number(key, 0),
    required(key) {
      const value = number(key, 1);
      if (value === undefined) fault([key], "is missing", undefined, undefined, "Paste config.json as its publisher wrote it.");
      return value ?? 1;
    },
    text: (key) => (typeof at(key) === "string" ? (at(key) as string) : undefined),
    flag: (key) => (typeof at(key) === "boolean" ? (at(key) as boolean) : undefined),
    record: (key) => (isRecord(at(key)) ? (at(key) as Readonly<Record<string, unknown>>) : undefined),
    list: (key) => (Array.isArray(at(key)) ? (at(key) as unknown[]) : undefined),
  };
}
