import { perGpuHour, type CostPlan, type OfferCost, type Range } from "../../../components/cost";
import { breakEvenText, budgetText, moneyRange, percent, plotScale, pricePerHour, savingText, tierTitles } from "../../render/cost-words";
import type { BarChart, Table } from "../types";

/** Cost of a GPU-hour by how much the GPUs work. Shares of the whole, 0 to 1, in x; money in y. */
export interface CostCurve {
  title: string;
  description: string;
  currency: string;
  /** Upper end of the money's axis. */
  scale: number;
  own: { utilization: number; low: number; high: number }[];
  clouds: { title: string; name: string; low: number; high: number }[];
}

export interface CostData {
  currency: string;
  years: number;
  /** What every total leaves out, and what was not compared. Empty where nothing is. */
  warnings: string[];
  own: Table;
  totals: BarChart;
  /** Absent where the environment has no GPUs. */
  curve?: CostCurve;
  clouds: Table;
  claims: string[];
  notes: string[];
}

const leastPercent = 2;
const planner = "rackwright cost (docs/cost.md)";

const partSources: readonly (readonly [keyof CostPlan["own"], string, string])[] = [
  ["servers", "Servers", `${planner}: prices of the environment, of whole servers, or the sum of parts (facts 1)`],
  ["network", "Network", `${planner}: 10 to 15 % of the servers (facts 9)`],
  ["power", "Power and cooling", `${planner}: draw at work in all hours, times PUE and price (facts 9)`],
  ["people", "People", `${planner}: a quarter to half an administrator for each eight servers begun (facts 9)`],
  ["maintenance", "Maintenance and spares", `${planner}: 5 to 10 % of the servers a year (facts 9)`],
  ["residual", "Less what is left of it", `${planner}: 25 to 35 % after 36 months, and the same loss each year after (facts 9)`],
  ["total", "Total", `${planner}: the sum of the above`],
];

const amount = (value: number): string => moneyRange({ low: value, high: value });

function ownTable({ own, years, currency }: CostPlan): Table {
  return {
    caption: `Owning for ${years} years, in ${currency}`,
    columns: [{ title: "Part" }, { title: "Cheap case", kind: "number" }, { title: "Dear case", kind: "number" }],
    rows: partSources.map(([part, title, source]) => [{ text: title, source }, amount(own[part].low), amount(own[part].high)]),
  };
}

const offered = (offers: readonly OfferCost[], wanted: OfferCost["offer"]): OfferCost | undefined => offers.find(({ offer }) => offer === wanted);

/** Ranges on one scale: from the cheap case to the dear one. */
function totalsChart({ own, years, currency, tiers, utilization }: CostPlan): BarChart {
  const clouds = tiers.flatMap(({ tier, offers }) => {
    const offer = offered(offers, "on-demand-with-extras");
    return offer === undefined ? [] : [{ label: `Renting, ${tierTitles[tier]}, on demand with storage and traffic`, range: offer.total, fill: "third" as const }];
  });
  const rows = [{ label: "Owning", range: own.total, fill: "first" as const }, ...clouds];
  const end = Math.max(...rows.map(({ range }) => range.high));
  return {
    title: `${years} years in ${currency}, the GPUs at work ${percent(utilization)} of all hours`,
    legend: [{ name: "owning, from the cheap case to the dear case", fill: "first" }, ...(clouds.length > 0 ? [{ name: "renting the same hours", fill: "third" as const }] : [])],
    bars: rows.map(({ label, range: { low, high }, fill }) => ({
      label, result: moneyRange({ low, high }), total: end,
      parts: [{ name: "", value: low, text: "", fill: "none" as const }, { name: `${label} from ${amount(low)} to ${amount(high)}`, value: Math.max(high - low, end * 0.005), text: "", fill }],
    })),
  };
}

