import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Environment } from "../../components/environment";
import { planWorkloads } from "../../components/inference";
import { boards, queriesOf } from "../../components/monitoring/dashboards";
import { prometheusRules, ruleGroups } from "../../components/monitoring/rules";
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

const sites = Object.entries(environments).map(([name, environment]) => ({ name, environment, workloads: planWorkloads(environment) }));
const running = new Map<string, Prometheus>();
const prometheusOf = (name: string): Prometheus => {
  const found = running.get(name);
  if (found === undefined) throw new Error(`no Prometheus runs for ${name}`);
  return found;
};

beforeAll(async () => {
  for (const { name, environment, workloads } of sites) {
    const rules = prometheusRules(ruleGroups(environment, workloads));
    running.set(name, await startPrometheus(historyOf(environment, workloads, Math.floor(Date.now() / 1000), minutes), rules));
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

  test("no rule fails on what such a site says", async () => {
    const { data } = (await fetch(`${prometheusOf(name).url}/api/v1/rules`).then((response) => response.json())) as { data: { groups: { rules: { name: string; health: string; lastError?: string }[] }[] } };
    const rules = data.groups.flatMap((group) => group.rules);
    expect(rules.filter(({ health }) => health !== "ok").map((rule) => `${rule.name}: ${rule.lastError ?? ""}`)).toEqual([]);
    expect(rules.length).toBeGreaterThan(20);
  });
});
