import * as policySdk from "@pulumi/policy";
import { describe, expect, it } from "vitest";
import { rules } from "../../policies/all";
import type { Rule } from "../../policies/rule";
import { analyze, NotApplicable } from "./analyze";
import { judgeOnOneDay } from "./day";
import { happyResources } from "./fixtures";

judgeOnOneDay();

// Exported for tests like these, but left out of the package's type declarations.
const { unknownCheckingProxy } = policySdk as unknown as { unknownCheckingProxy: (props: object) => object };

/** What Pulumi sends in place of a string that is not known yet. */
const unknownString = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

type Path = (string | number)[];

/** Wraps a spec and notes every field that is read. */
function recording<T extends object>(target: T, read: Map<string, Path>, path: Path = []): T {
  return new Proxy(target, {
    get(object, key) {
      const value: unknown = Reflect.get(object, key);
      if (typeof key === "symbol" || key === "length" || !Object.hasOwn(object, key)) return value;
      const here = [...path, key];
      read.set(here.join("."), here);
      return typeof value === "object" && value !== null ? recording(value, read, here) : value;
    },
  });
}

function withUnknown(spec: object, path: Path): object {
  const copy = structuredClone(spec) as Record<string | number, unknown>;
  let place = copy;
  for (const key of path.slice(0, -1)) place = place[key] as Record<string | number, unknown>;
  place[path[path.length - 1] ?? ""] = unknownString;
  return copy;
}

const resourcesFor = (rule: Rule) => happyResources().filter(({ type }) => rule.types.includes(type));

const wrong = { string: 7, number: "many", integer: "many", boolean: "yes", array: "one" } as const;

describe.each(rules.map((rule) => [rule.name, rule] as const))("%s", (_name, rule) => {
  it("has nothing to say of the happy environment", () => {
    expect(resourcesFor(rule).length).toBeGreaterThan(0);
    for (const { type, name, spec } of resourcesFor(rule)) expect(analyze(rule, spec, { type, name })).toEqual([]);
  });

  it("ignores every other type, those of the product among them", () => {
    const others = [...happyResources(), { type: "kubernetes:core/v1:Pod", spec: { connection: {} } }, { type: `${rule.types[0] ?? ""}s`, spec: {} }].filter(({ type }) => !rule.types.includes(type));
    for (const { type, spec } of others) expect(() => analyze(rule, spec, { type })).toThrow(NotApplicable);
  });

  it("carries its type where it has one, so that the server skips other resources unread", () => {
    const { __pulumiType } = rule.validateResource as { __pulumiType?: string };
    expect(__pulumiType).toBe(rule.types.length === 1 ? rule.types[0] : undefined);
  });

  it("runs in a preview, whose props refuse unknown values", () => {
    for (const { type, name, spec } of resourcesFor(rule)) expect(analyze(rule, unknownCheckingProxy(spec), { type, name })).toEqual([]);
  });

  it("reports each field that it reads and that is unknown, instead of passing quietly", () => {
    let fields = 0;
    for (const { type, name, spec } of resourcesFor(rule)) {
      const read = new Map<string, Path>();
      analyze(rule, recording(spec, read), { type, name });
      for (const [field, path] of read) {
        fields++;
        const messages = analyze(rule, unknownCheckingProxy(withUnknown(spec, path)), { type, name });
        expect(messages, field).not.toEqual([]);
        expect(messages[messages.length - 1], field).toContain(`${name}: the rule cannot be checked`);
        expect(messages[messages.length - 1], field).toContain(`.${field} `);
      }
    }
    expect(fields).toBeGreaterThan(0);
  });

  it("reports a setting that it does not have or of the wrong type, and does not pass on it", () => {
    const { type, spec } = resourcesFor(rule)[0] ?? { type: "", spec: {} };
    const config = (values: Record<string, unknown>) => analyze(rule, spec, { type, config: values });
    expect(config({ threshhold: 1 })).toEqual([expect.stringContaining(`${rule.name}.threshhold: the rule has no such setting`)]);
    for (const [key, setting] of Object.entries(rule.settings)) {
      expect(config({ [key]: setting.default })).toEqual([]);
      expect(config({ [key]: wrong[setting.type] })).toEqual([expect.stringContaining(`${rule.name}.${key}: the setting is ${JSON.stringify(wrong[setting.type])}`)]);
      if (setting.type === "integer") expect(config({ [key]: 8.5 })).toEqual([expect.stringContaining("Allowed: a whole number")]);
      if (setting.minimum !== undefined) expect(config({ [key]: setting.minimum - 1 })).toEqual([expect.stringContaining(`Allowed: at least ${setting.minimum}`)]);
      if (setting.maximum !== undefined) expect(config({ [key]: setting.maximum + 1 })).toEqual([expect.stringContaining(`Allowed: at most ${setting.maximum}`)]);
    }
  });
});
