import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportStack } from "../../engine";
import { fixtures, stackWith, withSecret } from "./harness";
import type { TestStack, Wanted } from "./harness";
import { reduceEvents, reduceState } from "./reduce";
import type { Reduced } from "./reduce";

interface Recorded {
  name: string;
  op: "preview" | "up" | "destroy";
  resources: Wanted[];
  config: Record<string, string>;
  expected: Reduced & { state: Record<string, unknown> };
}

const sequence = JSON.parse(readFileSync(join(__dirname, "recorded", "sequence.json"), "utf8")) as Recorded[];

describe("the same program and the same changes as recorded with the Pulumi CLI", () => {
  let stack: TestStack;
  let discard: () => void;
  beforeAll(() => {
    ({ stack, discard } = stackWith(withSecret));
  });
  afterAll(() => { discard(); });

  for (const { name, op, resources, config, expected } of sequence) {
    it(`${op}: ${name}`, async () => {
      const policies = name === "policies" ? { policyPackDir: join(fixtures, "policy") } : {};
      const own = Object.fromEntries(Object.entries(config).map(([key, value]) => [`options:${key}`, value]));
      const outcome = op === "destroy" ? await stack.destroy() : await stack[op](resources, { config: own, ...policies });
      const { state, ...events } = expected;
      const reduced = reduceEvents(outcome.events);
      expect(reduced.changes).toEqual(events.changes);
      expect(reduced).toEqual(events);
      const exported = JSON.parse(exportStack(stack.stateFile)) as Parameters<typeof reduceState>[0];
      expect(reduceState(exported)).toEqual(state);
    });
  }
});
