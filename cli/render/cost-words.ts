import type { BreakEven, BudgetClaim, CostPlan, Range, SavingClaim, TierCost } from "../../components/cost";

export const tierTitles: Readonly<Record<TierCost["tier"], string>> = { "hyperscaler": "hyperscaler", "specialty": "specialty", "long-tail": "long tail", "stated": "as stated" };

/** Two figures of an estimate are all it has; from 10,000 on three. */
function amountText(value: number): string {
  const figures = Math.abs(value) >= 10_000 ? 3 : 2;
  return Number(value.toPrecision(figures)).toLocaleString("en-GB");
}

/** "5,800 to 14,000"; one amount where both ends read the same. */
export function moneyRange({ low, high }: Range): string {
  return amountText(low) === amountText(high) ? amountText(low) : `${amountText(low)} to ${amountText(high)}`;
}

/** "0.34-0.88". */
export function pricePerHour({ low, high }: Range): string {
  const text = (value: number): string => (value >= 100 ? Math.round(value).toLocaleString("en-GB") : value.toFixed(2));
  return text(low) === text(high) ? text(low) : `${text(low)}-${text(high)}`;
}

/** "41 %"; below one percent with one figure. */
export function percent(share: number): string {
  const value = share * 100;
  return `${value < 1 ? Number(value.toPrecision(1)) : Math.round(value)} %`;
}

/** When owning costs less: "from 41 to 93 %" of the hours in use. */
export function breakEvenText({ low, high, verdict }: BreakEven): string {
  if (verdict === "always" || verdict === "never") return verdict;
  if (verdict === "undecided") return "undecided";
  const from = Math.round(low * 100);
  if (verdict === "at-best") return `from ${from} % at best`;
  const to = Math.round(high * 100);
  return from === to ? `from ${from} %` : `from ${from} to ${to} %`;
}

const whole = (value: number): string => Math.round(value).toLocaleString("en-GB");
const rate = (value: number): string => Number(value.toPrecision(2)).toString();

/** The stated budget against the purchase, with what decides it. */
export function budgetText({ budget, currency, purchase, verdict, currencyPerUsd }: BudgetClaim, planCurrency: string): string {
  const stated = budget.max === undefined ? `${whole(budget.min)} ${currency} and more` : `${whole(budget.min)} to ${whole(budget.max)} ${currency}`;
  const asked = `the servers cost ${moneyRange(purchase)} ${planCurrency}`;
  if (currencyPerUsd !== undefined) {
    const { cheapCase, dearCase } = currencyPerUsd;
    return budget.max === undefined
      ? `budget ${stated} (guide 2.1): ${asked}. Its lower end is spent where a dollar costs more than ${rate(dearCase)} to ${rate(cheapCase)} ${currency}`
      : `budget ${stated} (guide 2.1): ${asked}. It pays for the cheap case where a dollar costs at most ${rate(cheapCase)} ${currency}, for the dear case at most ${rate(dearCase)}`;
  }
  const verdicts = { enough: "enough in both cases", partly: "enough for the cheap case only", short: "too little even for the cheap case", open: purchase.low >= budget.min ? "above its lower end, as it says" : "its lower end is not spent in the cheap case" };
  return `budget ${stated} (guide 2.1): ${asked}: ${verdict === undefined ? "not compared" : verdicts[verdict]}`;
}

function savingOfTier({ tier, utilization, gpuHoursPerPersonPerDay: hours }: SavingClaim["tiers"][number]): string {
  const title = `${tierTitles[tier]} with extras`;
  if (utilization.verdict === "never") return `${title}: never, for it would take ${percent(utilization.low)} of all hours in the cheap case`;
  const cheap = `${percent(utilization.low)} of all hours in the cheap case, ${hours.low.toPrecision(2)} GPU-hours a day for each person`;
  return `${title}: ${cheap}; ${utilization.high > 1 ? "never in the dear case" : `${percent(utilization.high)} in the dear case`}`;
}

/** Guide 1's saving, one line a tier: what it would take. */
export function savingText({ share, years, people, tiers }: SavingClaim): string[] {
  return [`${percent(share)} cheaper over ${years} years for ${people} people (guide 1) takes a use of, against`, ...tiers.map(savingOfTier)];
}

/** Where the plot's axis ends: far enough for every cloud price and for owning at 40 % use, so that the curve's bend and the crossings show. */
export function plotScale(plan: CostPlan): number {
  const clouds = plan.tiers.map(({ offers }) => offers.find(({ offer }) => offer === "on-demand")?.perGpuHour.high ?? 0);
  const own = plan.byUtilization.find(({ utilization }) => utilization >= 0.4)?.perGpuHour.high ?? 0;
  const wanted = Math.max(...clouds, Math.min(own, clouds.length === 0 ? Infinity : 2.5 * Math.max(...clouds)));
  const step = 10 ** Math.floor(Math.log10(wanted));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * step).find((each) => each >= wanted) ?? wanted;
}
