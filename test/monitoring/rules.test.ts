import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { everyAlertEnvironment, everyRuleGroup } from "../../components/monitoring/docs";
import { metrics, recorded, type Metric } from "../../components/monitoring/metrics";
import { duration, prometheusRules } from "../../components/monitoring/rules";
import { serverCases } from "./alerts-cases-servers";
import { serviceCases } from "./alerts-cases-services";
import { siteCases } from "./alerts-cases-site";
import { standbyCases } from "./alerts-cases-standby";
import { checkRules, runTests, writeTests } from "./alerts-promtool";
import { steady, swing } from "./alerts-timeline";
import { node } from "./alerts-series";
import { bare, environments, groupsOf, stack } from "./rules-environments";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rackwright-rules-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const namesOf = (groups: ReturnType<typeof groupsOf>): string[] => groups.flatMap(({ alerts }) => alerts.map(({ name }) => name));

function write(name: string, content: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, stringify(content, { lineWidth: 0, aliasDuplicateObjects: false }));
  return file;
}

/** Names of metrics in an expression: what is neither a label, a keyword nor a function. */
function metricNames(expr: string): string[] {
  const bare = expr
    .replace(/"[^"]*"/g, "")
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, "")
    .replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, "");
  const words = bare.match(/(?<![\w.:])[a-zA-Z_][\w:]*(?!\s*\(|[\w:])/g) ?? [];
  return [...new Set(words.filter((word) => !/^(and|or|unless|bool|offset|by|on)$/.test(word)))];
}

const spellings = ([name, { kind }]: [string, Metric]): string[] => (kind === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]);
const known = new Set([...Object.values(metrics).flatMap((own) => Object.entries<Metric>(own).flatMap(spellings)), ...Object.keys(recorded), "ALERTS", "up"]);

describe.each(environments)("rules of %s", (name, environment) => {
  const groups = groupsOf(environment);

  it("are read by promtool", async () => {
    const file = write(`${name.replaceAll(/[^a-z0-9]/g, "-")}.yml`, prometheusRules(groups));
    const count = groups.reduce((sum, { alerts, recordings }) => sum + alerts.length + recordings.length, 0);
    expect(await checkRules([file])).toContain(`SUCCESS: ${count} rules found`);
  });

  it("ask for what is measured and nothing else", () => {
    const own = environment.monitoring.meter?.metric;
    const expressions = groups.flatMap(({ alerts, recordings }) => [...alerts, ...recordings].map(({ expr }) => expr));
    const unknown = expressions.flatMap(metricNames).filter((metric) => !known.has(metric) && metric !== own && metric !== "scalar");
    expect([...new Set(unknown)]).toEqual([]);
  });

  it("record what they read", () => {
    const made = new Set(groups.flatMap(({ recordings }) => recordings.map(({ record }) => record)));
    const read = groups.flatMap(({ alerts }) => alerts.flatMap(({ expr }) => metricNames(expr).filter((metric) => metric.startsWith("rackwright:"))));
    expect(read.filter((metric) => !made.has(metric))).toEqual([]);
  });

  it("have names of their own, and alerts of those that are tested", () => {
    const names = namesOf(groups);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((alert) => !namesOf(everyRuleGroup()).includes(alert))).toEqual([]);
    expect(new Set(groups.map((group) => group.name)).size).toBe(groups.length);
  });
});

describe("recordings", () => {
  it("are all that boards are promised, and nothing else", () => {
    expect([...new Set(everyRuleGroup().flatMap(({ recordings }) => recordings.map(({ record }) => record)))].sort()).toEqual(Object.keys(recorded).sort());
  });

  it("stand before alerts of their group", () => {
    const { groups } = prometheusRules(everyRuleGroup());
    for (const { rules } of groups) {
      const kinds = rules.map((rule) => ("record" in rule ? "record" : "alert"));
      expect(kinds).toEqual([...kinds].sort((a, b) => b.localeCompare(a)));
    }
  });
});

