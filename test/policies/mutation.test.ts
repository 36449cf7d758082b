import * as net from "node:net";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, TestRunner } from "vitest";
import * as components from "../../components/catalog";
import * as kubernetes from "../../components/catalog/kubernetes";
import { areas, rules } from "../../policies/all";
import * as catalog from "../../policies/catalog";
import * as power from "../../policies/hardware/power";
import * as lifecycle from "../../policies/lifecycle";
import * as rule from "../../policies/rule";
import * as addresses from "../../policies/security/addresses";
import * as specs from "../../policies/specs";
import { full } from "../support/full";
import { mutation } from "./analyze";
import { equivalent } from "./equivalent-mutants";
import { mutantsOf, root, run, unchanged, type Modules, type Mutant } from "./mutants";
// The rules' cases: they run here once as they are, and then again for every mutant.
import "./every-rule.test";
import "./hardware.test";
import "./inference.test";
import "./lifecycle.test";
import "./operations.test";
import "./power.test";
import "./recovery.test";
import "./security.test";
import "./site-wide.test";
import "./storage.test";

const modules: Modules = new Map<string, unknown>([
  ["node:net", net],
  ["components/catalog", components],
  ["components/catalog/kubernetes", kubernetes],
  ["policies/catalog", catalog],
  ["policies/hardware/power", power],
  ["policies/lifecycle", lifecycle],
  ["policies/rule", rule],
  ["policies/security/addresses", addresses],
  ["policies/specs", specs],
]);

/** What several rules share, and whose constants are theirs too: the files that import it. */
const helpers: Readonly<Record<string, readonly string[]>> = {
  "policies/hardware/power.ts": ["policies/hardware/server-power.ts", "policies/hardware/rack-power.ts", "policies/hardware/site-power.ts"],
  "policies/security/addresses.ts": ["policies/security/no-public-address.ts", "policies/security/no-public-endpoint.ts"],
  "policies/lifecycle.ts": ["policies/operations/driver-branch-supported.ts", "policies/operations/releases-supported.ts", "policies/operations/images-supported.ts"],
};

const files = [...new Set([...Object.keys(areas).flatMap((area) => readdirSync(join(root, "policies", area)).map((file) => `policies/${area}/${file}`)), ...Object.keys(helpers)])].sort();

/** The rules as they are with a mutant in their midst. */
function mutatedRules({ file, code }: Mutant): rule.Rule[] {
  const exported = run(file, modules, code);
  const dependents = helpers[file];
  const all = dependents === undefined ? [exported] : dependents.map((dependent) => run(dependent, new Map([...modules, [file.replace(/\.ts$/, ""), exported]])));
  return all.flatMap((each) => Object.values(each)).filter((value): value is rule.Rule => typeof value === "object" && value !== null && "validateResource" in value);
}

type Task = Parameters<typeof TestRunner.getTestFn>[0];
interface Node { name: string; type: string; tasks?: Node[] }

/** Every test of the file by its full name. */
function testsOf(node: Node, above: string[] = []): [string, Task][] {
  return (node.tasks ?? []).flatMap((task): [string, Task][] => {
    const names = [...above, task.name];
    return task.type === "test" ? [[names.join(" > "), task]] : testsOf(task, names);
  });
}

/** Whether a case of the mutated rules fails. */
async function isNoticed(mutant: Mutant, tests: ReadonlyMap<string, Task>, asked: ReadonlyMap<string, ReadonlySet<string>>): Promise<boolean> {
  try {
    const mutated = mutatedRules(mutant);
    for (const each of mutated) mutation.standIns.set(each.name, each);
    const cases = new Set(mutated.flatMap(({ name }) => [...(asked.get(name) ?? [])]));
    for (const name of cases) {
      const task = tests.get(name);
      if (task !== undefined) await TestRunner.getTestFn(task)();
    }
    return false;
  } catch {
    return true;
  } finally {
    mutation.standIns.clear();
  }
}

const label = ({ file, line, change }: Mutant): string => `${file}:${line} ${change}`;
const isEquivalent = ({ file, change }: Mutant): boolean => equivalent.some((each) => each.file === file && each.change === change);
const mutants = files.flatMap(mutantsOf);

/** One in twelve for `npm test`, some of each file over the years; RACKWRIGHT_FULL=1 takes all. */
const chosen = full ? mutants : mutants.filter((_, index) => index % 12 === 0);

describe("constants and operators of the rules", () => {
  it("are there to be mutated, in every file but those without any", () => {
    expect(mutants.length).toBeGreaterThan(500);
    expect(rules.length).toBe(Object.values(areas).flat().length);
  });

  it("are excused by a mutant that exists", () => {
    for (const { file, change } of equivalent) expect(mutants.some((mutant) => mutant.file === file && mutant.change === change), `${file} ${change}`).toBe(true);
  });

  it("cannot be changed without a case that notices", async ({ task }) => {
    const tests = new Map(testsOf(task.file));
    const asked = new Map([...mutation.asked].map(([name, by]) => [name, new Set(by)]));
    for (const file of files) expect(await isNoticed(unchanged(file), tests, asked), `${file}, which is not changed`).toBe(false);
    const survivors: string[] = [];
    for (const mutant of chosen) if (!isEquivalent(mutant) && !(await isNoticed(mutant, tests, asked))) survivors.push(label(mutant));
    expect(survivors).toEqual([]);
  }, 600_000);
});
