import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Alert } from "../../components/monitoring/alert";
import { alertsPage, everyRuleGroup } from "../../components/monitoring/docs";
import { runbook } from "../../components/monitoring/rules";
import { full } from "../support/full";
import { serverCases } from "./alerts-cases-servers";
import { serviceCases } from "./alerts-cases-services";
import { siteCases } from "./alerts-cases-site";
import { standbyCases } from "./alerts-cases-standby";
import { mutants, sample } from "./alerts-mutants";
import { runTests, writeTests, type Case, type Verdict } from "./alerts-promtool";

const groups = everyRuleGroup();
const alerts = groups.flatMap((group) => group.alerts);
const recordings = groups.flatMap((group) => group.recordings);
const cases: Readonly<Record<string, readonly Case[]>> = { ...serverCases, ...serviceCases, ...siteCases, ...standbyCases };
const page = readFileSync(join(__dirname, "../../docs/alerts.md"), "utf8");

/** Mutants of one run of the short form, and what they are drawn with. */
const sampled = 30;
const seed = 20_261_125;

const casesOf = (name: string): readonly Case[] => cases[name] ?? [];
const stepOf = (name: string): number => casesOf(name)[0]?.stepSeconds ?? 60;
/** It has neither a beginning nor an end. */
const watched = alerts.filter(({ name }) => name !== "Watchdog");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rackwright-alerts-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function verdictsOf(some: readonly { id: string; alert: Alert; changed?: Alert }[]): Promise<Map<string, Verdict>> {
  const files = some.map(({ id, alert, changed }) => ({ id, own: writeTests(folder, id, alert, casesOf(alert.name), recordings, changed) }));
  const all = await runTests(files.flatMap(({ own }) => own), 12);
  return new Map(files.map(({ id, own }) => {
    const verdicts = own.map((file) => all.get(file) ?? { ok: false, text: "" });
    return [id, { ok: verdicts.every(({ ok }) => ok), text: verdicts.map(({ text }) => text).join("\n") }];
  }));
}

describe("alerts", () => {
  it("all have cases, and no case is of an alert that is gone", () => {
    expect(Object.keys(cases).sort()).toEqual(watched.map(({ name }) => name).sort());
    for (const [name, some] of Object.entries(cases)) expect(some.flatMap(({ quiet }) => Object.keys(quiet)), `${name} has no quiet neighbour`).not.toEqual([]);
  });

  it("have one Watchdog that always fires", () => {
    const watchdog = alerts.find(({ name }) => name === "Watchdog");
    expect(watchdog).toMatchObject({ expr: "vector(1)", forSeconds: 0, severity: "info" });
  });

  describe("under promtool", () => {
    let verdicts: Map<string, Verdict>;
    beforeAll(async () => {
      verdicts = await verdictsOf(watched.map((alert) => ({ id: alert.name, alert })));
    }, 120_000);

    it.each(watched.map(({ name }) => [name]))("%s fires at its threshold after its time, not below and not before, and ends", (name) => {
      const verdict = verdicts.get(name);
      expect(verdict?.ok, verdict?.text).toBe(true);
    });
  });

  it(`do not pass with any number changed${full ? "" : ` (${sampled} of all changes)`}`, async () => {
    const all = watched.flatMap((alert) => mutants(alert, stepOf(alert.name)));
    const some = (full ? all : sample(all, sampled, seed)).map((mutant, index) => ({ ...mutant, id: `mutant-${index}` }));
    expect(some.length).toBeGreaterThanOrEqual(sampled);
    const verdicts = await verdictsOf(some);
    if (full) process.stdout.write(`${some.length} changes of ${watched.length} alerts\n`);
    expect(some.filter(({ id }) => verdicts.get(id)?.ok === true).map(({ what }) => what)).toEqual([]);
    // A change that is no expression at all would be found by anything.
    expect(some.filter(({ id }) => !/exp:\[|got:\[/.test(verdicts.get(id)?.text ?? "")).map(({ what }) => what)).toEqual([]);
  }, full ? 900_000 : 120_000);
});

describe.each(alerts.map((alert) => [alert.name, alert] as const))("%s", (name, alert) => {
  it("is written to be read at night", () => {
    expect(name).toMatch(/^([A-Z][a-z0-9]+){1,5}$/);
    expect(alert.summary).toMatch(/^\S.{8,280}\S$/);
    for (const text of [alert.meaning, alert.reason]) expect(text).toMatch(/^\S[^]{15,700}\.$/);
    for (const step of alert.steps) expect(step).toMatch(/^\S[^]{8,400}[.?)]$/);
    expect(alert.forSeconds % 60).toBe(0);
  });

  it("has a command in its steps and a source for its threshold", () => {
    expect(alert.steps.join(" ")).toMatch(/`/);
    expect(alert.reason).toMatch(/guide \d|facts \d|general knowledge|the environment (says|names)|components\/|(recovery|monitoring|site|servers)\.[a-z<]/i);
  });

  it("is on the page that its notification names", () => {
    expect(runbook(name)).toBe(`docs/alerts.md#${name.toLowerCase()}`);
    expect(page).toContain(`\n### ${name}\n`);
  });
});

it("docs/alerts.md is what the alerts make it", () => {
  expect(page, "run `npm run alerts`").toBe(alertsPage(groups));
});
