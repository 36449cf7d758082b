import { describe, expect, it } from "vitest";
import { listEnvironments } from "../../components/environment";
import { earned } from "../../policies/docs";
import { judgeOnOneDay } from "./day";
import { violations } from "./program";
import { inOrder, recorded, recordedNames, shipped, stacks } from "./recordings";

judgeOnOneDay();

describe("the shipped environments", () => {
  it("are among those under stacks", () => {
    expect(listEnvironments(stacks)).toEqual(expect.arrayContaining(Object.keys(earned)));
  });

  it.each(Object.entries(earned))("%s earns exactly the advice that docs/rules.md lists, and nothing mandatory", async (name, expected) => {
    const found = await violations(name, shipped(name));
    const listed = expected.flatMap(({ rule, resource, times = 1 }) => Array.from({ length: times }, () => `advisory ${rule} ${resource}`));
    expect(found.map(({ rule, resource }) => `${rule.enforcementLevel} ${rule.name} ${resource.name}`).sort()).toEqual(listed.sort());
  });
});

describe("violations recorded with the Pulumi CLI", () => {
  it("cover every shipped environment and say how they were made", () => {
    expect(recordedNames).toEqual(expect.arrayContaining(Object.keys(earned)));
    for (const name of recordedNames) expect(recorded(name).made).toMatch(/^The policy events of .*pulumi preview/);
  });

  it.each(recordedNames)("%s: the same violations here", async (name) => {
    const recording = recorded(name);
    const found = (await violations(name, recording.parsed)).map(({ rule, resource, message }) => ({
      level: rule.enforcementLevel, severity: rule.severity, rule: rule.name, type: resource.type, resource: resource.name, message,
    }));
    expect(inOrder(found)).toEqual(inOrder(recording.violations));
  });
});
