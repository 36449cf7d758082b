import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { listEnvironments, loadStackFile } from "../../components/environment";
import type { Environment } from "../../components/environment";
import { Site } from "../../components/site";
import { rules } from "../../policies/all";
import { analyze } from "./analyze";

const stacks = join(__dirname, "../../stacks");

function load(name: string): Environment {
  const stack = loadStackFile(join(stacks, `Pulumi.${name}.yaml`));
  if (!stack.ok) throw new Error(`${name}: ${JSON.stringify(stack.problems)}`);
  return stack.environment;
}

const secretSignature = "4dabf18193072939515e22adb298388d";

/** Mocks hand secrets over in their wire form; policies see what is in them. */
function revealed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revealed);
  if (typeof value !== "object" || value === null) return value;
  if (secretSignature in value && "value" in value) return revealed(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revealed(inner)]));
}

/** What the program registers for an environment, as resource policies see it. */
async function registered(name: string): Promise<{ type: string; name: string; spec: object }[]> {
  const resources: { type: string; name: string; spec: object }[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        resources.push({ type, name, spec: revealed(inputs) as object });
        return { id: `${name}-id`, state: inputs as Record<string, unknown> };
      },
      call: () => ({}),
    },
    "rackwright",
    name,
    true,
  );
  new Site(name, { environment: load(name) });
  await pulumi.runtime.disconnect();
  return resources;
}

/** `level rule: place`, of every finding, each once. */
async function findings(name: string): Promise<string[]> {
  const found = new Set<string>();
  for (const { type, name: resource, spec } of await registered(name)) {
    for (const rule of rules.filter(({ types }) => types.includes(type))) {
      for (const message of analyze(rule, spec, { type, name: resource })) found.add(`${rule.enforcementLevel} ${rule.name}: ${message.slice(0, message.indexOf(": "))}`);
    }
  }
  return [...found].sort();
}

/** What the guide's own choices earn. Nothing else may be found, and nothing mandatory. */
const earned: Record<string, string[]> = {
  // GeForce cards have no ECC (guide 2.1).
  "dev-test": ["advisory gpu-with-ecc: servers.gpu-01.gpus.model"],
  "sme-production": [],
  // Liquid cooling that has not reached the guide's 1.1 (guide 7).
  "large-cluster": ["advisory liquid-cooling-pue: site.power.pue"],
  "medical-imaging": [],
  "quality-inspection": [],
  edge: [],
};

describe("the shipped environments", () => {
  it("are those of the guide", () => {
    expect(listEnvironments(stacks).sort()).toEqual(Object.keys(earned).sort());
  });

  it.each(Object.entries(earned))("%s earns exactly its advice", async (name, expected) => {
    expect(await findings(name)).toEqual(expected);
  });
});
