import type { ResourceValidationArgs } from "@pulumi/policy";
import { expect } from "vitest";
import type { Rule } from "../../policies/rule";

export class NotApplicable extends Error {}

interface Analysis {
  type?: string;
  name?: string;
  config?: Record<string, unknown>;
}

/** Rules that stand in for those of their name, and who asked for which rule: how the mutation check puts mutants before the tests. */
export const mutation = { standIns: new Map<string, Rule>(), asked: new Map<string, Set<string>>() };

/**
 * Runs one rule as the analyzer server would: `isType` compares, `notApplicable` ends the rule.
 * @returns the messages of its violations.
 * @throws NotApplicable when the rule is not about the type.
 */
export function analyze(rule: Rule, spec: object, { type = rule.types[0] ?? "", name = "gpu-01", config = {} }: Analysis = {}): string[] {
  const messages: string[] = [];
  const args: ResourceValidationArgs = {
    type,
    props: spec as Record<string, unknown>,
    urn: `urn:pulumi:test::rackwright::${type}::${name}`,
    name,
    opts: { protect: false, ignoreChanges: [], aliases: [], additionalSecretOutputs: [], customTimeouts: { createSeconds: 0, updateSeconds: 0, deleteSeconds: 0 } },
    stackTags: new Map([["pulumi:project", "rackwright"]]),
    isType: (resourceClass) => (resourceClass as { __pulumiType?: string }).__pulumiType === type,
    asType: () => undefined,
    getConfig: (() => config) as ResourceValidationArgs["getConfig"],
    notApplicable: (reason) => {
      throw new NotApplicable(reason);
    },
  };
  const test = expect.getState().currentTestName ?? "";
  mutation.asked.set(rule.name, (mutation.asked.get(rule.name) ?? new Set()).add(test));
  const validate = (mutation.standIns.get(rule.name) ?? rule).validateResource;
  if (typeof validate !== "function") throw new Error(`${rule.name} is not a single function`);
  void validate(args, (message) => messages.push(message));
  return messages;
}

/** What a message must say: where, with which words, and what is allowed. */
export interface Expected {
  at: string;
  says: (string | RegExp)[];
  allowed: string;
}

/** Exactly these violations, in this order, each with a place, the value, the limit and a remedy. */
export function expectViolations(messages: string[], ...expected: Expected[]): void {
  expect(messages).toHaveLength(expected.length);
  expected.forEach(({ at, says, allowed }, index) => {
    const parts = /^(?<at>[^ ]+): (?<problem>.+)\. Allowed: (?<allowed>.+)\. Remedy: (?<remedy>.+)\.$/.exec(messages[index] ?? "")?.groups;
    expect(parts, messages[index]).toBeDefined();
    expect(parts?.["at"]).toBe(at);
    for (const words of says) expect(parts?.["problem"]).toMatch(words);
    expect(parts?.["allowed"]).toBe(allowed);
  });
}

/** A copy of a happy spec with one thing changed. */
export function broken<T extends object>(happy: T, change: (spec: T) => void): T {
  const spec = structuredClone(happy);
  change(spec);
  return spec;
}