function costCurve(name: string, plan: CostPlan): CostCurve | undefined {
  if (plan.gpuCount === 0) return undefined;
  const at = (utilization: number): Range => perGpuHour(plan.own.total, plan.gpuCount, plan.years, utilization);
  const clouds = plan.tiers.flatMap(({ tier, offers }) => {
    const offer = offered(offers, "on-demand");
    return offer === undefined ? [] : [{ title: tierTitles[tier], name: `${tierTitles[tier]} ${pricePerHour(offer.perGpuHour)}: owning pays ${breakEvenText(offer.breakEven)}`, low: offer.perGpuHour.low, high: offer.perGpuHour.high }];
  });
  return {
    title: `${plan.currency} for one GPU and one hour of use, by utilisation`,
    description: [`${name}: at full use owning costs ${pricePerHour(at(1))} ${plan.currency} a GPU-hour, at half use ${pricePerHour(at(0.5))}.`, ...clouds.map((cloud) => `${cloud.name}.`)].join(" "),
    currency: plan.currency,
    scale: plotScale(plan),
    own: Array.from({ length: 100 - leastPercent + 1 }, (_, index) => (leastPercent + index) / 100).map((utilization) => ({ utilization, ...at(utilization) })),
    clouds,
  };
}

function cloudTable({ tiers, currency, years, utilization }: CostPlan): Table {
  const titles: Readonly<Record<OfferCost["offer"], string>> = { "on-demand": "on demand", "on-demand-with-extras": "on demand with extras", "reserved": "reserved", "reserved-with-extras": "reserved with extras" };
  const reckoned = `${planner}: extras 30 to 50 % for storage, traffic, support and idle machines; a reservation takes off 30 to 60 % and is paid in all hours (facts 9)`;
  return {
    caption: `Renting, in ${currency}`,
    columns: [{ title: "Cloud" }, { title: "Offer" }, { title: "A GPU-hour", kind: "number", source: reckoned }, { title: `${years} years, ${percent(utilization)} used`, kind: "number", source: reckoned }, { title: "Owning pays", kind: "wide", source: `${planner}: the use from which owning costs less` }, { title: "Where the people are there anyway", kind: "wide" }],
    rows: tiers.flatMap(({ tier, sources, offers }) => offers.map(({ offer, perGpuHour: price, total, breakEven, breakEvenWithoutPeople }) => [
      tierTitles[tier], titles[offer], { text: pricePerHour(price), source: `list prices: ${sources.join("; ")}` }, moneyRange(total), breakEvenText(breakEven), breakEvenText(breakEvenWithoutPeople),
    ])),
  };
}

const claimText = ([first = "", ...tiers]: readonly string[]): string => `${first} ${tiers.join("; ")}`;

export function costData(name: string, plan: CostPlan): CostData {
  const curve = costCurve(name, plan);
  return {
    currency: plan.currency,
    years: plan.years,
    warnings: [
      ...plan.missing.map(({ server, parts }) => `${server}: no price is known of ${parts.join(", ")}. All totals are without it, and nothing is compared. Write servers.${server}.price.`),
      ...(plan.unconverted.length === 0 ? [] : [`Not used, for no exchange rate is stated: ${plan.unconverted.join(", ")}. Write site.currencyPerUsd. Figures are in US dollars.`]),
      ...plan.unpricedTiers.map(({ tier, gpus }) => `${tierTitles[tier]}: not compared, for no price was found of ${gpus.join(", ")}.`),
    ],
    own: ownTable(plan),
    totals: totalsChart(plan),
    ...(curve === undefined ? {} : { curve }),
    clouds: cloudTable(plan),
    claims: [...(plan.budget === undefined ? [] : [budgetText(plan.budget, plan.currency)]), ...(plan.saving === undefined ? [] : [claimText(savingText(plan.saving))])],
    notes: [...plan.notes, ...plan.tiers.map(({ tier, sources }) => `${tierTitles[tier]} prices: ${sources.join("; ")}`)],
  };
}
