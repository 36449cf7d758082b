import { describe, expect, it } from "vitest";
import { z } from "zod";
import { planSource, type PlannedSource } from "../../../cli/pr/plan-side";
import { review } from "../../../cli/pr/review";
import { toSarif } from "../../../cli/pr/sarif";
import type { PolicyEvent } from "../../../engine/events";
import { allRules } from "../../../policies/site-rules";
import { labEnvironment, stackText } from "./fixture";

const message = z.strictObject({ text: z.string().min(1) });
const level = z.enum(["none", "note", "warning", "error"]);
/** What SARIF 2.1.0 asks for of the objects that are written, and what GitHub asks for beyond it. */
const sarif = z.strictObject({
  $schema: z.url(),
  version: z.literal("2.1.0"),
  runs: z.array(z.strictObject({
    tool: z.strictObject({ driver: z.strictObject({ name: z.string().min(1), version: z.string(), rules: z.array(z.strictObject({ id: z.string().min(1).max(255), shortDescription: message, fullDescription: message, help: message, defaultConfiguration: z.strictObject({ level }) })) }) }),
    columnKind: z.enum(["utf16CodeUnits", "unicodeCodePoints"]),
    results: z.array(z.strictObject({
      ruleId: z.string(), ruleIndex: z.number().int().min(0), level, message,
      locations: z.array(z.strictObject({ physicalLocation: z.strictObject({ artifactLocation: z.strictObject({ uri: z.string().regex(/^stacks\/[^\s\\]+$/), uriBaseId: z.string() }), region: z.strictObject({ startLine: z.number().int().min(1), startColumn: z.number().int().min(1).optional() }).optional() }) })).min(1),
    })),
  })).min(1),
});

function violation(policyName: string, text: string, enforcementLevel: PolicyEvent["enforcementLevel"]): PolicyEvent {
  return { message: `What the rule is.\n${text}`, color: "never", policyName, policyPackName: "rackwright", policyPackVersion: "1", policyPackVersionTag: "1", enforcementLevel };
}

async function planned(text: string): Promise<PlannedSource> {
  return planSource({ name: "lab", file: "stacks/Pulumi.lab.yaml", key: "", text, faults: [] }, { withPreview: false });
}

const text = stackText(labEnvironment());
const lineOf = (needle: string): number => text.split("\n").findIndex((line) => line.includes(needle)) + 1;

describe("verdicts as SARIF", () => {
  it("have the standard's shape, the rule's id and level, and the place of the value", async () => {
    const violations = [
      violation("gpu-with-ecc", "servers.gpu-02.gpus.model: the card has none. Allowed: x. Remedy: y.", "advisory"),
      violation("raid0-hot-tier-nvme-only", "servers.gpu-02.tiers.hot.drives[1]: is slow. Allowed: x. Remedy: y.", "mandatory"),
      violation("a-site-rule", "without a place", "mandatory"),
    ];
    const log = toSarif([review("lab", { head: await planned(text) }, { steps: [], violations, diagnostics: [], packs: ["rackwright"], ok: false })]);
    sarif.parse(log);
    const [run] = log.runs;
    expect(run.tool.driver.rules.map(({ id }) => id)).toEqual(expect.arrayContaining(["environment-file", "program", "a-site-rule", ...allRules().map(({ name }) => name)]));
    expect(run.results.every(({ ruleId, ruleIndex }) => run.tool.driver.rules[ruleIndex]?.id === ruleId)).toBe(true);
    const byRule = new Map(run.results.map((result) => [result.ruleId, result]));
    const regionOf = (rule: string) => byRule.get(rule)?.locations[0].physicalLocation.region;
    expect(byRule.get("gpu-with-ecc")?.level).toBe("warning");
    expect(byRule.get("raid0-hot-tier-nvme-only")?.level).toBe("error");
    const second = lineOf("gpu-02:");
    expect(regionOf("gpu-with-ecc")?.startLine).toBe(text.split("\n").findIndex((line, index) => index > second && line.includes("model: l40s")) + 1);
    expect(regionOf("raid0-hot-tier-nvme-only")?.startLine).toBe(text.split("\n").findIndex((line, index) => index > second && line.includes("- nvme-FAST_SN202")) + 1);
    expect(regionOf("a-site-rule")).toBeUndefined();
  });

  it("name each problem of a file that cannot be read, at its line", async () => {
    const log = toSarif([review("lab", { head: await planned(text.replace("count: 2", "count: two")) })]);
    sarif.parse(log);
    const [result] = log.runs[0].results;
    expect(result?.ruleId).toBe("environment-file");
    expect(result?.level).toBe("error");
    expect(result?.message.text).toContain("servers.gpu-01.gpus.count");
    expect(result?.locations[0].physicalLocation.region?.startLine).toBe(lineOf("count: 2"));
  });

  it("are empty and whole where nothing is found, and where an environment is gone", async () => {
    const quiet = review("lab", { head: await planned(text) }, { steps: [], violations: [], diagnostics: [], packs: ["rackwright"], ok: true });
    for (const reviews of [[], [quiet], [review("lab", { base: await planned(text) })]]) {
      const log = toSarif(reviews);
      sarif.parse(log);
      expect(log.runs[0].results).toEqual([]);
    }
  });
});
