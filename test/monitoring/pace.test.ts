import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDuration, longestMilliseconds, paced, pacedConfig, pacedPings, pacedQuery, paceOf, parseDuration, scrapesInRange, shortestIntervalMilliseconds } from "../../rehearsal/monitoring/pace";

const sixty = paceOf(60, "15s");

describe("durations", () => {
  it.each([["15s", 15_000], ["1h30m", 5_400_000], ["500ms", 500], ["1d", 86_400_000], ["0", 0]])("reads %s", (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each(["", "15", "s", "1.5h", "15 s"])("refuses %j", (text) => {
    expect(() => parseDuration(text)).toThrow("is not a duration");
  });

  it("reads what it writes", () => {
    fc.assert(fc.property(fc.nat(1e9), (milliseconds) => parseDuration(formatDuration(milliseconds)) === milliseconds));
  });
});

describe("a query at a pace", () => {
  it.each([
    ["rate(a[15m])", "rate(a[15s])"],
    ["avg_over_time(a:b:rate5m[10m]) offset 1h > 15", "avg_over_time(a:b:rate5m[10s]) offset 60s > 15"],
    ["max_over_time(rate(a[5m])[1h:5m])", "max_over_time(rate(a[5s])[20s:5s])"],
    ["max_over_time(a[1h:])", "max_over_time(a[20s:])"],
    ["a offset -5m", "a offset -5s"],
    ['a{b="[5m] offset 5m", c=\'[1h]\'}', 'a{b="[5m] offset 5m", c=\'[1h]\'}'],
    ['label_replace(a, "x", "\\"[5m]", "y", "(.+)")', 'label_replace(a, "x", "\\"[5m]", "y", "(.+)")'],
    ["sum by (offset) (a) > 3600", "sum by (offset) (a) > 3600"],
    ["a # [5m]\n+ rate(b[5m])", "a # [5m]\n+ rate(b[5s])"],
  ])("%s", (query, expected) => {
    expect(pacedQuery(query, sixty)).toBe(expected);
  });

  it("keeps four scrapes in every range, and never makes one longer", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 5, max: 60 }), fc.integer({ min: 1, max: 86_400 }), (factor, scrape, range) => {
        const pace = paceOf(factor, `${scrape}s`);
        const [, now = ""] = /\[(\w+)\]/.exec(pacedQuery(`rate(a[${range}s])`, pace)) ?? [];
        const milliseconds = parseDuration(now);
        expect(milliseconds).toBeLessThanOrEqual(range * 1000);
        expect(milliseconds).toBeGreaterThanOrEqual(Math.min(range * 1000, Math.floor(scrapesInRange * pace.scrapeMilliseconds)));
      }),
    );
  });

  it("is as it was in real time", () => {
    fc.assert(fc.property(fc.string(), (query) => pacedQuery(query, paceOf(1, "15s")) === query));
  });
});

const rules = {
  groups: [
    {
      name: "some",
      interval: "1m",
      rules: [
        { record: "a:b", expr: "rate(a[5m])", labels: { for: "5m", interval: "1m" } },
        { alert: "Low", expr: "a:b < 15", for: "15m", labels: { severity: "warning" }, annotations: { summary: "for 15m below [5m]", action: "wait 5m" } },
      ],
    },
  ],
};

describe("a configuration at a pace", () => {
  it("divides waits, turns and ranges, and nothing else", () => {
    const { config, divided } = pacedConfig(rules, sixty);
    expect(config).toEqual({
      groups: [
        {
          name: "some",
          interval: "1s",
          rules: [
            { record: "a:b", expr: "rate(a[5s])", labels: { for: "5m", interval: "1m" } },
            { alert: "Low", expr: "a:b < 15", for: "15s", labels: { severity: "warning" }, annotations: { summary: "for 15m below [5m]", action: "wait 5m" } },
          ],
        },
      ],
    });
    expect(divided).toEqual([
      { where: "groups[some].interval", from: "1m", to: "1s" },
      { where: "groups[some].rules[a:b].expr", from: "5m", to: "5s" },
      { where: "groups[some].rules[Low].for", from: "15m", to: "15s" },
    ]);
  });

  it("is the same data in real time", () => {
    expect(pacedConfig(rules, paceOf(1, "15s"))).toEqual({ config: rules, divided: [] });
  });

  it("waits no longer than 20 s for an alert that waits a day", () => {
    const { config } = pacedConfig({ rules: [{ alert: "Slow", expr: "delta(a[1d]) > 0", for: "1d" }] }, sixty);
    expect(longestMilliseconds).toBe(20_000);
    expect(config).toEqual({ rules: [{ alert: "Slow", expr: "delta(a[20s]) > 0", for: "20s" }] });
  });

  it("scrapes no more often than programs can, and lets a scrape take its whole turn", () => {
    const { config } = pacedConfig({ global: { scrape_interval: "15s", scrape_timeout: "10s", evaluation_interval: "15s" }, scrape_configs: [{ job_name: "probe", scrape_interval: "2m", scrape_timeout: "10s" }] }, sixty);
    expect(shortestIntervalMilliseconds).toBe(500);
    expect(config).toEqual({ global: { scrape_interval: "500ms", scrape_timeout: "500ms", evaluation_interval: "500ms" }, scrape_configs: [{ job_name: "probe", scrape_interval: "2s", scrape_timeout: "2s" }] });
  });

  it("divides Alertmanager's waits, down to no wait at all", () => {
    const { config } = pacedConfig({ route: { group_wait: "30s", group_interval: "5m", repeat_interval: "4h", routes: [{ group_wait: "0s" }] } }, sixty);
    expect(config).toEqual({ route: { group_wait: "500ms", group_interval: "5s", repeat_interval: "240s", routes: [{ group_wait: "0s" }] } });
    expect(paced("0s", sixty)).toBe("0s");
  });
});

describe("pings at a pace", () => {
  it("come as often as the pace says, and no more often than every 20 ms", () => {
    expect(pacedPings("targets:\n  - hosts:\n      - 192.0.2.1\n    interval: 1s\n    size: 56\n", 20)).toBe("targets:\n  - hosts:\n      - 192.0.2.1\n    interval: 50ms\n    size: 56\n");
    expect(pacedPings("interval: 1s", 60)).toBe("interval: 20ms");
    expect(pacedPings("interval: 1s", 1)).toBe("interval: 1s");
  });
});
