import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(__dirname, "../..");
const long = /^long='(.*)'$/m.exec(readFileSync(join(root, "scripts/test.sh"), "utf8"))?.[1]?.split(" ") ?? [];

describe("suites that npm test leaves out", () => {
  it("are there, and CI runs each", () => {
    const ci = readFileSync(join(root, ".ci/run"), "utf8");
    expect(long.length).toBeGreaterThan(0);
    for (const file of long) {
      expect(existsSync(join(root, file)), file).toBe(true);
      expect(ci.split(/\s+/), file).toContain(file);
    }
  });
});
