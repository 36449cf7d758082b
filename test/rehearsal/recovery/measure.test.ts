import fc from "fast-check";
import { mkdtempSync, appendFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { renderFaults } from "../../../cli/render/faults";
import type { ClientLine } from "../../../rehearsal/recovery/client";
import type { FaultsReport } from "../../../rehearsal/recovery/faults";
import { Lines } from "../../../rehearsal/recovery/lines";
import { measure, measureAddress, type Window } from "../../../rehearsal/recovery/measure";
import type { FaultRun } from "../../../rehearsal/recovery/run";
import { parseScenario, readScenario, scenarioNames } from "../../../rehearsal/recovery/scenarios";

const good = (id: string, started: number, ended: number, engine = "a"): ClientLine => ({ id, started, ended, engine });
const failed = (id: string, started: number, ended: number, error = "ECONNRESET"): ClientLine => ({ id, started, ended, error });
const window: Window = { faultsAt: [10_000], repairedAt: 18_000, from: 9_000, until: 20_000 };
const every = (from: number, until: number, engine = "a"): ClientLine[] => Array.from({ length: (until - from) / 50 }, (_, index) => good(String(from + index * 50), from + index * 50 - 20, from + index * 50, engine));

describe("what clients saw", () => {
  it("is the time from the last good answer before the fault to the first after it", () => {
    const { outageSeconds, good: count, engines } = measure([...every(9_000, 10_000), ...every(13_400, 20_050, "b")], [], window);
    // The last before is at 9.95 s.
    expect([outageSeconds, count, engines]).toEqual([3.45, 20 + 133, ["b"]]);
  });

  it("is the longest such time: an answer that was under way does not make it shorter", () => {
    const straggler = good("straggler", 9_990, 10_100);
    expect(measure([...every(9_000, 10_000), straggler, ...every(13_400, 20_050)], [], window).outageSeconds).toBe(3.3);
    expect(measure([...every(9_000, 10_000), ...every(12_000, 13_000), ...every(17_000, 20_050)], [], window).outageSeconds).toBe(4.05);
  });

  it("lasts until the end where no answer comes any more", () => {
    expect(measure(every(9_000, 10_000), [], window).outageSeconds).toBe(10.05);
    expect(measure([], [], window).outageSeconds).toBe(11);
  });

  it("counts errors by kind, from the fault that they followed, and apart those after the repair", () => {
    const seen = measure([failed("1", 9_990, 10_500), failed("2", 10_100, 13_600, "status 503"), failed("3", 18_100, 18_200)], [], window);
    expect(seen).toMatchObject({ failed: { "ECONNRESET": 2, "status 503": 1 }, lastErrorSeconds: 3.6, failedAfterRepair: 1 });
    expect(measure([failed("1", 9_990, 12_500), failed("2", 13_100, 16_000)], [], { ...window, faultsAt: [10_000, 13_000] }).lastErrorSeconds).toBe(3);
    expect(measure(every(9_000, 20_000), [], window)).toMatchObject({ failed: {}, lastErrorSeconds: 0, failedAfterRepair: 0 });
  });

  it("tells requests that nothing ended from those that an error did", () => {
    expect(measure([failed("1", 10_000, 30_000, "silence")], [], window)).toMatchObject({ silent: 1, failed: {}, lastErrorSeconds: 0 });
  });

  it("finds what engines were given twice, whether by one or by two", () => {
    const lines = ["1", "2", "2", "3", "9", "9"].map((id) => ({ id, at: 0 }));
    // 9 is of another run.
    expect(measure([good("1", 9_500, 9_600), good("2", 10_000, 10_100), good("3", 10_000, 10_200)], lines, window).twice).toEqual(["2"]);
  });

  it("is never shorter than the time between any two good answers after the fault", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 10_001, max: 20_000 }), { minLength: 2, maxLength: 50 }), (ends) => {
      const sorted = [...ends].sort((a, b) => a - b);
      const { outageSeconds } = measure(ends.map((end, index) => good(String(index), end - 1, end)), [], window);
      for (let index = 1; index < sorted.length; index++) expect(outageSeconds * 1000).toBeGreaterThanOrEqual((sorted[index] ?? 0) - (sorted[index - 1] ?? 0) - 0.001);
    }));
  });
});

