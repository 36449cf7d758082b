import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import * as path from "node:path";
import { stringify } from "yaml";
import type { Alert, Recording } from "../../components/monitoring/alert";
import { prometheusRules } from "../../components/monitoring/rules";
import type { Signal, Timeline } from "./alerts-timeline";

/** One way in which an alert fires, and neighbours of it in which it must not. */
export interface Case {
  /** @default 60 */
  stepSeconds?: number;
  /** Steps before the trouble. @default 30 */
  calm?: number;
  /** Steps of the trouble. @default what it takes to fire, and twelve more */
  trouble?: number;
  /** Whether it is a neighbour of another case that must stay quiet. @default true */
  fires?: boolean;
  /** What the exporters say. */
  input: Readonly<Record<string, Signal>>;
  /** Step of the trouble in which the expression holds for the first time. */
  since?: number;
  /** Labels of the alert, without its name and severity. */
  labels: Readonly<Record<string, string>>;
  summary: string;
  /** Steps after the trouble's end until it is over. */
  settles?: number;
  /** Another input for some of the series, for which the alert stays quiet. */
  quiet: Readonly<Record<string, Readonly<Record<string, Signal>>>>;
}

const namesIn = /\brackwright:[a-z0-9_:]+/g;

/** The recordings that an expression needs, and those that these need, in the order of the rules. */
export function recordingsFor(expr: string, all: readonly Recording[]): Recording[] {
  const needed = new Set<string>();
  const look = (text: string): void => {
    for (const [name] of text.matchAll(namesIn)) {
      if (needed.has(name)) continue;
      needed.add(name);
      for (const { record, expr: inner } of all) if (record === name) look(inner);
    }
  };
  look(expr);
  return all.filter(({ record }) => needed.has(record));
}

/** One group, so that each recording is there before what reads it. */
export function ruleFile(alert: Alert, recordings: readonly Recording[]): unknown {
  const { groups } = prometheusRules([{ name: "test", recordings: recordingsFor(alert.expr, recordings), alerts: [alert] }]);
  const [group] = groups;
  const rules = group?.rules.map((rule) => (rule.alert === undefined ? rule : { ...rule, annotations: { summary: alert.summary } }));
  return { groups: [{ name: "test", rules }] };
}

function timelineOf(alert: Alert, { stepSeconds = 60, calm = 30, since = 0, trouble = since + alert.forSeconds / stepSeconds + 12, settles = 0 }: Case): Timeline {
  return { stepSeconds, calm, trouble, after: settles + 5 };
}

const time = (step: number, { stepSeconds }: Timeline): string => `${step * stepSeconds}s`;
const series = (input: Case["input"], timeline: Timeline): unknown[] => Object.entries(input).map(([name, signal]) => ({ series: name, values: signal(timeline) }));

/** promtool's test groups of one case: the firing one, and each of its quiet neighbours. */
function testGroups(alert: Alert, one: Case): unknown[] {
  const timeline = timelineOf(alert, one);
  const { calm, trouble, stepSeconds } = timeline;
  const fires = calm + (one.since ?? 0) + alert.forSeconds / stepSeconds;
  const last = calm + trouble - 1;
  const over = calm + trouble + (one.settles ?? 0);
  const expected = { exp_labels: { ...one.labels, severity: alert.severity }, exp_annotations: { summary: one.summary } };
  const at = (step: number, firing: boolean): unknown => ({ eval_time: time(step, timeline), alertname: alert.name, exp_alerts: firing && one.fires !== false ? [expected] : [] });
  const group = (name: string, input: Case["input"], tests: unknown[]): unknown => ({ name, interval: `${stepSeconds}s`, input_series: series(input, timeline), alert_rule_test: tests });
  return [
    group("fires", one.input, [at(calm - 1, false), at(fires - 1, false), at(fires, true), at(last, true), at(over, false)]),
    ...Object.entries(one.quiet).map(([why, other]) => group(why, { ...one.input, ...other }, [at(calm - 1, false), at(fires, false), at(fires + 1, false), at(last, false), at(over, false)])),
  ];
}

/** A unit test file of promtool for one alert. */
export function testFile(alert: Alert, cases: readonly Case[], rules: string): unknown {
  const finest = Math.min(...cases.map(({ stepSeconds = 60 }) => stepSeconds));
  return { rule_files: [rules], evaluation_interval: `${finest}s`, tests: cases.flatMap((one) => testGroups(alert, one)) };
}

export interface Verdict {
  ok: boolean;
  text: string;
}

/**
 * Writes a rule file and its tests, one for each step width, and names the test files.
 * @param changed What is tested. @default the alert, by which the tests are made
 */
export function writeTests(folder: string, name: string, alert: Alert, cases: readonly Case[], recordings: readonly Recording[], changed = alert): string[] {
  const rules = `${name}.rules.yml`;
  writeFileSync(path.join(folder, rules), stringify(ruleFile(changed, recordings), { lineWidth: 0 }));
  const widths = [...new Set(cases.map(({ stepSeconds = 60 }) => stepSeconds))];
  return widths.map((width) => {
    const file = path.join(folder, `${name}.${width}.test.yml`);
    writeFileSync(file, stringify(testFile(alert, cases.filter(({ stepSeconds = 60 }) => stepSeconds === width), rules), { lineWidth: 0, aliasDuplicateObjects: false }));
    return file;
  });
}

function promtool(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    // Verdicts and failures go to different streams: in one they keep their order.
    execFile("sh", ["-c", 'exec promtool "$@" 2>&1', "promtool", ...args], { maxBuffer: 1 << 28 }, (error, stdout) => {
      if (error !== null && (typeof error.code !== "number" || error.code > 1)) reject(new Error("promtool could not be run; scripts/test-tools.sh names its package", { cause: error }));
      else resolve(stdout);
    });
  });
}

/**
 * Cases are counted in steps, and a range of Prometheus 2 holds its first sample, that of Prometheus 3 does not: where an
 * expression looks back, alerts of the two are one step apart.
 */
async function needPrometheus2(): Promise<void> {
  const version = await promtool(["--version"]);
  if (!/promtool, version 2\./.test(version)) throw new Error(`these tests need promtool of Prometheus 2, as Debian's package prometheus has it; on the PATH is: ${version.split("\n")[0] ?? ""}`);
}

/** Runs test files, many in one process and two processes at a time. */
export async function runTests(files: readonly string[], batch = 24): Promise<Map<string, Verdict>> {
  await needPrometheus2();
  const verdicts = new Map<string, Verdict>();
  const batches = Array.from({ length: Math.ceil(files.length / batch) }, (_, index) => files.slice(index * batch, (index + 1) * batch));
  const worker = async (): Promise<void> => {
    for (let some = batches.shift(); some !== undefined; some = batches.shift()) {
      const output = await promtool(["test", "rules", ...some]);
      for (const part of output.split("Unit Testing:").slice(1)) {
        const [file = "", ...rest] = part.split("\n");
        const text = rest.join("\n");
        verdicts.set(file.trim(), { ok: /^\s*SUCCESS/.test(text), text });
      }
    }
  };
  await Promise.all([worker(), worker()]);
  for (const file of files) if (!verdicts.has(file)) throw new Error(`promtool said nothing of ${file}`);
  return verdicts;
}

/** Checks rule files and returns what promtool says. */
export async function checkRules(files: readonly string[]): Promise<string> {
  return await promtool(["check", "rules", ...files]);
}
