import { describe, expect, test } from "vitest";
import { ticks } from "../../rehearsal/monitoring/board-charts";
import type { BoardData, Course, DrawnPanel } from "../../rehearsal/monitoring/board-data";
import { boardPage } from "../../rehearsal/monitoring/board-page";
import { formatted, roundIn } from "../../rehearsal/monitoring/board-units";

const span = { from: 1_000_000, to: 1_003_600 };

function panel(type: DrawnPanel["type"], defaults: Partial<DrawnPanel["fieldConfig"]["defaults"]> = {}, more: Partial<DrawnPanel> = {}): DrawnPanel {
  return { type, title: `a ${type}`, description: "What it is.", gridPos: { x: 0, y: 0, w: 8, h: 8 }, targets: [], transformations: [], fieldConfig: { defaults: { unit: "none", mappings: [], ...defaults }, overrides: [] }, ...more };
}

function course(name: string, values: readonly number[], labels: Record<string, string> = {}, refId = "A"): Course {
  return { name, refId, labels, points: values.map((value, index) => [span.from + (index * 3600) / Math.max(1, values.length - 1), value] as const) };
}

const page = (...panels: BoardData["panels"]): string => boardPage({ title: "Board", description: "All of it.", panels }, span, "dev-test.");
/** The page's body without its tags. */
const textOf = (html: string): string => html.slice(html.indexOf("<main>")).replaceAll(/<title>[^<]*<\/title>/g, "").replaceAll(/<[^>]+>/g, " ").replaceAll(/\s+/g, " ");

describe("values as people read them", () => {
  test.each([
    [86.8, "percent", undefined, "86.8 %"],
    [0.3, "percentunit", undefined, "30 %"],
    [0.0002, "s", undefined, "200 µs"],
    [0.005, "s", undefined, "5 ms"],
    [95, "s", 0, "95 s"],
    [1200, "s", undefined, "20 min"],
    [28_800, "s", 0, "8 h"],
    [2_592_000, "s", undefined, "30 d"],
    [-90, "s", undefined, "-90 s"],
    [0, "s", undefined, "0 s"],
    [2 ** 30, "bytes", undefined, "1 GiB"],
    [2048, "mbytes", undefined, "2 GiB"],
    [21e6, "Bps", undefined, "21 MB/s"],
    [2120, "watt", undefined, "2.12 kW"],
    [765, "joule", 0, "765 J"],
    [70.4, "celsius", 0, "70 °C"],
    [1.375, "none", 2, "1.38"],
    [12_000, "none", undefined, "12,000"],
    [1e10, "suffix: /s", undefined, "10 G /s"],
    [864.4, "suffix: tokens/s", undefined, "864 tokens/s"],
    [Number.NaN, "watt", undefined, "no value"],
  ] as const)("%d in %s", (value, unit, decimals, text) => {
    expect(formatted(value, unit, decimals)).toBe(text);
  });

  test("steps of an axis are round in the unit that is shown", () => {
    expect(ticks(0, 100)).toEqual([0, 25, 50, 75, 100]);
    expect(ticks(1, 1.5)).toEqual([1, 1.2, 1.4]);
    expect(ticks(0, 0.0054)).toEqual([0, 0.002, 0.004]);
    expect(roundIn(30 * 2 ** 40, "bytes")).toBe(2 ** 40);
    expect(roundIn(80_000, "mbytes")).toBe(2 ** 10);
    expect(roundIn(9 * 3600, "s")).toBe(3600);
    expect(roundIn(500, "watt")).toBe(1);
  });
});

