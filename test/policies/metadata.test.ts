import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { areas, rules } from "../../policies/all";
import { rulesPage } from "../../policies/docs";

const root = join(__dirname, "../..");
const page = readFileSync(join(root, "docs/rules.md"), "utf8");

describe("the pack", () => {
  it("has every file of an area as one rule of that name", () => {
    for (const [area, members] of Object.entries(areas)) {
      const files = readdirSync(join(root, "policies", area)).map((file) => file.replace(/\.ts$/, ""));
      const helpers = { hardware: ["power"], security: ["addresses"] }[area] ?? [];
      expect([...members.map(({ name }) => name), ...helpers].sort()).toEqual(files.sort());
    }
  });

  it("has no two rules of one name or title", () => {
    expect(new Set(rules.map(({ name }) => name)).size).toBe(rules.length);
    expect(new Set(rules.map(({ displayName }) => displayName)).size).toBe(rules.length);
  });

  it("is documented by the page that its rules make", () => {
    expect(page, "run `npm run rules`").toBe(rulesPage());
  });

  it("has the version of the product", () => {
    const version = (file: string) => (JSON.parse(readFileSync(join(root, file), "utf8")) as { version: string }).version;
    expect(version("policies/package.json")).toBe(version("package.json"));
  });
});

describe.each(rules.map((rule) => [rule.name, rule] as const))("%s", (_name, rule) => {
  it("has a kebab-case name that is not reserved", () => {
    expect(rule.name).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)+$/);
    expect(rule.name.length).toBeLessThanOrEqual(60);
  });

  it("states its requirement in one sentence with must or should, as its level is", () => {
    expect(rule.description).toMatch(/^[A-Z].{20,250}\.$/);
    expect(rule.description).not.toMatch(/\. /);
    expect(rule.description).toMatch(rule.enforcementLevel === "mandatory" ? /\bmust\b/ : /\bshould\b/);
  });

  it("has a severity, steps to take and a source", () => {
    expect(["low", "medium", "high", "critical"]).toContain(rule.severity);
    expect(rule.remediationSteps).toMatch(/^[A-Z].{30,500}\.$/s);
    expect(rule.section).toMatch(/^(guide \d(\.\d)?|facts \d)/);
  });

  it("is documented where its url points", () => {
    expect(rule.url).toBe(`docs/rules.md#${rule.name}`);
    expect(page).toContain(`\n### ${rule.name}\n`);
  });

  it("describes every setting and accepts its own defaults", () => {
    for (const [key, setting] of Object.entries(rule.settings)) {
      expect(key).toMatch(/^[a-z][A-Za-z]+$/);
      expect(setting.description).toMatch(/^[A-Z].{10,200}\.$/);
      expect(rule.configSchema?.properties[key]?.default).toEqual(setting.default);
    }
  });
});
