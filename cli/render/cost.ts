import { gpu } from "../../components/catalog";
import type { CostPlan, OfferCost, Range } from "../../components/cost";
import { table } from "../table";
import type { Terminal } from "../terminal";
import { wrap } from "../text";
import { breakEvenText, budgetText, moneyRange, percent, plotScale, pricePerHour, savingText, tierTitles } from "./cost-words";

const lineWidth = 80;
const barWidth = 46;
const labelWidth = 15;

const wrapped = (text: string, first: string): string => wrap(text, first, lineWidth);

const amount = (value: number): string => moneyRange({ low: value, high: value });

function ownTable(plan: CostPlan): string {
  const { own } = plan;
  const row = (what: string, { low, high }: Range): string[] => [what, amount(low).padStart(12), amount(high).padStart(12)];
  return table(
    [
      [`owning for ${plan.years} years, ${plan.currency}`, "cheap case".padStart(12), "dear case".padStart(12)],
      row("servers", own.servers), row("network", own.network), row("power and cooling", own.power), row("people", own.people),
      row("maintenance and spares", own.maintenance), row("less what is left of it", own.residual), row("total", own.total),
    ],
    "  ",
  );
}

function serverRows(plan: CostPlan): string {
  const alike = new Map<string, { names: string[]; row: string[] }>();
  for (const { server, basis, total, gpus } of plan.servers) {
    const how = { stated: "as stated", system: "price of the whole server", parts: gpus === undefined ? "sum of parts" : `sum of parts, GPUs ${moneyRange(gpus)}` }[basis];
    const row = [moneyRange(total), how];
    const found = alike.get(row.join());
    if (found === undefined) alike.set(row.join(), { names: [server], row });
    else found.names.push(server);
  }
  return table([...alike.values()].map(({ names, row }) => [names.length === 1 ? (names[0] ?? "") : `${names[0] ?? ""} and ${names.length - 1} alike`, ...row]), "  ");
}

const offer = (offers: readonly OfferCost[], wanted: OfferCost["offer"]): OfferCost | undefined => offers.find((each) => each.offer === wanted);

function tierTables(plan: CostPlan): string {
  const columns = ["on-demand", "on-demand-with-extras", "reserved", "reserved-with-extras"] as const;
  const cells = (cell: (of: OfferCost) => string) => plan.tiers.map(({ tier, offers }) => [tierTitles[tier], ...columns.map((column) => { const of = offer(offers, column); return of === undefined ? "" : cell(of); })]);
  const head = (title: string): string[] => [title, "on demand", "with extras", "reserved", "with extras"];
  return [
    table([head(`${plan.currency} a GPU-hour`), ...cells(({ perGpuHour }) => pricePerHour(perGpuHour))], "  "),
    table([head("owning pays"), ...cells(({ breakEven }) => breakEvenText(breakEven))], "  "),
    table([head("without people"), ...cells(({ breakEvenWithoutPeople }) => breakEvenText(breakEvenWithoutPeople))], "  "),
  ].join("\n");
}

/** What the words in the tables mean, where they appear. */
function legend({ tiers }: CostPlan): string {
  const verdicts = new Set(tiers.flatMap(({ offers }) => offers.flatMap(({ breakEven, breakEvenWithoutPeople }) => [breakEven.verdict, breakEvenWithoutPeople.verdict])));
  return [
    ...(verdicts.has("from") ? ["from x to y: used less than x, renting is cheaper in every case; used more than y, owning is"] : []),
    ...(verdicts.has("at-best") ? ["at best: in the cheap case; in the dear case no use is enough"] : []),
    ...(verdicts.has("undecided") ? ["undecided: all reserved hours are paid, used or not, and the two ranges overlap"] : []),
  ].map((line) => wrapped(line, "  ")).join("");
}

/** Where a range lies on a line of the plot; `>` where it goes on beyond. */
function bar({ low, high }: Range, scale: number, mark: string): string {
  const from = Math.round((low / scale) * barWidth);
  if (from >= barWidth) return `${" ".repeat(barWidth)}>`;
  const to = Math.max(from + 1, Math.round((Math.min(high, scale) / scale) * barWidth));
  return `${" ".repeat(from)}${mark.repeat(to - from)}${high > scale ? ">" : ""}`;
}