describe("who held the address", () => {
  const at = (time: number, ...holders: string[]) => ({ at: time, holders });

  it("is told in order, with the time that nobody did and the samples with two", () => {
    const samples = [at(8_000, "b"), at(9_950, "a"), at(10_000, "a"), at(10_050), at(10_100), at(10_150, "b"), at(10_200, "a", "b"), at(21_000, "a")];
    expect(measureAddress(samples, window)).toEqual({ samples: 6, longestBetweenSeconds: 0.05, double: 1, noneSeconds: 0.1, holders: ["a", "b", "a", "b"] });
  });
});

describe("lines of a log", () => {
  it("are read once each, as they come, half a line with the rest of it", () => {
    const folder = mkdtempSync(join(tmpdir(), "rackwright-lines-"));
    try {
      const file = join(folder, "log");
      writeFileSync(file, "(node) a warning\n{\"id\":1}\n{\"i");
      const lines = new Lines<{ id: number }>(file);
      expect([...lines.read()]).toEqual([{ id: 1 }]);
      appendFileSync(file, "d\":2}\n");
      expect(lines.read()).toEqual([{ id: 1 }, { id: 2 }]);
      expect(lines.read()).toHaveLength(2);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("the scenarios", () => {
  it("are files, well formed, every one", () => {
    expect(scenarioNames()).toEqual(["balancer-dies", "balancer-network-cut", "engine-dies", "engine-hangs", "keepalived-process-dies", "network-cut-both-ways", "network-cut-one-way", "node-crash", "two-in-a-row"]);
    for (const name of scenarioNames()) {
      const { limitSeconds, clusterLimitSeconds = 30 } = readScenario(name);
      expect([limitSeconds <= 10, clusterLimitSeconds <= 30], name).toEqual([true, true]);
    }
  });

  it.each([
    ["title: x\nfaults: []\nexpect: [address-moves]\nlimitSeconds: 1\n", /faults/],
    ["title: x\nfaults: [{ fault: burn, on: active }]\nexpect: [address-moves]\nlimitSeconds: 1\n", /faults\.0\.fault/],
    ["title: x\nfaults: [{ fault: crash, on: active }]\nexpect: [address-moves]\nlimitSeconds: 0\n", /limitSeconds/],
    ["title: x\nfaults: [{ fault: crash, on: active }]\nexpect: [address-moves]\nlimitSeconds: 1\nlimit: 2\n", /limit/],
    ["title: [\n", /is not YAML/],
  ])("are refused where something in them is not known: %j", (text, message) => {
    expect(() => parseScenario("mine", text)).toThrow(message);
    expect(() => parseScenario("mine", text)).toThrow("scenarios/mine.yaml");
  });
});

describe("the table", () => {
  const run = (more: Partial<FaultRun>): FaultRun => ({
    scenario: "engine-dies", run: 1, ok: true, problems: [], limitSeconds: 10,
    clients: { requests: 10, good: 8, failed: { ECONNRESET: 2 }, silent: 0, twice: [], outageSeconds: 1.52, lastErrorSeconds: 1.4, failedAfterRepair: 0, engines: ["b"] },
    address: { samples: 100, longestBetweenSeconds: 0.06, double: 0, noneSeconds: 0, holders: ["a"] },
    ...more,
  });
  const report = (runs: FaultRun[]): FaultsReport => ({
    environment: "site", ok: runs.every(({ ok }) => ok), service: "assistant", virtualAddress: "10.0.0.50", balancers: ["a", "b"],
    scenarios: [{ name: "engine-dies", title: "an engine ends", limitSeconds: 10 }], runs, standIns: [{ what: "x", standsInFor: "y" }], notes: [], seconds: 20,
  });
  const plain = (_: string, text: string): string => text;

  it("has all runs of a scenario in one row, from the shortest to the longest", () => {
    const second = run({ run: 2 });
    second.clients.outageSeconds = 3.04;
    expect(renderFaults(report([run({}), second]), plain)).toMatch(/\n +ok +engine-dies +2 of 2 +1\.5 to 3\.0 s +1\.4 s +10 s +4 +0 +0\n/);
    expect(renderFaults(report([run({}), second]), plain)).toMatch(/Verdict: GOOD, 2 of 2 runs, 20 s\.\n$/);
  });

  it("says what a run did not do", () => {
    const text = renderFaults(report([run({}), run({ run: 2, ok: false, problems: ["the address moved"] })]), plain);
    expect(text).toMatch(/FAILED {2}engine-dies {2}1 of 2/);
    expect(text).toContain("  engine-dies, run 2: the address moved\n");
    expect(text).toMatch(/Verdict: NOT GOOD, 1 of 2 runs/);
  });
});
