import { accessSync, constants } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Browser } from "playwright-core";
import { reportPage } from "../../../cli/report/page";
import { stackNames } from "../../cluster/environments";
import { full } from "../../support/full";
import { chromiumPath, faultsOf, lookName, looks, startBrowser, type Faults, type Look } from "./browser";
import { hostile, reportOf, withTexts } from "./reports";

const names = full ? stackNames : (["sme-production"] as const);
const [wide, , , narrowDark, printed] = looks as [Look, Look, Look, Look, Look];
const seen = full ? looks : [wide, narrowDark];
const none: Faults = { console: [], requests: [], overflow: [], accessibility: [] };

let browser: Browser;
beforeAll(async () => {
  accessSync(chromiumPath, constants.X_OK);
  browser = await startBrowser();
});
afterAll(async () => browser.close());

describe.each(names)("the report of %s in Chromium", (name) => {
  const page = reportPage(reportOf(name));

  test.each(seen.map((look) => [lookName(look), look] as const))("%s: nothing on the console, nothing fetched, nothing beyond the edge, nothing that axe-core objects to", async (_name, look) => {
    expect(await faultsOf(browser, page, look)).toEqual(none);
  }, 180_000);
});

describe("a report in Chromium", () => {
  const whole = reportOf("edge");
  // Without its long tables: what is to be found is in any page.
  const data = { ...whole, alerts: { ...whole.alerts, groups: whole.alerts.groups.slice(0, 1) }, rules: { ...whole.rules, areas: whole.rules.areas.slice(0, 1) } };
  const page = reportPage(data);
  const unpoliced = page.replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, "");

  test("shows a figure's source on hover and on focus, and leads to it", async () => {
    await faultsOf(browser, page, wide, async (open) => {
      const cite = open.locator("#overview .cite").first();
      const tip = cite.locator(".tip");
      expect(await tip.isVisible()).toBe(false);
      await open.locator("#overview .figure").first().hover();
      expect(await tip.isVisible()).toBe(true);
      expect(await tip.textContent()).toBe("servers in stacks/Pulumi.edge.yaml");
      await open.mouse.move(0, 0);
      expect(await tip.isVisible()).toBe(false);
      await cite.focus();
      expect(await tip.isVisible()).toBe(true);
      await open.keyboard.press("Enter");
      expect(await open.locator("#overview-source-1:target").textContent()).toBe("servers in stacks/Pulumi.edge.yaml");
    });
  }, 120_000);

  test("prints its sources and their numbers, on white, also for a reader with a dark screen", async () => {
    await faultsOf(browser, page, printed, async (open) => {
      expect(await open.locator("#racks .sources").isVisible()).toBe(true);
      expect(await open.locator("#racks .cite").first().isVisible()).toBe(true);
      expect(await open.evaluate<string>("getComputedStyle(document.body).backgroundColor")).toBe("rgb(255, 255, 255)");
      expect((await open.pdf({ format: "A4" })).length).toBeGreaterThan(50_000);
    });
  }, 120_000);

  test("with hostile text everywhere runs nothing, fetches nothing and stays within its edges", async () => {
    const broken = reportPage(withTexts(data, (text) => (["good", "warning", "bad", "number", "wide", "first", "second", "third", "spare", "none", "over"].includes(text) ? text : hostile)));
    const faults = await faultsOf(browser, broken, { ...narrowDark, dark: false }, async (open) => {
      expect(await open.locator("img, script:not(:empty), iframe").count()).toBe(0);
    });
    expect({ ...faults, accessibility: [] }).toEqual(none);
  }, 180_000);

  test.each<readonly [string, keyof Faults, string, Look, RegExp]>([
    ["a picture without a label", "accessibility", page.replace(/ role="img" aria-label="Rehearsals|(<svg class="timeline"[^>]*) aria-label="[^"]*"/, "$1"), wide, /svg-img-alt/],
    ["a table's cell without its row", "accessibility", page.replace('<tr role="row">', '<tr role="presentation">'), wide, /aria-required-parent|aria-required-children/],
    ["low contrast", "accessibility", unpoliced.replace("--quiet:#57606b", "--quiet:#c9ced4"), wide, /color-contrast/],
    ["low contrast on a dark screen", "accessibility", unpoliced.replace("--quiet:#a5afba", "--quiet:#3a4048"), { ...wide, dark: true }, /color-contrast/],
    ["an error on the console", "console", unpoliced.replace("</main>", '<script>console.error("broken on purpose")</script></main>'), wide, /broken on purpose/],
    ["an exception", "console", unpoliced.replace("</main>", "<script>throw new Error('broken on purpose')</script></main>"), wide, /broken on purpose/],
    ["a script, which its policy refuses", "console", page.replace("</main>", "<script>1</script></main>"), wide, /Content Security Policy/],
    ["a style sheet that is not the one of its policy", "console", page.replace("--quiet:#57606b", "--quiet:#57606c"), wide, /Content Security Policy/],
    ["a remote request", "requests", unpoliced.replace("</main>", '<img alt="x" src="http://127.0.0.1:9/x.png"></main>'), wide, /127\.0\.0\.1:9/],
    ["a remote request, which its policy refuses", "console", page.replace("</main>", '<img alt="x" src="http://127.0.0.1:9/x.png"></main>'), wide, /Content Security Policy/],
    ["something too wide", "overflow", unpoliced.replace("</main>", '<p style="width:700px;max-width:none">x</p></main>'), narrowDark, /pixels wide/],
  ])("broken on purpose: %s is found", async (_what, kind, broken, look, says) => {
    expect([page, unpoliced]).not.toContain(broken);
    const faults = await faultsOf(browser, broken, look);
    expect(faults[kind].join("\n")).toMatch(says);
  }, 120_000);
});
