import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listEnvironments, loadStackFile, parseEnvironment, type Environment } from "../../components/environment";
import { violations } from "./program";

const stacks = join(__dirname, "../../stacks");
const recordings = join(__dirname, "recorded");

function shipped(name: string): Environment {
  const stack = loadStackFile(join(stacks, `Pulumi.${name}.yaml`));
  if (!stack.ok) throw new Error(`${name}: ${JSON.stringify(stack.problems)}`);
  return stack.environment;
}

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
  it("are those of the guide", () => {
    expect(listEnvironments(stacks).sort()).toEqual(Object.keys(earned).sort());
  });

  it.each(Object.entries(earned))("%s earns exactly its advice", async (name, expected) => {
    const found = await violations(name, shipped(name));
    expect(found.map(({ rule, resource }) => `${rule.enforcementLevel} ${rule.name} ${resource.name}`).sort()).toEqual(expected);
  });
});

interface Recording {
  made: string;
  /** Absent: the shipped environment of that name. */
  environment?: unknown;
  violations: { level: string; severity: string; rule: string; type: string; resource: string; message: string }[];
}

function recorded(name: string): Recording & { parsed: Environment } {
  const recording = JSON.parse(readFileSync(join(recordings, `${name}.json`), "utf8")) as Recording;
  if (recording.environment === undefined) return { ...recording, parsed: shipped(name) };
  const parsed = parseEnvironment(recording.environment);
  if (!parsed.ok) throw new Error(`${name}: ${JSON.stringify(parsed.problems)}`);
  return { ...recording, parsed: parsed.environment };
}

const names = readdirSync(recordings).map((file) => file.replace(/\.json$/, ""));

describe("violations recorded with the Pulumi CLI", () => {
  it("cover every shipped environment and say how they were made", () => {
    expect(names).toEqual(expect.arrayContaining(Object.keys(earned)));
    for (const name of names) expect(recorded(name).made).toMatch(/^The policy events of .*pulumi preview/);
  });

  it.each(names)("%s: the same violations here", async (name) => {
    const recording = recorded(name);
    const found = (await violations(name, recording.parsed)).map(({ rule, resource, message }) => ({
      level: rule.enforcementLevel, severity: rule.severity, rule: rule.name, type: resource.type, resource: resource.name, message,
    }));
    const inOrder = (list: Recording["violations"]) => list.map((violation) => JSON.stringify(violation)).sort();
    expect(inOrder(found)).toEqual(inOrder(recording.violations));
  });
});
