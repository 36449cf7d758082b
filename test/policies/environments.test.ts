import { describe, expect, it } from "vitest";
import { listEnvironments } from "../../components/environment";
import { violations } from "./program";
import { inOrder, recorded, recordedNames, shipped, stacks } from "./recordings";

/** What the guide's own choices earn. Nothing else may be found, and nothing mandatory. */
const earned: Record<string, string[]> = {
  // GeForce cards have no ECC (guide 2.1).
  "dev-test": ["advisory gpu-with-ecc gpu-01"],
  "sme-production": [],
  // Liquid cooling that has not reached the guide's 1.1 (guide 7).
  "large-cluster": ["advisory liquid-cooling-pue large-cluster"],
  "medical-imaging": [],
  "quality-inspection": [],
  edge: [],
};

describe("the shipped environments", () => {
  it("are among those under stacks", () => {
    expect(listEnvironments(stacks)).toEqual(expect.arrayContaining(Object.keys(earned)));
  });

  it.each(Object.entries(earned))("%s earns exactly its advice", async (name, expected) => {
    const found = await violations(name, shipped(name));
    expect(found.map(({ rule, resource }) => `${rule.enforcementLevel} ${rule.name} ${resource.name}`).sort()).toEqual(expected);
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
