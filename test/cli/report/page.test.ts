import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { planCost } from "../../../components/cost";
import { planStandby } from "../../../components/recovery/standby/plan";
import { planSite } from "../../../components/site";
import { ruleGroups } from "../../../components/monitoring/rules";
import { reportPage } from "../../../cli/report/page";
import type { Figure, Table } from "../../../cli/report/types";
import { durationText } from "../../../cli/report/words";
import { escaped, html } from "../../../cli/render/html";
import { rules } from "../../../policies/all";
import { stack, stackNames } from "../../cluster/environments";
import { hostile, reportOf, withTexts } from "./reports";

/** Objects anywhere in the data that a test wants. */
function all<T>(value: unknown, wanted: (object: object) => boolean): T[] {
  if (typeof value !== "object" || value === null) return [];
  return [...(wanted(value) ? [value as T] : []), ...Object.values(value).flatMap((each) => all<T>(each, wanted))];
}

const tables = (value: unknown): Table[] => all(value, (object) => "columns" in object && "rows" in object);
const figures = (value: unknown): Figure[] => all(value, (object) => "source" in object && "text" in object);
const row = (table: Table, first: string): readonly unknown[] => table.rows.find(([head]) => head === first) ?? [];
/** The page's words, without its tags. */
const wordsOf = (page: string): string => page.slice(page.indexOf("<body>")).replaceAll(/<[^>]+>/g, " ").replaceAll(/\s+/g, " ");

const sme = reportOf("sme-production");
const large = reportOf("large-cluster");

describe("markup", () => {
  test("escapes what is put in, not markup, and joins lists", () => {
    expect(html`<p title="${'"<&>\''}">${["a", html`<b>${"<"}</b>`, 3, undefined]}</p>`.text).toBe('<p title="&quot;&lt;&amp;&gt;&#39;">a<b>&lt;</b>3</p>');
  });

  test("shows control characters and changes of direction as what they are not", () => {
    expect(escaped("a\u0000\u0007\u202eb\u2066c\td\n")).toBe("a\ufffd\ufffd\ufffdb\ufffdc\td\n");
  });
});