describe("an environment gets only what it has something for", () => {
  const has = (environment: Parameters<typeof groupsOf>[0], ...names: string[]): boolean[] => names.map((name) => namesOf(groupsOf(environment)).includes(name));

  it("no ECC, NVLink or memory temperature without such cards", () => {
    expect(has(stack("dev-test"), "GpuEccDoubleBit", "GpuNvlinkErrors", "GpuMemoryTemperatureHigh", "GpuTemperatureHigh")).toEqual([false, false, false, true]);
    expect(has(stack("large-cluster"), "GpuEccDoubleBit", "GpuNvlinkErrors", "GpuMemoryTemperatureHigh")).toEqual([true, true, true]);
  });

  it("nothing between servers where there is one, nothing on RDMA without RDMA cards", () => {
    expect(has(stack("dev-test"), "NetworkLatencyHigh", "NetworkLoss", "RdmaPortDown", "RdmaLatencyHigh")).toEqual([false, false, false, false]);
    expect(has(bare(), "NetworkLatencyHigh", "RdmaLatencyHigh")).toEqual([true, false]);
    expect(has(stack("sme-production"), "NetworkLatencyHigh", "RdmaPortDown", "RdmaLatencyHigh")).toEqual([true, true, true]);
  });

  it("nothing of a cluster on bare hosts, and no low utilisation where nothing says what a GPU is busy with", () => {
    expect(has(bare(), "NodeNotReady", "ServiceDown", "GpuUtilizationLow", "CheckpointOverdue", "GpuXid", "MeasurementsStorageFilling")).toEqual([false, false, false, false, true, true]);
  });

  it("no PUE without a meter, no limit where none is stated, no cap where none is stated", () => {
    expect(has(stack("sme-production"), "PueHigh", "SitePowerHigh", "RackPowerHigh", "GpuPowerCapWrong")).toEqual([false, true, true, false]);
    expect(has(stack("dev-test"), "SitePowerHigh", "RackPowerHigh")).toEqual([false, false]);
    expect(has(everyAlertEnvironment(), "PueHigh", "GpuPowerCapWrong")).toEqual([true, true]);
  });

  it("no standby missing where none is planned, nothing of training without a job", () => {
    expect(has(stack("medical-imaging"), "StandbyMissing", "CheckpointOverdue", "ServiceDown")).toEqual([false, false, true]);
  });

  it("nothing of a Prometheus that is the operator's", () => {
    const operator = environments.find(([name]) => name === "an operator's Prometheus")?.[1] ?? bare();
    expect(has(operator, "Watchdog", "TargetDown", "NotificationsFailing", "MeasurementsStorageFilling")).toEqual([true, true, false, false]);
  });

  it("its own thresholds", () => {
    const environment = stack("sme-production");
    const changed = { ...environment, monitoring: { ...environment.monitoring, alerts: { gpuUtilizationPercent: 7, memoryFragmentationPercent: 45, networkLatencyMilliseconds: 2 } } };
    const expr = (name: string): string => groupsOf(changed).flatMap(({ alerts }) => alerts).find((alert) => alert.name === name)?.expr ?? "";
    expect(expr("GpuUtilizationLow")).toContain("< 7\n");
    expect(expr("MemoryFragmentationHigh")).toMatch(/> 0\.45$/);
    expect(expr("NetworkLatencyHigh")).toMatch(/> 0\.002$/);
  });

  it("the guide's advice as the first step, and in the notification", () => {
    const { groups } = prometheusRules(everyRuleGroup());
    const action = (name: string): unknown => groups.flatMap(({ rules }) => rules).find((rule) => rule.alert === name)?.annotations;
    expect(action("GpuUtilizationLow")).toMatchObject({ action: expect.stringMatching(/bottleneck of the computation/) as unknown, runbook_url: "docs/alerts.md#gpuutilizationlow" });
    expect(action("MemoryFragmentationHigh")).toMatchObject({ action: expect.stringMatching(/^Restart the service/) as unknown });
    expect(action("NetworkLatencyHigh")).toMatchObject({ action: expect.stringMatching(/^Check the RDMA configuration/) as unknown });
  });

  it("a tier's mount with its servers where another tier is mounted there elsewhere", () => {
    const environment = bare();
    const [first, second] = [environment.servers["gpu-1"], environment.servers["gpu-2"]];
    if (first?.tiers.hot === undefined || second?.tiers.warm === undefined) throw new Error("the servers have both tiers");
    const mixed = { ...environment, servers: { "gpu-1": { ...first, tiers: { ...first.tiers, hot: { ...first.tiers.hot, mount: "/data" } } }, "gpu-2": { ...second, tiers: { ...second.tiers, warm: { ...second.tiers.warm, mount: "/data" } } } } };
    const expr = groupsOf(mixed).flatMap(({ alerts }) => alerts).find(({ name }) => name === "TierNearlyFull")?.expr ?? "";
    expect(expr).toContain('{mountpoint="/data",server="gpu-1"}) > 0.9');
    expect(expr).toContain('{mountpoint="/data",server="gpu-2"}) > 0.85');
  });
});

