import { gpu } from "../catalog";
import type { Environment } from "../environment";
import { budgetClaim, savingClaim, type BudgetClaim, type SavingClaim } from "./claims";
import { breakEven, cloudOffers, cloudTotal, isReserved, offeredPrice, tierPrices, type BreakEven, type CloudOffer, type TierPrice } from "./cloud";
import {
  colocationUsdPerKilowattMonth, drawOverProcessors, electricityUsdPerKWh, maintenanceSharePerYear, networkShare, peakOverProcessors, peopleUsdPerYear, serversPerTeam, systemUsdPerGpu, type CloudTierName,
} from "./facts";
import { electricityPerYear, ownCost, perGpuHour, residualShareAfter, type OwnCost } from "./own";
import { catalogPrice, processorWatts, type ServerParts } from "./purchase";
import { add, point, times, type Range } from "./range";

/** What the environment does not say. Money in US dollars, for that is what the catalog's prices are in. */
export interface CostOptions {
  /** Default: 5, as guide 1. */
  years?: number;
  /** Share of all hours in which the GPUs work, above 0 and at most 1. Default: 0.5. */
  utilization?: number;
  /** Units of the site's currency for one US dollar. Default: `site.currencyPerUsd`. */
  currencyPerUsd?: number;
  /** People who look after it, a year. Default: {@link peopleUsdPerYear} for each eight servers begun. */
  peopleUsdPerYear?: Range;
  /** What one GPU costs for an hour elsewhere: a tier of its own. */
  cloudUsdPerGpuHour?: Range;
  /** A rented room with power and cooling in place of the site's own electricity. */
  colocation?: boolean;
}

/** One server's purchase, in the plan's currency. */
export interface ServerCost extends Omit<ServerParts, "basis"> {
  server: string;
  /** stated: `servers.<name>.price`. */
  basis: ServerParts["basis"] | "stated";
}

/** Renting under one offer against owning. */
export interface OfferCost {
  offer: CloudOffer;
  perGpuHour: Range;
  /** Over the years; on demand at the stated utilisation, reserved whatever it is. */
  total: Range;
  breakEven: BreakEven;
  /** Where the people are there anyway. */
  breakEvenWithoutPeople: BreakEven;
}

export interface TierCost {
  tier: TierPrice["tier"];
  sources: string[];
  offers: OfferCost[];
}

/** What owning costs at one utilisation. */
export interface UtilizationCost {
  utilization: number;
  perGpuHour: Range;
  perGpuHourWithoutPeople: Range;
}

/** Five years, or as many as asked for, of one environment. */
export interface CostPlan {
  /** ISO 4217 code of every amount here. */
  currency: string;
  years: number;
  utilization: number;
  /** GPUs by catalog id. */
  gpus: Record<string, number>;
  gpuCount: number;
  averageKilowatts: Range;
  servers: ServerCost[];
  own: OwnCost;
  ownWithoutPeople: Range;
  byUtilization: UtilizationCost[];
  /** Empty where something has no price, for the total is then too low to compare. */
  tiers: TierCost[];
  unpricedTiers: { tier: CloudTierName; gpus: string[] }[];
  budget?: BudgetClaim;
  saving?: SavingClaim;
  /** Parts without a price, which every total leaves out, with the server. */
  missing: { server: string; parts: string[] }[];
  /** Amounts of the environment that could not be used, for no exchange rate is stated. */
  unconverted: string[];
  notes: string[];
}

const defaultYears = 5;
const defaultUtilization = 0.5;
const shownUtilizations = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1] as const;

interface Money {
  currency: string;
  /** Units of `currency` for a dollar. */
  perUsd: number;
  /** Whether the environment's own amounts are in `currency`. */
  takesStated: boolean;
}

