import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { environmentSchema, parseEnvironment, type EnvironmentInput } from "../../components/environment";
import { planSite } from "../../components/site";
import { rules } from "../../policies/all";
import { SITE } from "../../policies/specs";
import { full } from "../support/full";
import { registered, type Registered } from "../support/registered";
import { analyze } from "./analyze";
import { brokenEnvironments, type BrokenEnvironment } from "./broken";
import { baseEnvironment, bases, patched } from "./broken-bases";
import { judgedOnOneDay, judgeOnOneDay } from "./day";
import { PackServer } from "./pack-server";

judgeOnOneDay();

const all: readonly BrokenEnvironment[] = Object.values(brokenEnvironments).flat();
const rulesOf = ({ violates }: BrokenEnvironment): string[] => violates.map((violation) => violation.split(" ")[1] ?? "");

/** One environment or more for every rule, small ones first: what `npm test` runs. RACKWRIGHT_FULL=1 runs all of them. */
function oneForEachRule(): BrokenEnvironment[] {
  const covered = new Set<string>();
  return [...all]
    .sort((a, b) => bases.indexOf(a.base) - bases.indexOf(b.base))
    .filter((broken) => {
      const fresh = rulesOf(broken).filter((rule) => !covered.has(rule));
      for (const rule of fresh) covered.add(rule);
      return fresh.length > 0;
    });
}
const chosen = full ? all : oneForEachRule();

const environmentOf = ({ base, change = {} }: BrokenEnvironment): EnvironmentInput => patched(baseEnvironment(base), change);

/** What the product refuses before the pack is asked. */
function refusals(broken: BrokenEnvironment): string[] {
  const parsed = parseEnvironment(environmentOf(broken));
  return parsed.ok ? planSite(parsed.environment).findings.map(({ keys }) => keys.join(".")) : parsed.problems.map(({ path }) => path);
}

/** What the program registers where nothing refuses it, and what is put beside it. */
async function resourcesOf(broken: BrokenEnvironment): Promise<Registered[]> {
  const { base, registers = {}, adds = [] } = broken;
  const resources = await registered(base, environmentSchema.parse(environmentOf(broken)));
  expect(resources.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(registers)));
  return [...resources.map((resource) => ({ ...resource, spec: patched(resource.spec, registers[resource.name] ?? {}) })), ...adds].filter(({ type }) => rules.some(({ types }) => types.includes(type)));
}

describe("the broken environments", () => {
  it("are sixty or more, of different names, on every base", () => {
    expect(all.length).toBeGreaterThanOrEqual(60);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    expect(new Set(all.map(({ base }) => base))).toEqual(new Set(bases));
  });

  it("break every rule at its level", () => {
    const broken = new Set(all.flatMap(({ violates }) => violates.map((violation) => violation.split(" ").slice(0, 2).join(" "))));
    expect([...broken].sort()).toEqual(rules.map(({ name, enforcementLevel }) => `${enforcementLevel} ${name}`).sort());
  });

  it.each(bases)("are well before they are broken: %s is refused nothing", (base) => {
    expect(refusals({ name: "", base, violates: [] })).toEqual([]);
  });

  it.each(["lone", "pair", "served"] as const)("are well before they are broken: %s violates nothing", async (base) => {
    const resources = await resourcesOf({ name: "", base, violates: [] });
    expect(resources.flatMap(({ type, name, spec }) => rules.filter(({ types }) => types.includes(type)).flatMap((rule) => analyze(rule, spec, { type, name })))).toEqual([]);
  });
});

/** What is at a place such as `servers.gpu-01.tiers.hot`; keys have no dots but those of drives, which no place names. */
function at(environment: object, place: string): { found: boolean; value: unknown } {
  let value: unknown = environment;
  for (const [index, key] of place.split(".").entries()) {
    if (typeof value !== "object" || value === null) return { found: false, value: undefined };
    // What is to be written may be missing, with the mapping that it belongs to.
    if (!Object.hasOwn(value, key)) return { found: index >= place.split(".").length - 2, value: undefined };
    value = (value as Record<string, unknown>)[key];
  }
  return { found: true, value };
}

/** A message must name what it is about, what was found, what is allowed and what to do. */
function expectHelpful(message: string, { type, name }: Registered, environment: object): void {
  const { place = "", problem = "", allowed = "", remedy = "" } = /^(?<place>[^ ]+): (?<problem>.+)\. Allowed: (?<allowed>.+)\. Remedy: (?<remedy>.+)\.$/s.exec(message)?.groups ?? {};
  for (const part of [place, problem, allowed, remedy]) expect(part, message).not.toBe("");
  expect(message).not.toMatch(/undefined|NaN|\[object|null/);
  expect(remedy, "an order to the reader").toMatch(/^[a-z]+ /);
  const { found, value } = at(environment, place);
  if (/^(site|ssh|software|servers|cluster|services|training|monitoring|recovery)(\.|$)/.test(place)) expect(found, `${place} is a place in the environment file`).toBe(true);
  else expect(place.startsWith(`${name}.`), `${place} is a place in ${name}`).toBe(true);
  // A site has one of each thing; what there is several of must be named.
  const own = name.replace(/-(hot|warm|cold|driver)$/, "");
  if (type !== SITE) expect(message).toMatch(new RegExp(`\\b${own}\\b`));
  if (place.endsWith("hostKey") || (typeof value !== "string" && typeof value !== "number")) return;
  if (value === 0 && /\bno\b/.test(problem)) return;
  // A card may be called by its catalog's name, and of a web address its host is enough.
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  expect(plain(`${problem} ${allowed}`), `the value of ${place}`).toContain(plain(/^https?:\/\/([^/:]+)/.exec(String(value))?.[1] ?? String(value)));
}

describe("the pack", () => {
  let pack: PackServer;
  beforeAll(async () => {
    pack = await PackServer.start();
  });
  afterAll(() => pack.stop());

  const levelOf = (name: string) => rules.find((rule) => rule.name === name)?.enforcementLevel ?? "mandatory";

  it.each(chosen.map((broken) => [broken.name, broken] as const))("finds exactly what is wrong with %s", async (_name, broken) => {
    expect(refusals(broken)).toEqual(broken.refused ?? []);
    const resources = await resourcesOf(broken);
    const config = Object.entries({ ...judgedOnOneDay, ...broken.config }).map(([rule, settings]) => [rule, { enforcementLevel: levelOf(rule), ...settings }] as const);
    await pack.configure(Object.fromEntries(config));
    const found: string[] = [];
    for (const resource of resources) {
      for (const { rule, level, message } of await pack.analyze(resource)) {
        // A job's name ends in a hash of what it runs.
        found.push(`${level} ${rule} ${resource.name.replace(/-[0-9a-f]{8}$/, "")}`);
        // The server puts the rule's description before what it reports.
        expectHelpful(message.split("\n").pop() ?? "", resource, environmentSchema.parse(environmentOf(broken)));
      }
    }
    expect(found.sort()).toEqual([...broken.violates].sort());
  });
});
