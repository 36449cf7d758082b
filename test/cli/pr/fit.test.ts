import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mostCharacters, renderComment } from "../../../cli/pr/comment";
import { fit, type Block } from "../../../cli/pr/fit";
import { md, prose } from "../../../cli/pr/markdown";
import { review, type Review } from "../../../cli/pr/review";
import type { Step } from "../../../cli/pr/events";
import type { PolicyEvent } from "../../../engine/events";
import { faults } from "./inert";
import { worst } from "./payloads";

const text = fc.string({ maxLength: 700 });
const block = fc.record({
  title: fc.constantFrom("resources", "changes", "verdicts of rules"),
  environment: fc.string({ maxLength: 200 }),
  head: fc.array(text.map((each) => md`# ${each}`), { maxLength: 3 }),
  items: fc.array(text.map((each) => md`- ${each} ${prose(each)}`), { maxLength: 60 }),
  foot: fc.array(text.map((each) => md`${each}`), { maxLength: 2 }),
  rank: fc.integer({ min: 0, max: 9 }),
  whole: fc.boolean(),
});

describe("a comment that would be too long", () => {
  it("is never longer than it may be, and names what is cut", () => {
    const limits = fc.integer({ min: 12_000, max: mostCharacters });
    fc.assert(fc.property(fc.array(block, { maxLength: 40 }), limits, (blocks, limit) => {
      // A block without items cannot be cut; in a comment only the few lines of its opening are such.
      const cuttable = blocks.filter(({ items }) => items.length > 0);
      const full = fit(cuttable, Number.MAX_SAFE_INTEGER);
      const result = fit(cuttable, limit);
      expect(result.length).toBeLessThanOrEqual(limit);
      expect(result.includes("**Left out for length:**")).toBe(full.length > limit);
      if (full.length <= limit) expect(result).toBe(full);
    }), { numRuns: process.env["RACKWRIGHT_FULL"] === "1" ? 1_000 : 60 });
  });

  it("cuts the least important first, and a drawing as a whole", () => {
    const lines = (name: string, count: number): Block["items"] => Array.from({ length: count }, (_, index) => md`- ${name} ${index} ${"x".repeat(100)}`);
    const make = (title: string, rank: number, whole = false): Block => ({ title, environment: "lab", head: [md`## ${prose(title)}`], items: lines(title, 100), foot: [], rank, whole });
    const cut = fit([make("hazards", 1), make("changes", 4), make("resources", 8), make("drawing", 9, true)], 32_000);
    expect(cut.match(/- `hazards`/g)).toHaveLength(100);
    expect(cut.match(/- `changes`/g)).toHaveLength(100);
    expect(cut).not.toContain("## drawing");
    const left = cut.match(/- `resources`/g)?.length ?? 0;
    expect(left).toBeGreaterThan(10);
    expect(cut).toContain(`${100 - left} of 100 resources of \`lab\`; all drawing of \`lab\``);
  });

  function step(index: number): Step {
    const name = `${index} ${worst}`;
    return { op: (["create", "update", "replace", "delete"] as const)[index % 4] ?? "create", urn: `urn:pulumi:lab::rackwright::kubernetes:core/v1:Secret::${name}`, type: `kubernetes:core/v1:${worst}`, name, parent: "", changed: Array.from({ length: index % 7 }, () => worst) };
  }
  function violation(index: number): PolicyEvent {
    return { message: `d\n${index}: ${worst}`, color: "never", policyName: `rule-${index} ${worst}`, policyPackName: "p", policyPackVersion: "1", policyPackVersionTag: "1", enforcementLevel: index % 2 === 0 ? "mandatory" : "advisory" };
  }

  it("stays within GitHub's limit and inert with hundreds of environments, resources and verdicts", () => {
    const reviews = (count: number, each: number): Review[] => Array.from({ length: count }, (_, index) => {
      const name = `${"e".repeat(180)}-${index}`;
      const head = { source: { name, file: `stacks/Pulumi.${name}.yaml`, key: "", text: "", faults: [] }, problems: Array.from({ length: each % 40 }, () => ({ path: worst, message: worst, line: 1, column: 1 })) };
      return review(name, { head }, { steps: Array.from({ length: each }, (__, at) => step(at)), violations: Array.from({ length: each }, (__, at) => violation(at)), diagnostics: [{ severity: "error", message: worst }], packs: ["p"], ok: false });
    });
    for (const [count, each] of [[1, 2_000], [30, 100], [600, 3]] as const) {
      const comment = renderComment({ base: worst, head: worst, unchanged: 1, reviews: reviews(count, each) });
      expect(comment.length).toBeLessThanOrEqual(60_000);
      expect(comment.length).toBeGreaterThan(40_000);
      expect(comment).toContain("**Left out for length:**");
      expect(faults(comment)).toEqual([]);
    }
  });
});
