import { describe, expect, it } from "vitest";
import { renderVerdict } from "../../cli/render/verdict";
import { Checks, joinVerdicts, must, type Verdict } from "../../rehearsal/verdict";

const verdict = (more: Partial<Verdict>): Verdict => ({
  environment: "site", ok: true, servers: ["gpu-01"], leftOut: [], checks: [{ name: "one", ok: true, detail: "", seconds: 1 }], notMade: [], standIns: [{ what: "a", standsInFor: "b" }], seconds: 2, ...more,
});
const failed = { name: "two", ok: false, detail: "planned on a, placed on b", seconds: 1 };

describe("checks", () => {
  it("keep what was seen, and what was not", async () => {
    const checks = new Checks(() => undefined);
    expect(checks.ok).toBe(false);
    expect(await checks.make("good", () => Promise.resolve("seen"))).toBe(true);
    expect(checks.ok).toBe(true);
    expect(await checks.make("bad", () => Promise.resolve().then(() => { must(false, "not seen"); return ""; }))).toBe(false);
    expect(checks.list.map(({ ok, detail }) => [ok, detail])).toEqual([[true, "seen"], [false, "not seen"]]);
    expect(checks.ok).toBe(false);
  });

  it("say nothing of what was cut off", async () => {
    const stop = new AbortController();
    const checks = new Checks(() => undefined, stop.signal);
    const cutOff = checks.make("up", () => {
      stop.abort();
      return Promise.reject(new Error("up failed"));
    });
    await expect(cutOff).rejects.toThrow("The rehearsal was stopped.");
    await expect(checks.make("next", () => Promise.resolve(""))).rejects.toThrow("The rehearsal was stopped.");
    expect(checks.list).toEqual([]);
  });
});

describe("one verdict of several", () => {
  it("is good where all are, and has everything of each", () => {
    const joined = joinVerdicts([verdict({}), verdict({ servers: ["gpu-01", "gpu-02"], leftOut: ["gpu-03"], standIns: [{ what: "a", standsInFor: "b" }, { what: "c", standsInFor: "d" }], seconds: 5 })]);
    expect(joined).toMatchObject({ environment: "site", ok: true, servers: ["gpu-01", "gpu-02"], leftOut: ["gpu-03"], seconds: 7 });
    expect(joined.checks).toHaveLength(2);
    expect(joined.standIns).toEqual([{ what: "a", standsInFor: "b" }, { what: "c", standsInFor: "d" }]);
  });

  it("is not good where one is not, or where there is none", () => {
    expect(joinVerdicts([verdict({}), verdict({ ok: false, checks: [failed], notMade: ["destroy"] })])).toMatchObject({ ok: false, notMade: ["destroy"] });
    expect(joinVerdicts([]).ok).toBe(false);
  });

  it("is shown with each failure's reason and with what was not made", () => {
    const text = renderVerdict(joinVerdicts([verdict({}), verdict({ ok: false, checks: [failed], notMade: ["destroy"] })]), (_name, each) => each);
    expect(text).toContain("two: planned on a, placed on b");
    expect(text).toContain("not made  destroy");
    expect(text).toContain("Verdict: NOT GOOD, 1 of 3 checks, 4 s.");
    expect(text.match(/for b/g)).toHaveLength(1);
  });
});
