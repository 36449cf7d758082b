import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { preview } from "../../engine";
import { judgedOnOneDay } from "./day";
import { inOrder, recorded, recordedNames } from "./recordings";

const root = join(__dirname, "../..");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rackwright-policies-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Those with an environment of their own, which break rules; the shipped ones are judged without an engine. */
const broken = recordedNames.filter((name) => recorded(name).environment !== undefined);

describe("the embedded engine", () => {
  it.each(broken)("reports of %s what the Pulumi CLI reported, and stops at what is mandatory", async (name) => {
    const recording = recorded(name);
    const result = await preview({
      project: "rackwright",
      stack: name,
      programDir: root,
      config: { "rackwright:environment": JSON.stringify(recording.environment) },
      stateFile: join(folder, `${name}.json`),
      policyPackDir: join(root, "policies"),
      policyConfig: judgedOnOneDay,
    });
    const found = result.violations.map(({ enforcementLevel, severity, policyName, resourceUrn = "", message }) => {
      const [, , types = "", resource = ""] = resourceUrn.split("::");
      // The event's message is the rule's description and then what the rule reported.
      return { level: enforcementLevel, severity: severity ?? "", rule: policyName, type: types.split("$").pop() ?? "", resource, message: message.trimEnd().split("\n").pop() ?? "" };
    });
    expect(inOrder(found)).toEqual(inOrder(recording.violations));
    expect(result.ok).toBe(recording.violations.every(({ level }) => level !== "mandatory"));
  });
});