function moneyOf({ site }: Environment, currencyPerUsd: number | undefined): Money {
  const rate = site.currency === "USD" ? 1 : (currencyPerUsd ?? site.currencyPerUsd);
  return rate === undefined ? { currency: "USD", perUsd: 1, takesStated: false } : { currency: site.currency, perUsd: rate, takesStated: true };
}

function purchases({ servers }: Environment, money: Money): ServerCost[] {
  return Object.entries(servers).map(([server, spec]) => {
    const { basis, total, gpus, missing } = catalogPrice(spec);
    if (money.takesStated && spec.price !== undefined) return { server, basis: "stated", total: point(spec.price), missing: [] };
    return { server, basis, total: times(total, money.perUsd), ...(gpus === undefined ? {} : { gpus: times(gpus, money.perUsd) }), missing };
  });
}

function gpuCounts({ servers }: Environment): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { gpus } of Object.values(servers)) if (gpus !== undefined) counts.set(gpus.model, (counts.get(gpus.model) ?? 0) + gpus.count);
  return counts;
}

function unconverted({ site, servers }: Environment, money: Money): string[] {
  if (money.takesStated) return [];
  const priced = Object.entries(servers).filter(([, { price }]) => price !== undefined);
  return [...(site.power.pricePerKWh === undefined ? [] : ["site.power.pricePerKWh"]), ...priced.map(([name]) => `servers.${name}.price`)];
}

function powerPerYear({ site, servers }: Environment, money: Money, colocation: boolean): { perYear: Range; averageKilowatts: Range } {
  const kilowatts = Object.values(servers).reduce((sum, server) => sum + processorWatts(server), 0) / 1000;
  const averageKilowatts = times(drawOverProcessors, kilowatts);
  if (colocation) return { perYear: times(colocationUsdPerKilowattMonth, kilowatts * peakOverProcessors * 12 * money.perUsd), averageKilowatts };
  const { pricePerKWh, pue } = site.power;
  const price = money.takesStated && pricePerKWh !== undefined ? point(pricePerKWh) : times(electricityUsdPerKWh, money.perUsd);
  return { perYear: electricityPerYear(averageKilowatts, pue, price), averageKilowatts };
}

function tiersOf(prices: readonly TierPrice[], plan: { own: OwnCost; ownWithoutPeople: Range; gpuCount: number; years: number; utilization: number }): TierCost[] {
  return prices.map(({ tier, perGpuHour: list, sources }) => ({
    tier, sources,
    offers: cloudOffers.map((offer) => {
      const price = offeredPrice(list, offer);
      const reserved = isReserved(offer);
      const full = cloudTotal(price, plan.gpuCount, plan.years, 1);
      return {
        offer, perGpuHour: price, total: reserved ? full : times(full, plan.utilization),
        breakEven: breakEven(plan.own.total, full, reserved), breakEvenWithoutPeople: breakEven(plan.ownWithoutPeople, full, reserved),
      };
    }),
  }));
}

