import type { AnalyzerInfo, PolicyInfo } from "@pulumi/pulumi/proto/analyzer_pb";
import type { Json } from "./encoding";
import type { EnforcementLevel } from "./events";
import { structToJson } from "./wire";

export const LEVELS: readonly EnforcementLevel[] = ["advisory", "mandatory", "disabled", "remediate"];

export interface PolicySettings {
  level: EnforcementLevel;
  properties: { [key: string]: Json };
}

type Changes = { enforcementLevel?: EnforcementLevel; properties: { [key: string]: Json } };

export function levelOf(value: number): EnforcementLevel {
  return LEVELS[value] ?? "advisory";
}

/**
 * Settings of every policy: the pack's defaults, then what the pack was made with, then the user's, where "all" stands
 * for every policy.
 * @throws Error listing everything that is wrong with them
 */
export function policySettings(info: AnalyzerInfo, user: Record<string, unknown>): Map<string, PolicySettings> {
  const problems: string[] = [];
  const settings = new Map<string, PolicySettings>();
  for (const policy of info.getPoliciesList()) {
    settings.set(policy.getName(), { level: levelOf(policy.getEnforcementlevel()), properties: defaults(policy) });
  }
  const initial = new Map<string, Changes>();
  info.getInitialconfigMap().forEach((config, name) => {
    initial.set(name, {
      enforcementLevel: levelOf(config.getEnforcementlevel()),
      properties: structToJson(config.getProperties()),
    });
  });
  applyChanges(settings, initial);
  const wanted = new Map<string, Changes>();
  for (const [name, value] of Object.entries(user)) {
    const changes = parseChanges(value);
    if (name !== "all" && !settings.has(name)) {
      problems.push(`${name}: there is no such policy; the pack has ${[...settings.keys()].sort().join(", ")}`);
    } else if (changes === undefined) {
      problems.push(`${name}: expected one of ${LEVELS.join(", ")}, or an object with enforcementLevel; got ${JSON.stringify(value)}`);
    } else wanted.set(name, changes);
  }
  applyChanges(settings, wanted);
  for (const policy of info.getPoliciesList()) {
    problems.push(...missing(policy, settings.get(policy.getName())?.properties ?? {}));
  }
  if (problems.length > 0) throw new Error(`the policy configuration is wrong:\n  ${problems.join("\n  ")}`);
  return settings;
}

function parseChanges(value: unknown): Changes | undefined {
  const isLevel = (level: unknown): level is EnforcementLevel => LEVELS.some((known) => known === level);
  if (isLevel(value)) return { enforcementLevel: value, properties: {} };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { enforcementLevel, ...properties } = value as { [key: string]: Json };
  if (enforcementLevel === undefined) return { properties };
  return isLevel(enforcementLevel) ? { enforcementLevel, properties } : undefined;
}

function applyChanges(settings: Map<string, PolicySettings>, changes: Map<string, Changes>): void {
  const all = changes.get("all");
  for (const [name, current] of settings) {
    for (const change of [all, changes.get(name)]) {
      if (change?.enforcementLevel !== undefined) current.level = change.enforcementLevel;
      if (change !== undefined && change !== all) Object.assign(current.properties, change.properties);
    }
  }
}

function defaults(policy: PolicyInfo): { [key: string]: Json } {
  const result: { [key: string]: Json } = {};
  for (const [name, schema] of Object.entries(structToJson(policy.getConfigschema()?.getProperties()))) {
    if (typeof schema === "object" && schema !== null && !Array.isArray(schema) && schema["default"] !== undefined) {
      result[name] = schema["default"];
    }
  }
  return result;
}

function missing(policy: PolicyInfo, properties: { [key: string]: Json }): string[] {
  const required = policy.getConfigschema()?.getRequiredList() ?? [];
  return required
    .filter((name) => properties[name] === undefined)
    .map((name) => `${policy.getName()}.${name}: is required and has no default; give it in the policy configuration`);
}