describe("a board's page", () => {
  test("asks for nothing: no script, no file, no address", () => {
    const html = page({ panel: panel("timeseries"), courses: [course("a", [1, 2, 3])] }, { panel: panel("text", {}, { options: { content: "x" } }), courses: [] });
    expect(html).not.toMatch(/<script|<link|<img|@import|url\(|https?:/);
    expect(html).toContain("default-src 'none'");
  });

  test("lets no label be markup", () => {
    const html = page({ panel: panel("timeseries", {}, { title: "<i>t</i>", description: '"><script>' }), courses: [course("<img src=x>", [1, 2])] });
    expect(html).not.toMatch(/<i>|<script|<img/);
    expect(html).toContain("&lt;img src=x&gt;");
  });

  test("gives every panel its title and what it is", () => {
    const html = page({ panel: panel("stat"), courses: [course("a", [1])] });
    expect(html).toContain("a stat</h3>");
    expect(html.match(/What it is\./g)).toHaveLength(3);
  });

  test("draws the limit of a course over time where it stands, dashed and in words", () => {
    const limited = panel("timeseries", { unit: "percent", min: 0, max: 100, thresholds: { steps: [{ value: null, color: "red" }, { value: 50, color: "transparent" }] } });
    const html = page({ panel: limited, courses: [course("GPU 0", [50, 50])] });
    const line = /class="line s1" d="M[\d.]+,([\d.]+)/.exec(html)?.[1];
    expect(line).toBeDefined();
    expect(/class="limit"[^>]*y1="([\d.]+)"/.exec(html)?.[1]).toBe(line);
    expect(textOf(html)).toContain("limit 50 %");
    expect(textOf(html)).toContain("GPU 0 50 %");
  });

  test("breaks a line where nothing was measured", () => {
    const gap: Course = { name: "a", refId: "A", labels: {}, points: [[span.from, 1], [span.from + 15, 1], [span.to - 15, 1], [span.to, 1]] };
    const path = /class="line s1" d="([^"]*)"/.exec(page({ panel: panel("timeseries"), courses: [gap] }))?.[1] ?? "";
    expect(path.replaceAll(/[\d.,]/g, "")).toBe("MLML");
  });

  test("puts stacked courses one on top of the other", () => {
    const stacked = panel("timeseries", { min: 0, max: 4, custom: { stacking: { mode: "normal" } } });
    const html = page({ panel: stacked, courses: [course("a", [2, 2]), course("b", [1, 1])] });
    const top = (series: string): number => Number(new RegExp(`class="line ${series}" d="M[\\d.]+,([\\d.]+)`).exec(html)?.[1]);
    const height = 8 * 30 - 74 - 12 - 22;
    expect(top("s1")).toBeCloseTo(12 + height / 2, 0);
    expect(top("s2")).toBeCloseTo(12 + height / 4, 0);
  });

  test("gives colours to the eight largest courses and counts the others", () => {
    const html = page({ panel: panel("timeseries"), courses: Array.from({ length: 11 }, (_, index) => course(`GPU ${index}`, [index, index])) });
    expect(textOf(html)).toContain("GPU 10 10 GPU 9 9");
    expect(textOf(html)).toContain("3 more");
    expect(html.match(/class="line rest"/g)).toHaveLength(3);
  });

  test.each([[0, "as it should be"], [1, "look here"]])("says of a tile's %d that it is %s, not by colour alone", (value, says) => {
    const tile = panel("stat", { thresholds: { steps: [{ value: null, color: "green" }, { value: 1, color: "red" }] } });
    expect(textOf(page({ panel: tile, courses: [course("silent", [value])] }))).toContain(says);
  });

  test("joins stretches of one state, and names it", () => {
    const states = panel("state-timeline", { mappings: [{ options: { 0: { text: "down", color: "red" }, 1: { text: "up", color: "green" } } }] });
    const html = page({ panel: states, courses: [course("eno1", [1, 1, 1, 0, 1])] });
    expect(html.match(/<g class="good">/g)).toHaveLength(2);
    expect(html.match(/<g class="bad">/g)).toHaveLength(1);
    expect(html).toContain("eno1: down, 14:31 to 14:46");
  });

  test("makes one row of a table of all queries with the same keys", () => {
    const table = panel("table", {}, {
      targets: [{ refId: "A", expr: "a", legendFormat: "", instant: true }, { refId: "B", expr: "b", legendFormat: "", instant: true }],
      transformations: [{ id: "merge", options: {} }, { id: "organize", options: { renameByName: { server: "Server", "Value #A": "Draw", "Value #B": "Heat" } } }],
      fieldConfig: { defaults: { unit: "none", mappings: [] }, overrides: [{ matcher: { options: "Draw" }, properties: [{ id: "unit", value: "watt" }] }] },
    });
    const html = page({ panel: table, courses: [course("", [700], { server: "gpu-10" }), course("", [600], { server: "gpu-2" }), course("", [70], { server: "gpu-10" }, "B")] });
    expect(textOf(html)).toContain("Server Draw Heat gpu-2 600 W gpu-10 700 W 70");
  });

  test("says where there is nothing to draw", () => {
    expect(textOf(page({ panel: panel("timeseries"), courses: [] }))).toContain("No data in this time.");
  });
});