it("counts the site's draw with the PUE where there is no meter", async () => {
  const groups = groupsOf(stack("sme-production"));
  const alert = groups.flatMap(({ alerts }) => alerts).find(({ name }) => name === "SitePowerHigh");
  if (alert === undefined) throw new Error("SitePowerHigh is there");
  const series = node("node_hwmon_power_average_watt", { chip: "lnxsybus:00_acpi000d:00", sensor: "power1" });
  // 8000 W at a PUE of 1.5 are 5333 W of the servers.
  const files = writeTests(folder, "pue", alert, [{ input: { [series]: swing(3000, 5340) }, labels: {}, summary: "The site draws 8.01kW", quiet: { "just below": { [series]: swing(3000, 5330) } } }], groups.flatMap(({ recordings }) => recordings));
  for (const { ok, text } of (await runTests(files)).values()) expect(ok, text).toBe(true);
});

describe("all rules together", () => {
  const timeline = { stepSeconds: 60, calm: 10, trouble: 10, after: 0 };
  const all = [...Object.values(serverCases), ...Object.values(serviceCases), ...Object.values(siteCases), ...Object.values(standbyCases)].flat();
  const names = [...new Set(all.flatMap(({ input, quiet }) => [input, ...Object.values(quiet)].flatMap((part) => Object.keys(part))))];
  const evaluated = async (name: string, series: readonly string[], quiet: readonly string[]): Promise<void> => {
    const rules = `${name}.rules.yml`;
    write(rules, prometheusRules(everyRuleGroup()));
    const group = { interval: "60s", input_series: series.map((one) => ({ series: one, values: steady(1)(timeline) })), alert_rule_test: quiet.map((alertname) => ({ eval_time: "15m", alertname, exp_alerts: [] })) };
    const file = write(`${name}.test.yml`, { rule_files: [rules], evaluation_interval: "60s", group_eval_order: everyRuleGroup().map((one) => one.name), tests: [group] });
    for (const { ok, text } of (await runTests([file])).values()) expect(ok, text).toBe(true);
  };

  it("say nothing, and fail at nothing, when nothing is measured", async () => {
    await evaluated("nothing", [], namesOf(everyRuleGroup()).filter((name) => name !== "Watchdog"));
  });

  it("are evaluated without an error when everything is measured", async () => {
    await evaluated("once", names, []);
  });

  it("are evaluated without an error when everything is measured twice, as while an exporter moves", async () => {
    const elsewhere = names.map((name) => name.replace(/instance="[^"]*"/, 'instance="elsewhere:1"'));
    await evaluated("twice", [...new Set([...names, ...elsewhere])], []);
  });
});

it("durations are Prometheus' own", () => {
  expect([30, 60, 90, 600, 3600, 5400, 86_400, 129_600].map(duration)).toEqual(["30s", "1m", "90s", "10m", "1h", "90m", "1d", "36h"]);
});
