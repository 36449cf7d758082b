import { UnknownValueError, type EnforcementLevel, type ResourceValidationPolicy, type Severity } from "@pulumi/policy";
import { NotInCatalogError } from "./catalog";

/** One setting of a rule, as JSON Schema. A site changes it with the pack's standard configuration. */
export interface Setting {
  type: "string" | "number" | "integer" | "boolean" | "array";
  description: string;
  default: string | number | boolean | readonly string[];
  /** Regular expression that a string must match. */
  pattern?: string;
  items?: { type: "string" };
  minimum?: number;
  maximum?: number;
}

type Widened<T> = T extends readonly string[] ? readonly string[] : T extends string ? string : T extends number ? number : boolean;
type Values<S extends Record<string, Setting>> = { [K in keyof S]: Widened<S[K]["default"]> };

/** What a rule reports. The four parts make one message, so that none can be forgotten. */
export interface Violation {
  /** Where in the environment: `servers.gpu-01.tiers.hot.level`. */
  at: string;
  /** What is wrong, with the value given. */
  problem: string;
  /** What is allowed. */
  limit: string;
  /** What to do, as an order to the reader. */
  remedy: string;
}

interface Definition<Spec, S extends Record<string, Setting>> {
  /** Kebab-case; the key in the pack's configuration. */
  name: string;
  title: string;
  /** The requirement, as one sentence. */
  description: string;
  /** Where the requirement comes from: `guide 2.2`, `facts 8`. */
  section: string;
  severity: Severity;
  /** Mandatory stops the plan; advisory is for what works but is likely not meant. */
  enforcementLevel: Extract<EnforcementLevel, "advisory" | "mandatory">;
  remediationSteps: string;
  /** Type tokens of the resources whose spec is checked. */
  types: readonly [string, ...string[]];
  settings?: S;
  check: (spec: Spec, settings: Values<S>, report: (violation: Violation) => void, name: string) => void;
}

/** A rule as a Pulumi policy, with what its documentation needs. */
export interface Rule extends ResourceValidationPolicy {
  displayName: string;
  severity: Severity;
  enforcementLevel: "advisory" | "mandatory";
  remediationSteps: string;
  url: string;
  section: string;
  types: readonly string[];
  settings: Record<string, Setting>;
}

/** The one form of a violation's message. */
export function message(violation: Violation): string {
  return `${violation.at}: ${violation.problem}. Allowed: ${violation.limit}. Remedy: ${violation.remedy}.`;
}

function settingProblem(value: unknown, setting: Setting): string | undefined {
  const array = setting.type === "array";
  const right = array ? Array.isArray(value) && value.every((item) => typeof item === "string") : typeof value === typeof setting.default;
  if (!right) return array ? "a list of strings" : `a ${typeof setting.default}`;
  if (setting.type === "integer" && !Number.isInteger(value)) return "a whole number";
  if (setting.pattern !== undefined && typeof value === "string" && !new RegExp(setting.pattern).test(value)) return `a match of ${setting.pattern}`;
  if (typeof value === "number" && setting.minimum !== undefined && value < setting.minimum) return `at least ${setting.minimum}`;
  if (typeof value === "number" && setting.maximum !== undefined && value > setting.maximum) return `at most ${setting.maximum}`;
  return undefined;
}

/** Why a check could not run, for the user; undefined when it is a fault of the rule itself. */
function whyUnchecked(error: unknown): string | undefined {
  if (error instanceof NotInCatalogError) return error.message;
  return error instanceof Error && error instanceof UnknownValueError ? error.message : undefined;
}

/**
 * Makes a policy of a rule about the plain spec of a component.
 *
 * What cannot be checked is a violation at the rule's own level: a value that is unknown in preview (Pulumi by itself would
 * say so at advisory level and let the preview pass), hardware that the catalog does not have, a setting of the wrong type.
 */
export function rule<Spec, S extends Record<string, Setting> = Record<string, Setting>>(definition: Definition<Spec, S>): Rule {
  const { types, title, section, settings: declared, check, ...policy } = definition;
  const settings: Record<string, Setting> = declared ?? {};

  const validateResource: ResourceValidationPolicy["validateResource"] = (args, reportViolation) => {
    if (!types.includes(args.type)) args.notApplicable(`The rule is about ${types.join(" and ")}.`);
    const given = args.getConfig<Record<string, unknown>>();
    const values = Object.fromEntries(Object.entries(settings).map(([key, setting]) => [key, given[key] ?? setting.default]));
    const faults: Violation[] = [];
    for (const key of Object.keys(given)) {
      const setting: Setting | undefined = settings[key];
      const at = `${policy.name}.${key}`;
      const remedy = "correct the policy pack's configuration";
      if (!setting) {
        faults.push({ at, problem: "the rule has no such setting", limit: Object.keys(settings).join(", ") || "no settings", remedy });
        continue;
      }
      const wanted = settingProblem(values[key], setting);
      if (wanted !== undefined) faults.push({ at, problem: `the setting is ${JSON.stringify(values[key])}`, limit: wanted, remedy });
    }
    if (faults.length > 0) {
      for (const fault of faults) reportViolation(message(fault));
      return;
    }
    try {
      check(args.props as Spec, values as Values<S>, (violation) => reportViolation(message(violation)), args.name);
    } catch (error) {
      const reason = whyUnchecked(error);
      if (reason === undefined) throw error;
      reportViolation(message({ at: args.name, problem: `the rule cannot be checked: ${reason}`, limit: "plain values that the catalog knows", remedy: "give the value in the environment file instead of taking it from another resource's output" }));
    }
  };
  // The analyzer server skips a policy without decoding the resource when its one function carries its type.
  if (types.length === 1) Object.assign(validateResource, { __pulumiType: types[0] });

  return {
    ...policy,
    displayName: title,
    url: `docs/rules.md#${policy.name}`,
    tags: [section],
    configSchema: { properties: Object.fromEntries(Object.entries(settings).map(([key, setting]) => [key, { ...setting, default: typeof setting.default === "object" ? [...setting.default] : setting.default }])) },
    section,
    types,
    settings,
    validateResource,
  };
}

/** `a`, `a and b`, `a, b and c`. */
export function list(words: readonly string[], last = "and"): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${last} ${words[words.length - 1] ?? ""}`;
}
