import type { Environment } from "../environment";
import { breakEven, cloudTotal, offeredPrice, type BreakEven, type TierPrice } from "./cloud";
import { guideSaving } from "./facts";
import type { OwnCost } from "./own";
import { times, type Range } from "./range";

/** The stated budget against the purchase of the servers (guide 2.1). */
export interface BudgetClaim {
  /** In `currency`, the site's. */
  budget: { min: number; max?: number };
  currency: string;
  /** In the plan's currency. */
  purchase: Range;
  /**
   * enough: the upper end pays for the dear case. partly: for the cheap case only. short: for neither. open: there is no
   * upper end. Absent where budget and prices are in two currencies without a stated rate.
   */
  verdict?: "enough" | "partly" | "short" | "open";
  /** Only without a rate. Units of the site's currency for a dollar up to which the cheap case, and the dear case, are paid for; of an open budget, from which its lower end is spent. */
  currencyPerUsd?: { cheapCase: number; dearCase: number };
}

/** Compares what the servers cost with `site.budget`; undefined where there is none. */
export function budgetClaim({ site }: Environment, { purchase, currency }: { purchase: Range; currency: string }): BudgetClaim | undefined {
  const { budget } = site;
  if (budget === undefined) return undefined;
  const shown = { min: budget.min, ...(budget.max === undefined ? {} : { max: budget.max }) };
  const claim = { budget: shown, currency: site.currency, purchase };
  if (currency !== site.currency) {
    const end = budget.max ?? budget.min;
    return { ...claim, currencyPerUsd: { cheapCase: end / purchase.low, dearCase: end / purchase.high } };
  }
  if (budget.max === undefined) return { ...claim, verdict: "open" };
  return { ...claim, verdict: budget.max >= purchase.high ? "enough" : budget.max >= purchase.low ? "partly" : "short" };
}

/** What it takes for the guide's saving to hold against one tier. */
export interface SavingOfTier {
  tier: TierPrice["tier"];
  /** Against on-demand prices, with storage, traffic and the like. `at-best` and `from` give the utilisation. */
  utilization: BreakEven;
  /** GPU-hours a day for each of the team at those utilisations; above what the GPUs have where `utilization` is above 1. */
  gpuHoursPerPersonPerDay: Range;
}

/** Guide 1: a team of 30 pays 67 % less over five years than in the cloud. */
export interface SavingClaim {
  share: number;
  years: number;
  people: number;
  tiers: SavingOfTier[];
}

/** From which utilisation owning costs a third of renting; undefined where there is nothing to compare with. */
export function savingClaim({ owning, prices, gpuCount }: { owning: (years: number) => OwnCost; prices: readonly TierPrice[]; gpuCount: number }): SavingClaim | undefined {
  if (prices.length === 0) return undefined;
  const { share, years, people } = guideSaving;
  const own = times(owning(years).total, 1 / (1 - share));
  const tiers = prices.map(({ tier, perGpuHour }) => {
    const utilization = breakEven(own, cloudTotal(offeredPrice(perGpuHour, "on-demand-with-extras"), gpuCount, years, 1), false);
    return { tier, utilization, gpuHoursPerPersonPerDay: times({ low: utilization.low, high: utilization.high }, (gpuCount * 24) / people) };
  });
  return { share, years, people, tiers };
}
