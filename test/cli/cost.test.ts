import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cost, type CostCommandOptions } from "../../cli/commands/cost";
import { CliError } from "../../cli/exit";
import { environmentNames, loadEnvironment } from "../../cli/project";
import { renderCost } from "../../cli/render/cost";
import { costSvg } from "../../cli/render/cost-svg";
import { breakEvenText, moneyRange, percent, pricePerHour } from "../../cli/render/cost-words";
import { planCost, type CostPlan } from "../../components/cost";
import { ProjectCopy } from "../support/project-copy";
import { plainTerminal } from "../support/paper";

const folder = mkdtempSync(path.join(tmpdir(), "rackwright-cost-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plain = (_: string, text: string): string => text;

async function run(name: string, options: CostCommandOptions = {}): Promise<{ code: number; text: string }> {
  let text = "";
  const terminal = plainTerminal((more) => void (text += more));
  try {
    return { code: await cost(terminal, name, options), text };
  } catch (error) {
    if (error instanceof CliError) return { code: error.code, text: error.message };
    throw error;
  }
}

/** The same environment with GPUs of which no price is known. */
function unpricedPlan(): CostPlan {
  const { environment } = loadEnvironment("edge");
  return planCost({ ...environment, servers: Object.fromEntries(Object.entries(environment.servers).map(([name, server]) => [name, { ...server, gpus: { model: "h100-nvl", count: 1, nvlink: "none" } }])) });
}

describe("rackwright cost", () => {
  it.each(environmentNames())("of %s fits 80 columns, and a pipe gets no escapes", async (name) => {
    for (const options of [{}, { currencyPerUsd: "7", years: "3", utilization: "33", colocation: true, cloudPrice: "0.5-20" }]) {
      const { code, text } = await run(name, options);
      expect(code).toBe(0);
      for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
      expect(text).not.toContain("\u001b");
      for (const wrong of ["NaN", "undefined", "Infinity"]) expect(text).not.toContain(wrong);
    }
  });

  it("says totals, cost by utilisation, break-evens and what was assumed", async () => {
    const { text } = await run("large-cluster");
    for (const part of ["owning for 5 years, USD", "servers                     1,210,000     1,440,000", "people                        100,000       250,000", "owning pays", "hyperscaler  from 23 to 56 %  from 15 to 43 %  undecided  always", "The guide's claims", "Assumed", "facts 9: 300,000 to 350,000 for a server of eight"]) expect(text).toContain(part);
  });

  it("draws owning and each tier on one scale", async () => {
    const { text } = await run("sme-production");
    const bars = [...text.matchAll(/^ {2}(used \d+ %|hyperscaler|specialty|long tail) +(\S+) \|([ =>-]*)$/gm)].map(([, label, price, bar = ""]) => ({ label, price, bar }));
    expect(bars.map(({ label }) => label)).toEqual(["used 5 %", "used 10 %", "used 20 %", "used 30 %", "used 40 %", "used 50 %", "used 60 %", "used 70 %", "used 80 %", "used 90 %", "used 100 %", "hyperscaler", "specialty", "long tail"]);
    // The axis ends at 5 and is 46 wide.
    expect(bars.find(({ label }) => label === "hyperscaler")).toEqual({ label: "hyperscaler", price: "1.50-3.00", bar: `${" ".repeat(14)}${"-".repeat(14)}` });
    expect(bars[0]?.bar).toBe(`${" ".repeat(46)}>`);
  });

  it("names what could not be used without a rate, and uses it with one", async () => {
    expect((await run("dev-test")).text).toContain("Not used, for no exchange rate is stated: site.power.pricePerKWh.");
    const { text } = await run("dev-test", { currencyPerUsd: "7" });
    expect(text).toContain("owning for 5 years, CNY");
    expect(text).not.toContain("Not used");
    expect(text).toContain("1 USD is taken as 7 CNY, as stated");
    expect(text).toMatch(/budget 25,000 to 35,000 CNY .*too little\s+even for the cheap case/s);
  });

  it("names GPUs without a price, and what to write, and compares nothing", () => {
    const text = renderCost("edge", unpricedPlan(), plain).replace(/\s+/g, " ");
    expect(text).toContain("edge-01: no price is known of 1x NVIDIA H100 NVL. All totals are without it, and nothing is compared. Write servers.edge-01.price.");
    expect(text).not.toContain("owning pays");
  });

  it("ends with 1 where something has no price", async () => {
    const project = new ProjectCopy();
    project.writeStack("unpriced", readFileSync(path.join(project.folder, "stacks/Pulumi.edge.yaml"), "utf8").replace("model: l40s, count: 1", "model: h100-nvl, count: 1"));
    const { code, stdout, stderr } = await project.run(["cost", "unpriced"]);
    project.remove();
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(stdout).toContain("no price is known of 1x NVIDIA H100 NVL");
  });

  it("colours only where the terminal does", () => {
    const marked = renderCost("edge", planCost(loadEnvironment("edge").environment), (style, text) => `<${style}>${text}</>`);
    expect(marked).toContain("<bold>The guide's claims</>");
    expect(marked).toMatch(/\|<cyan> *=+/);
  });

  it("prints one JSON document with all of it", async () => {
    const { code, text } = await run("edge", { json: true, years: "3", people: "0", cloudPrice: "1.2-1.9" });
    const plan = JSON.parse(text) as CostPlan & { environment: string };
    expect(code).toBe(0);
    expect(plan).toMatchObject({ environment: "edge", currency: "USD", years: 3, gpus: { l40s: 1 }, own: { people: { low: 0, high: 0 } } });
    expect(plan.tiers.map(({ tier }) => tier)).toEqual(["hyperscaler", "specialty", "long-tail", "stated"]);
    expect(plan.ownWithoutPeople).toEqual(plan.own.total);
  });

  it("writes the curve as one SVG document that fetches nothing and knows light and dark", async () => {
    const file = path.join(folder, "cost.svg");
    expect((await run("sme-production", { plot: file })).code).toBe(0);
    const svg = readFileSync(file, "utf8");
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" /);
    expect(svg).toContain("prefers-color-scheme: dark");
    expect(svg.match(/https?:/g)).toHaveLength(1);
    expect(svg).not.toMatch(/<script|href=|NaN|undefined|Infinity/);
    expect(svg.match(/<rect class="cloud"/g)).toHaveLength(4);
    expect(svg).toContain("specialty 1.10-1.50: owning pays from 41 % at best");
  });

  it("keeps markup out of the SVG", () => {
    expect(costSvg('<a href="x">&', planCost(loadEnvironment("edge").environment))).toContain("&lt;a href=&quot;x&quot;&gt;&amp;: owning against renting");
  });

  it.each([
    ["an unknown environment", "egde", {}, "Did you mean edge?"],
    ["years below one", "edge", { years: "0" }, "--years must be years from 1 to 15, got \"0\""],
    ["years that are no number", "edge", { years: "five" }, "--years must be years from 1 to 15"],
    ["a utilisation above 100", "edge", { utilization: "101" }, "--utilization must be a percentage from 1 to 100"],
    ["a utilisation of nothing", "edge", { utilization: "" }, "--utilization must be a percentage"],
    ["a rate of zero", "edge", { currencyPerUsd: "0" }, "--currency-per-usd must be the amount of CNY for one US dollar, above 0"],
    ["a range upside down", "edge", { people: "9-8" }, "--people must be an amount in US dollars, or two with a hyphen between, the lower first"],
    ["a cloud that costs nothing", "edge", { cloudPrice: "0" }, "--cloud-price must be"],
    ["a file that cannot be written", "edge", { plot: "/nowhere/cost.svg" }, "--plot: /nowhere/cost.svg cannot be written (ENOENT)"],
  ] as const)("ends with 2 and advice at %s", async (_, name, options, advice) => {
    const { code, text } = await run(name, options);
    expect(code).toBe(2);
    expect(text).toContain(advice);
  });
});

describe("words for amounts", () => {
  it("have no more figures than an estimate has", () => {
    expect([moneyRange({ low: 1234, high: 123_456 }), moneyRange({ low: 1001, high: 1002 }), pricePerHour({ low: 0.5, high: 0.504 }), pricePerHour({ low: 1, high: 130.4 }), percent(0.004), percent(0.416)]).toEqual(["1,200 to 123,000", "1,000", "0.50", "1.00-130", "0.4 %", "42 %"]);
  });

  it.each([
    ["never", { low: 1.2, high: 3, verdict: "never" }],
    ["always", { low: 0.001, high: 0.005, verdict: "always" }],
    ["undecided", { low: 0.5, high: 2, verdict: "undecided" }],
    ["from 41 % at best", { low: 0.41, high: 1.2, verdict: "at-best" }],
    ["from 41 to 93 %", { low: 0.41, high: 0.93, verdict: "from" }],
    ["from 41 %", { low: 0.411, high: 0.412, verdict: "from" }],
  ] as const)("say %s", (text, breakEven) => {
    expect(breakEvenText(breakEven)).toBe(text);
  });
});