function plot(plan: CostPlan, style: Terminal["style"]): string {
  const scale = plotScale(plan);
  const line = (label: string, range: Range, mark: string, colour: "cyan" | "yellow"): string => `  ${label.padEnd(11)} ${pricePerHour(range).padStart(labelWidth)} |${style(colour, bar(range, scale, mark))}\n`;
  const half = `${Number((scale / 2).toPrecision(3))}`;
  const axis = `0${half.padStart(barWidth / 2 - 1 + Math.floor(half.length / 2))}`.padEnd(barWidth - 1) + `${Number(scale.toPrecision(3))}`;
  return [
    wrapped(`${plan.currency} for one GPU and one hour of use, by utilisation: = owning, - a cloud's price on demand`, "  "),
    `  ${"".padEnd(11)} ${"".padStart(labelWidth)}  ${axis}\n`,
    ...plan.byUtilization.map(({ utilization, perGpuHour }) => line(`used ${percent(utilization)}`, perGpuHour, "=", "cyan")),
    ...plan.tiers.map(({ tier, offers }) => line(tierTitles[tier], offer(offers, "on-demand")?.perGpuHour ?? { low: 0, high: 0 }, "-", "yellow")),
  ].join("");
}

function utilizationText(plan: CostPlan): string {
  const at = plan.byUtilization.find(({ utilization }) => utilization === plan.utilization);
  if (at === undefined) return "";
  const rows = plan.tiers.map(({ tier, offers }) => [`  ${tierTitles[tier]}`, moneyRange(offer(offers, "on-demand")?.total ?? { low: 0, high: 0 }), moneyRange(offer(offers, "on-demand-with-extras")?.total ?? { low: 0, high: 0 })]);
  const own = wrapped(`Used ${percent(plan.utilization)} of the time, a GPU-hour costs ${pricePerHour(at.perGpuHour)} ${plan.currency}, ${pricePerHour(at.perGpuHourWithoutPeople)} without people.`, "");
  return own + (rows.length === 0 ? "" : `The same use rented for ${plan.years} years, ${plan.currency}:\n${table([["  ", "on demand", "with extras"], ...rows])}`);
}

function claims({ budget, saving, currency }: CostPlan): string {
  const [first, ...tiers] = saving === undefined ? [] : savingText(saving);
  return [
    ...(budget === undefined ? [] : [wrapped(budgetText(budget, currency), "  - ")]),
    ...(first === undefined ? [] : [wrapped(first, "  - ")]),
    ...tiers.map((tier) => wrapped(tier, "      ")),
  ].join("");
}

/** The pages of `rackwright cost`, 80 columns wide, plain but for bold and colour on a terminal. */
export function renderCost(name: string, plan: CostPlan, style: Terminal["style"]): string {
  const gpus = Object.entries(plan.gpus).map(([id, count]) => `${count}x ${gpu(id)?.name ?? id}`);
  const servers = `${plan.servers.length} server${plan.servers.length === 1 ? "" : "s"}`;
  const head = wrapped(`${style("bold", name)}  ${servers}, ${gpus.length === 0 ? "no GPUs" : gpus.join(", ")}, ${plan.averageKilowatts.low.toFixed(1)} to ${plan.averageKilowatts.high.toFixed(1)} kW at work`, "");
  const missing = plan.missing.map(({ server, parts }) => style("red", wrapped(`${server}: no price is known of ${parts.join(", ")}. All totals are without it, and nothing is compared. Write servers.${server}.price.`, "  ")));
  const notUsed = plan.unconverted.length === 0 ? "" : style("yellow", wrapped(`Not used, for no exchange rate is stated: ${plan.unconverted.join(", ")}. Write site.currencyPerUsd, or give --currency-per-usd. Figures are in US dollars.`, "  "));
  const sections = [head + missing.join("") + notUsed, serverRows(plan)];
  sections.push(ownTable(plan));
  if (plan.gpuCount > 0) sections.push(plot(plan, style), utilizationText(plan));
  if (plan.tiers.length > 0) sections.push(tierTables(plan) + legend(plan));
  for (const { tier, gpus: without } of plan.unpricedTiers) sections.push(wrapped(`${tierTitles[tier]}: not compared, for no price was found of ${without.join(", ")}. --cloud-price states one.`, ""));
  if (plan.budget !== undefined || plan.saving !== undefined) sections.push(`${style("bold", "The guide's claims")}\n${claims(plan)}`);
  sections.push(`${style("bold", "Assumed")}\n${[...plan.notes, ...plan.tiers.map(({ tier, sources }) => `${tierTitles[tier]} prices: ${sources.join("; ")}`)].map((note) => wrapped(note, "  - ")).join("")}`);
  return sections.join("\n");
}