describe.each(stackNames)("the report of %s", (name) => {
  const data = reportOf(name);
  const page = reportPage(data);

  test("needs nothing else: no script, no address that is fetched, a policy that allows its own style sheet alone", () => {
    expect(page.match(/<script|<link|<img|<iframe|<object|\ssrc=|<[^>]*\son[a-z]+=|@import|url\((?!#)|\sstyle="/g)).toBeNull();
    const [, style = ""] = /<style>([\s\S]*?)<\/style>/.exec(page) ?? [];
    const digest = createHash("sha256").update(style).digest("base64");
    const [, policy = ""] = /Content-Security-Policy" content="([^"]+)"/.exec(page) ?? [];
    expect(policy.replaceAll("&#39;", "'")).toBe(`default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`);
    expect([...page.matchAll(/href="([^"]*)"/g)].every(([, target = ""]) => target.startsWith("#"))).toBe(true);
  });

  test("has every section, in the table of contents as well", () => {
    for (const id of ["overview", "racks", "services", "storage", "network", "recovery", "alerts", "rules", "cost"]) {
      expect([id, page.includes(`<section id="${id}" aria-labelledby="${id}-title">`), page.includes(`<li><a href="#${id}">`)]).toEqual([id, true, true]);
    }
  });

  test("gives every figure a source", () => {
    expect(figures(data).length).toBeGreaterThan(20);
    for (const { text, source } of figures(data)) expect([text, source.length > 4]).toEqual([text, true]);
    for (const { caption, columns, rows: lines } of tables(data)) {
      columns.forEach(({ title, kind, source }, index) => {
        const own = lines.every((cells) => [cells[0], cells[index]].some((cell) => typeof cell === "object" && "source" in cell));
        if (kind === "number") expect([caption, title, source !== undefined || own]).toEqual([caption, title, true]);
      });
      for (const cells of lines) expect([caption, cells.length]).toEqual([caption, columns.length]);
    }
  });

  test("every number leads to a source in the same section, and every source is cited", () => {
    const cited = [...page.matchAll(/href="#([a-z]+-source-\d+)"/g)].map(([, id]) => id);
    const listed = [...page.matchAll(/<li id="([a-z]+-source-\d+)">/g)].map(([, id]) => id);
    expect(new Set(cited)).toEqual(new Set(listed));
    expect(new Set(listed).size).toBe(listed.length);
    for (const part of page.split("<section ").slice(1)) {
      const [, id = ""] = /^id="([a-z]+)"/.exec(part) ?? [];
      for (const [, section] of part.slice(0, part.indexOf("</section>")).matchAll(/href="#([a-z]+)-source/g)) expect(section).toBe(id);
    }
  });

  test("has all alerts with threshold and reason, all rules with their verdict, and the cost that the cost command reckons", () => {
    const environment = stack(name);
    const alerts = ruleGroups(environment, planSite(environment).workloads).flatMap((group) => group.alerts);
    const lines = data.alerts.groups.flatMap((group) => group.rows);
    expect(lines.map(([alert]) => alert)).toEqual(alerts.map((alert) => alert.name));
    expect(lines.map((line) => line[4])).toEqual(alerts.map(({ expr }) => ({ code: expr })));
    expect(lines.map((line) => line[3])).toEqual(alerts.map(({ meaning, reason }) => [meaning, `Why: ${reason}`]));
    expect(data.rules.areas.flatMap((area) => area.rows.map(([rule]) => rule)).sort()).toEqual(rules.map((rule) => rule.name).sort());
    expect(data.rules.areas.flatMap((area) => area.rows.map((line) => line.at(-1)))).toEqual(rules.map(() => ({ mark: "good", text: "holds" })));
    expect(data.cost.own.caption).toContain(planCost(environment).currency);
  });

  test("draws no part of a bar beyond its scale, and tells each bar in words", () => {
    for (const chart of [data.racks.power, data.services.memory, data.storage.capacity, data.alerts.count, data.cost.totals])
      for (const { label, total, parts } of chart.bars) expect([label, parts.reduce((sum, { value }) => sum + value, 0) <= total * 1.0051]).toEqual([label, true]);
    expect(page.match(/<svg(?![^>]*(role="img" aria-label="[^"]+"|aria-hidden="true"|focusable="false"))/g)).toBeNull();
  });

  test("any text is inert, whatever it says and wherever it stands", () => {
    const broken = reportPage(withTexts(data, () => hostile));
    expect(broken.match(/<(?:img|script|svg onload)/g)).toBeNull();
    expect(broken.includes("\u202e")).toBe(false);
    // Tags are those of the same page with harmless texts.
    const tagsOf = (text: string): string[] => [...text.matchAll(/<([a-z]+)[\s>]/g)].map(([, tag = ""]) => tag);
    expect(tagsOf(broken)).toEqual(tagsOf(reportPage(withTexts(data, () => "harmless"))));
  });
});

describe("what a report says", () => {
  test("racks: units, draw against every limit", () => {
    expect(sme.racks.racks).toEqual([expect.objectContaining({ name: "rack-a", heightUnits: 42, description: "Rack rack-a, 42 units, 10 taken: from the top gpu-02 in units 15 to 18, gpu-01 in units 10 to 13, store-01 in units 2 to 3." })]);
    expect(sme.racks.power.bars.map(({ label, result }) => [label, result])).toEqual([
      ["The room, at a PUE of 1.5", "5,124 W of 8,000 W, 64 %"], ["rack-a, the whole rack", "3,416 W of 6,000 W, 57 %"],
      ["gpu-01, gpu-02, each with one supply failed", "1,639 W of 2,400 W, 68 %"], ["store-01, with one supply failed", "138 W of 800 W, 17 %"],
    ]);
    expect(reportOf("edge").racks).toMatchObject({ racks: [], unracked: ["edge-01"] });
  });

  test("racks: what is over its limit says so", () => {
    const over = reportOf("sme-production", { change: ({ site }) => Object.assign(site.racks?.["rack-a"] ?? {}, { powerLimitWatts: 3000 }) });
    expect(over.racks.power.bars[1]).toMatchObject({ state: "bad", result: "3,416 W of 3,000 W, 114 %", parts: [{ value: 3000, fill: "first" }, { name: "over the limit", fill: "over" }] });
    expect(over.racks.power.legend).toContainEqual({ name: "over the limit", fill: "over" });
  });

  test("memory: parts of each replica's GPU add up to what is usable of it", () => {
    expect(sme.services.memory.bars.map(({ label, result }) => [label, result])).toEqual([
      ["assistant: 1 replica on gpu-01: 2x NVIDIA A100 80GB PCIe", "9.7 GiB left of 79.1 GiB a GPU"],
      ["assistant: 1 standby replica on gpu-02: 2x NVIDIA A100 80GB PCIe", "9.7 GiB left of 79.1 GiB a GPU"],
      ["document-classifier: 1 replica on gpu-01: 1x NVIDIA A100 80GB PCIe", "68.4 GiB left of 79.1 GiB a GPU"],
    ]);
    for (const { total, parts } of sme.services.memory.bars) expect(parts.reduce((sum, { value }) => sum + value, 0)).toBeCloseTo(total, -3);
    expect(sme.services.memory.bars[0]?.parts.map(({ name, text }) => [name, text])).toEqual([["weights", "19.7"], ["KV cache", "40.0"], ["activations and overhead", "3.4"], ["margin", "9.7"], ["left to others", "6.3"]]);
  });

  test("memory: replicas alike are one bar, one on the CPU says so", () => {
    expect(reportOf("quality-inspection").services.memory.bars.map(({ label }) => label)).toEqual(["defects: 4 replicas on gpu-01: 1x NVIDIA RTX 6000 Ada Generation each"]);
    expect(reportOf("edge").services.memory.bars[0]?.label).toBe("camera: 1 replica on edge-01: the CPU");
  });

  test("storage: level, drives, what is kept and what one drive takes along", () => {
    const [hot, warm] = sme.storage.tiers.rows;
    expect(hot).toEqual(["gpu-01", "hot", "/srv/hot", "RAID 0, 4x NVMe of 3.84 TB", "15.36 TB", "15.36 TB", ["copies of weights: assistant 42.3 GB, document-classifier 0.7 GB"], { mark: "warning", text: "all of it, read again from /srv/warm/models" }]);
    expect(warm).toEqual(["gpu-01", "warm", "/srv/warm", "RAID 10, 4x SATA SSD of 3.84 TB", "15.36 TB", "7.68 TB", ["model store: weights as they were published, in /srv/warm/models", "measurements, up to 100 GiB"], { mark: "good", text: "nothing: it survives 1 drive" }]);
    expect(sme.storage.tiers.rows.at(-1)?.[6]).toContain("images for a cold start");
    expect(large.storage.tiers.rows.flatMap((line) => line[6])).toContain("checkpoints of training jobs");
    expect(sme.storage.besides).toEqual([{ what: "In no tier", text: "1x SATA SSD of 480 GB each on gpu-01, gpu-02, store-01", source: "servers.<name>.drives in stacks/Pulumi.sme-production.yaml" }]);
    expect(reportOf("edge").storage.besides[0]).toMatchObject({ what: "Object store, the cold tier", text: "https://s3.plant.example, bucket rackwright-edge" });
    expect(reportOf("edge").storage.tiers.rows[0]?.[7]).toEqual({ mark: "warning", text: "all of it, read again from the object store's bucket rackwright-edge" });
  });

  test("storage: a warm tier that one drive destroys is no small matter", () => {
    const bare = reportOf("dev-test", { change: ({ servers }) => Object.assign(servers["gpu-01"]?.tiers?.warm ?? {}, { level: "raid0" }) });
    expect(bare.storage.tiers.rows[1]?.[7]).toEqual({ mark: "bad", text: "all 8 TB" });
  });

  test("network: cards, speeds, RDMA, addresses", () => {
    expect(large.network.picture.rows).toContainEqual({ label: "gpu-01, gpu-02, gpu-03, gpu-04", links: [{ network: "Ethernet", text: "100 Gbit/s" }, { network: "InfiniBand", text: "8x 400 Gbit/s" }] });
    expect(large.network.interfaces.rows).toContainEqual(["gpu-01, gpu-02, gpu-03, gpu-04", "ibs0 to ibs7, 8 interfaces", "400 Gbit/s", "InfiniBand"]);
    expect(row(sme.network.addresses, "gpu-02")).toEqual(["gpu-02", "10.20.0.12", "22"]);
    expect(row(sme.network.site, "Virtual address of the standby")[1]).toEqual({ text: "10.20.0.50", source: "recovery.standby.virtualAddress in stacks/Pulumi.sme-production.yaml" });
    expect(row(sme.network.site, "Internet")[1]).toMatchObject({ text: "nothing reaches it" });
    expect(row(reportOf("dev-test").network.site, "Internet")[1]).toMatchObject({ text: "hosts and services may reach it" });
  });

  test("recovery: the standby's worst cases against what is allowed, else what Kubernetes does by itself", () => {
    const budget = planStandby(stack("sme-production"), planSite(stack("sme-production")).workloads)?.budget ?? [];
    const { timeline } = sme.recovery.standby;
    expect(budget.length).toBeGreaterThan(3);
    expect(timeline?.rows.map(({ label }) => label)).toEqual(budget.map(({ title, seconds }) => `${title}: ${Number(seconds.toFixed(2))} s`));
    timeline?.rows.forEach(({ spans }, index) => expect(spans.at(-1)?.to).toBeCloseTo(budget[index]?.seconds ?? 0, 3));
    expect(timeline?.limit).toEqual({ at: 30, text: "allowed: 30 s" });
    expect(sme.recovery.standbyParts.rows.map(([failure, seconds]) => [failure, seconds])).toEqual(budget.map(({ title, seconds }) => [title, `${Number(seconds.toFixed(2))} s`]));
    expect(sme.recovery.services.rows).toEqual([
      ["assistant", "interactive", "gpu-01", "gpu-02", { mark: "good", text: "the standby answers within 30 s" }],
      ["document-classifier", "batch", "gpu-01", "nothing", { mark: "warning", text: "no answer until the server is back" }],
    ]);
    const none = reportOf("edge").recovery.standby;
    expect(none.timeline).toMatchObject({ end: 360, limit: { at: 30 }, rows: [{ label: "A server that crashes", spans: [{ from: 0, to: 50 }, { from: 50, to: 350 }] }] });
    expect(reportOf("edge").recovery.standbyParts.rows).toEqual([]);
    expect(none.about).toContain("No standby");
  });

  test("recovery: checkpoints, backups and rehearsals at their cadence", () => {
    expect(large.recovery.checkpoints.timeline).toMatchObject({ end: 7000, rows: [{ points: [2000, 3000, 4000, 5000, 6000], spans: [{ from: 6000, to: 7000, text: "at risk" }] }] });
    expect(sme.recovery.checkpoints.timeline).toBeUndefined();
    expect(sme.recovery.backup.timeline?.rows).toEqual([{ label: "7 daily", spans: [], points: [28, 27, 26, 25, 24, 23, 22] }, { label: "4 weekly", spans: [], points: [28, 21, 14, 7] }]);
    expect(sme.recovery.coldStart.timeline).toMatchObject({ end: 360, rows: [{ points: [90, 180, 270, 360] }], limit: { at: 180 } });
  });

  test("alerts: who is told, and that nobody is", () => {
    expect([...sme.alerts.receivers].sort()).toEqual(["on-duty (chat, from critical on)", "operations (email, from warning on)"]);
    expect(wordsOf(reportPage(reportOf("dev-test")))).toContain("Nobody is told of them: name somebody in monitoring.receivers.");
    expect(wordsOf(reportPage(reportOf("dev-test", { change: (input) => { input.monitoring = { enabled: false }; } })))).toContain("Monitoring is off");
  });

  test("cost: owning against renting, with what is left out", () => {
    expect(row(sme.cost.own, "")).toEqual([]);
    expect(sme.cost.own.rows.at(-1)?.[0]).toMatchObject({ text: "Total" });
    expect(sme.cost.totals.bars.map(({ label }) => label)).toEqual(["Owning", "Renting, hyperscaler, on demand with storage and traffic", "Renting, specialty, on demand with storage and traffic", "Renting, long tail, on demand with storage and traffic"]);
    expect(sme.cost.curve?.own).toHaveLength(99);
    expect(sme.cost.warnings).toEqual(["Not used, for no exchange rate is stated: site.power.pricePerKWh. Write site.currencyPerUsd. Figures are in US dollars."]);
  });

  test("a site without GPUs, services, racks and limits still has a page", () => {
    const bare = reportOf("edge", { change: (input) => {
      input.services = {};
      delete input.servers["edge-01"]?.gpus;
      delete input.servers["edge-01"]?.maxPowerWatts;
      delete input.site.power?.limitWatts;
    } });
    const words = wordsOf(reportPage(bare));
    for (const sentence of ["No service and no training job is placed.", "states no limit of the room", "No GPU, so that there is no cost of a GPU-hour."]) expect(words).toContain(sentence);
  });
});

describe("a report of what cannot be built", () => {
  const check = { policy: "standby-within-budget", level: "mandatory", severity: "high", resource: "sme-production", message: "recovery.standby.switchWithinSeconds: the standby may take 60 s" } as const;

  test("shows a violated rule in front, and its verdict in the rule's line", () => {
    const report = reportOf("sme-production", { ok: false, checks: [check, { ...check, policy: "gpu-with-ecc", level: "advisory" }] });
    expect(report.verdict).toEqual({ mark: "bad", text: "A mandatory rule is violated" });
    expect(report.rules.verdict).toEqual({ mark: "bad", text: `${rules.length} rules: 1 violated, 1 warning` });
    expect(report.rules.violated.rows).toEqual([["standby-within-budget", { mark: "bad", text: "violated" }, check.message], ["gpu-with-ecc", { mark: "warning", text: "warning" }, check.message]]);
    const lines = report.rules.areas.flatMap((area) => area.rows);
    expect(lines.find(([rule]) => rule === "standby-within-budget")?.at(-1)).toEqual({ mark: "bad", text: "violated" });
    expect(lines.find(([rule]) => rule === "three-tiers")?.at(-1)).toEqual({ mark: "good", text: "holds" });
  });

  test("with warnings alone it can be built", () => {
    expect(reportOf("sme-production", { checks: [{ ...check, level: "advisory" }] }).verdict).toEqual({ mark: "warning", text: "Can be built; see the warnings" });
  });

  test("where the plan failed, no rule is said to hold that was not judged", () => {
    const report = reportOf("sme-production", { ok: false, workloads: { services: {}, training: {} }, diagnostics: [{ severity: "error", message: "services.assistant: finds no place" }], checks: [check] });
    expect(report.problems).toEqual(["services.assistant: finds no place"]);
    expect(report.verdict.text).toBe("Cannot be built as written");
    const verdicts = new Set(report.rules.areas.flatMap((area) => area.rows.map((line) => JSON.stringify(line.at(-1)))));
    expect(verdicts).toEqual(new Set(['{"mark":"bad","text":"violated"}', '{"mark":"warning","text":"not judged"}']));
    expect(wordsOf(reportPage(report))).toContain("services.assistant: finds no place");
  });
});

test.each([[0, "0 s"], [45, "45 s"], [60, "1 min"], [90, "90 s"], [7200, "2 h"], [86_400, "1 d"], [129_600, "36 h"]])("%d seconds read %s", (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});
