import { mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Environment } from "../../components/environment";
import { planWorkloads } from "../../components/inference";
import { boards, queriesOf } from "../../components/monitoring/dashboards";
import { prometheusRules, ruleGroups } from "../../components/monitoring/rules";
import { escaped } from "../../rehearsal/monitoring/board-charts";
import { boardData } from "../../rehearsal/monitoring/board-data";
import { boardPage } from "../../rehearsal/monitoring/board-page";
import { screenshot, screenshotProgram } from "../../rehearsal/monitoring/screenshot";
import { missingPackages } from "../../rehearsal/packages";
import { pause } from "../../rehearsal/process";
import { stack, stackNames } from "../cluster/environments";
import { full } from "../support/full";
import { startPrometheus, type Prometheus } from "./prometheus";
import { historyOf } from "./site-history";

/** Recorded series of recorded series take as many evaluations as they are deep. */
const evaluations = 6;
const minutes = 20;

/** What a healthy site says nothing of: dcgm-exporter has a series only for XIDs that there were. */
const silentWhenWell = new Set(["XIDs"]);

const withMeter = stack("sme-production", (input) => {
  input.monitoring = { ...input.monitoring, meter: { address: "10.20.0.250", metric: "site_watts" } };
});
const environments: Record<string, Environment> = {
  "sme-production with a meter": withMeter,
  "large-cluster": stack("large-cluster"),
  "quality-inspection": stack("quality-inspection"),
  ...(full ? Object.fromEntries(stackNames.map((name) => [name, stack(name)])) : {}),
};

const browser = full && missingPackages(["/usr/bin"], [screenshotProgram]).length === 0;
if (full && !browser) process.stderr.write("   pages of boards are not drawn into images: this machine has no chromium\n");

const sites = Object.entries(environments).map(([name, environment]) => ({ name, environment, workloads: planWorkloads(environment) }));
const pages = new Map<string, string>();
const running = new Map<string, Prometheus>();
const prometheusOf = (name: string): Prometheus => {
  const found = running.get(name);
  if (found === undefined) throw new Error(`no Prometheus runs for ${name}`);
  return found;
};

beforeAll(async () => {
  for (const { name, environment, workloads } of sites) {
    const rules = prometheusRules(ruleGroups(environment, workloads));
    running.set(name, await startPrometheus(historyOf(environment, workloads, Math.floor(Date.now() / 1000), minutes), rules, full ? { recordedSeconds: 60 * minutes } : {}));
  }
  await pause(1000 * evaluations);
}, 180_000);

afterAll(async () => {
  for (const prometheus of running.values()) await prometheus.stop();
});

describe.each(sites)("the boards of $name, asked of a running Prometheus", ({ name, environment, workloads }) => {
  test.each(boards(environment, workloads).map((board) => [board.title, board] as const))("%s: each query is understood and has data", async (_title, board) => {
    const empty: string[] = [];
    for (const { panel, expr } of queriesOf(board)) {
      const series = await prometheusOf(name).query(expr);
      if (!series.some(({ value: [, text] }) => Number.isFinite(Number(text))) && !silentWhenWell.has(panel)) empty.push(`${panel}: ${expr}`);
    }
    expect(empty).toEqual([]);
  });

  test("draws each board as a page, with something in every panel", async () => {
    const span = { from: Math.floor(Date.now() / 1000) - 60 * minutes, to: Math.floor(Date.now() / 1000) };
    for (const board of boards(environment, workloads)) {
      const data = await boardData(board, prometheusOf(name).url, span);
      expect(data.panels.filter(({ panel, courses }) => panel.targets.length > 0 && courses.length === 0).map(({ panel }) => panel.title).filter((title) => !silentWhenWell.has(title)), board.title).toEqual([]);
      const html = boardPage(data, span, `${name}.`);
      for (const { panel } of data.panels) expect(html).toContain(escaped(panel.title));
      pages.set(join(name, board.file.replace(".json", "")), html);
    }
  });

  test("no rule fails on what such a site says", async () => {
    const { data } = (await fetch(`${prometheusOf(name).url}/api/v1/rules`).then((response) => response.json())) as { data: { groups: { rules: { name: string; health: string; lastError?: string }[] }[] } };
    const rules = data.groups.flatMap((group) => group.rules);
    expect(rules.filter(({ health }) => health !== "ok").map((rule) => `${rule.name}: ${rule.lastError ?? ""}`)).toEqual([]);
    expect(rules.length).toBeGreaterThan(20);
  });
});

/** For eyes: under .rackwright/boards. Last, for drawing takes longer than Prometheus takes a value for current. */
describe.runIf(browser)("pages as a browser draws them", () => {
  test.each([false, true])("dark: %s", async (dark) => {
    const some = [...pages].filter(([name]) => name.startsWith("large-cluster/"));
    expect(some).toHaveLength(7);
    for (const [name, html] of some) {
      const png = resolve(__dirname, "../../.rackwright/boards", `${name}${dark ? "-dark" : ""}.png`);
      mkdirSync(dirname(png), { recursive: true });
      rmSync(png, { force: true });
      await screenshot(html, png, { dark });
      // A page without marks is a tenth of that.
      expect(statSync(png).size, png).toBeGreaterThan(30_000);
    }
  }, 600_000);
});
