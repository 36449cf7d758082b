import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatProblems, listEnvironments, loadStackFile, parseEnvironment, type Problem } from "../../components/environment";
import { pathText } from "../../components/environment/problems";
import { validEnvironment } from "../support/arbitraries";
import { mutated } from "../support/mutations";

const seed = 20_261_123;
const stacksDir = path.resolve(__dirname, "../../stacks");

/** What holds for every list of problems that a user sees. */
function expectReadable(problems: readonly Problem[]): void {
  expect(problems.length).toBeGreaterThan(0);
  for (const problem of problems) {
    expect(problem.path).not.toBe("");
    expect(problem.message).not.toBe("");
  }
  const text = formatProblems("stacks/Pulumi.fuzz.yaml", problems);
  expect(text).not.toMatch(/\n\s+at |node_modules|\.ts:\d+|TypeError|RangeError|\[object /);
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  expect(text.split("\n").length).toBe(Math.min(problems.length, 101));
}

describe(`fuzz (seed ${seed})`, () => {
  it("accepts 500 generated environments that are right", () => {
    fc.assert(
      fc.property(validEnvironment, (input) => {
        const parsed = parseEnvironment(input);
        if (!parsed.ok) throw new Error(formatProblems("valid", parsed.problems));
      }),
      { seed, numRuns: 500 },
    );
  });

  it("refuses 2,000 generated environments that are wrong, each with the place of the fault", () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(
        validEnvironment.chain((environment) => mutated(environment)),
        ({ name, environment, place }) => {
          kinds.add(name);
          const parsed = parseEnvironment(environment);
          if (parsed.ok) throw new Error(`accepted: ${name} at ${pathText(place ?? [])}`);
          expectReadable(parsed.problems);
          if (place === undefined) return;
          const wanted = pathText(place);
          if (!parsed.problems.some((problem) => problem.path.startsWith(wanted))) {
            throw new Error(`${name} at ${wanted} was reported elsewhere:\n${formatProblems("fuzz", parsed.problems)}`);
          }
        },
      ),
      { seed, numRuns: 2000 },
    );
    expect(kinds.size).toBe(19);
  });

  it("leaves the prototypes of the program alone", () => {
    parseEnvironment(JSON.parse('{"__proto__": {"polluted": true}, "servers": {"__proto__": {"polluted": true}}}'));
    expect(Object.prototype).not.toHaveProperty("polluted");
  });

  describe("text of stack files", () => {
    let folder = "";
    beforeAll(() => {
      folder = mkdtempSync(path.join(tmpdir(), "rackwright-fuzz-"));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    const texts = listEnvironments(stacksDir).map((name) => readFileSync(path.join(stacksDir, `Pulumi.${name}.yaml`)));
    const position = fc.nat({ max: 1_000_000 });
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 12 });
    const damaged = fc.tuple(fc.constantFrom(...texts), fc.constantFrom("cut", "overwrite", "insert", "random"), position, bytes).map(([text, kind, at, noise]) => {
      const place = at % text.length;
      const rest = kind === "overwrite" ? place + noise.length : kind === "insert" ? place : text.length;
      return Buffer.concat([kind === "random" ? Buffer.alloc(0) : text.subarray(0, place), kind === "cut" ? Buffer.alloc(0) : noise, text.subarray(rest)]);
    });

    it("reads 400 damaged files without failing, and names the place of what is wrong", () => {
      const file = path.join(folder, "Pulumi.fuzz.yaml");
      let refused = 0;
      fc.assert(
        fc.property(damaged, (content) => {
          writeFileSync(file, content);
          const loaded = loadStackFile(file);
          // Damage inside a comment or a description changes nothing that matters.
          if (loaded.ok) return;
          refused++;
          expectReadable(loaded.problems);
        }),
        { seed, numRuns: 400 },
      );
      expect(refused).toBeGreaterThan(300);
    });
  });
});