/** What an environment costs to own and to rent. Pure; reads no clock and no rate that is not stated. */
export function planCost(environment: Environment, options: CostOptions = {}): CostPlan {
  const years = options.years ?? defaultYears;
  const utilization = options.utilization ?? defaultUtilization;
  const money = moneyOf(environment, options.currencyPerUsd);
  const servers = purchases(environment, money);
  const counts = gpuCounts(environment);
  const gpuCount = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const purchase = add(...servers.map(({ total }) => total));
  const { perYear, averageKilowatts } = powerPerYear(environment, money, options.colocation === true);
  const teams = Math.ceil(servers.length / serversPerTeam);
  const people = times(options.peopleUsdPerYear ?? times(peopleUsdPerYear, teams), money.perUsd);
  const owning = (over: number): OwnCost =>
    ownCost({ years: over, servers: purchase, networkShare, maintenanceSharePerYear, residualShare: residualShareAfter(over), peoplePerYear: people, powerPerYear: perYear });
  const own = owning(years);
  const ownWithoutPeople = { low: own.total.low - own.people.low, high: own.total.high - own.people.high };
  const missing = servers.filter((server) => server.missing.length > 0).map(({ server, missing: parts }) => ({ server, parts }));
  const { prices, unpriced } = gpuCount === 0 ? { prices: [], unpriced: [] } : tierPrices(counts);
  const stated: TierPrice[] = options.cloudUsdPerGpuHour === undefined || gpuCount === 0 ? [] : [{ tier: "stated", perGpuHour: options.cloudUsdPerGpuHour, sources: ["--cloud-price"] }];
  const inCurrency = [...prices, ...stated].map((price) => ({ ...price, perGpuHour: times(price.perGpuHour, money.perUsd) }));
  const compared = missing.length > 0 ? [] : inCurrency;
  const saving = savingClaim({ owning, prices: compared, gpuCount });
  const budget = budgetClaim(environment, { purchase, currency: money.currency });
  return {
    currency: money.currency, years, utilization,
    gpus: Object.fromEntries(counts), gpuCount, averageKilowatts, servers, own, ownWithoutPeople,
    byUtilization: gpuCount === 0 ? [] : [...new Set([...shownUtilizations, utilization])].sort((a, b) => a - b).map((share) => ({
      utilization: share, perGpuHour: perGpuHour(own.total, gpuCount, years, share), perGpuHourWithoutPeople: perGpuHour(ownWithoutPeople, gpuCount, years, share),
    })),
    tiers: tiersOf(compared, { own, ownWithoutPeople, gpuCount, years, utilization }),
    unpricedTiers: unpriced,
    ...(budget === undefined ? {} : { budget }),
    ...(saving === undefined ? {} : { saving }),
    missing,
    unconverted: unconverted(environment, money),
    notes: notesOf(environment, money, { options, teams, servers }),
  };
}

function notesOf({ site, servers: specs }: Environment, money: Money, { options, teams, servers }: { options: CostOptions; teams: number; servers: readonly ServerCost[] }): string[] {
  const modelsOf = (basis: ServerCost["basis"]): string[] => [...new Set(servers.flatMap((each) => (each.basis === basis ? (specs[each.server]?.gpus?.model ?? []) : [])))];
  const known: Readonly<Record<string, { source: string }>> = systemUsdPerGpu;
  const gpuBases = modelsOf("parts").flatMap((id) => {
    const fact = gpu(id);
    return fact?.priceUsd === undefined ? [] : [`${fact.name}: ${fact.priceUsd.basis}`];
  });
  const systems = modelsOf("system").flatMap((id) => known[id]?.source ?? []);
  return [
    ...(site.currency !== "USD" && money.takesStated ? [`1 USD is taken as ${money.perUsd} ${site.currency}, as stated`] : []),
    ...(systems.length > 0 ? [`whole servers: ${systems.join("; ")}`] : []),
    ...(gpuBases.length > 0 ? [`GPUs: ${gpuBases.join("; ")} (facts 1)`] : []),
    ...(servers.some(({ basis }) => basis === "parts") ? ["other parts: general knowledge, wide on purpose. Write servers.<name>.price from a quotation"] : []),
    options.colocation === true
      ? "a rented room by its kilowatts, power and cooling in it (facts 9: sources differ threefold)"
      : `power at work in all hours, PUE ${site.power.pue}; the room, its cooling and its rent are not counted: --colocation counts a rented one`,
    options.peopleUsdPerYear === undefined ? `people: a quarter to half an administrator for each ${serversPerTeam} servers begun, here ${teams} (facts 9). --people states your own` : "people as stated",
    "maintenance and spares 5 to 10 % of the purchase a year, network 10 to 15 % of it, 25 to 35 % of it left after 36 months and the same loss each year after (facts 9)",
    "cloud prices as they were in the source, for all years; they have fallen. On demand pays hours in use, reserved pays all hours. Interest, tax and insurance are left out",
  ];
}

