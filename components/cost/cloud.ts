import { cloudTierNames, cloudUsdPerGpuHour, hiddenExtrasShare, hoursPerYear, reservedDiscount, type CloudTierName } from "./facts";
import { add, times, type Range } from "./range";

/** on-demand: hours in use are paid. reserved: all hours are paid, at a discount. extras: storage, traffic, support and idle machines. */
export type CloudOffer = "on-demand" | "on-demand-with-extras" | "reserved" | "reserved-with-extras";
export const cloudOffers = ["on-demand", "on-demand-with-extras", "reserved", "reserved-with-extras"] as const satisfies readonly CloudOffer[];

export const isReserved = (offer: CloudOffer): boolean => offer === "reserved" || offer === "reserved-with-extras";

/** List price of one average GPU of a site for one hour, and where the prices are from. */
export interface TierPrice {
  tier: CloudTierName | "stated";
  perGpuHour: Range;
  sources: string[];
}

/**
 * From which utilisation owning costs less than renting. Below `low` renting is cheaper in every case, above `high`
 * owning is. Both may be above 1, which no utilisation reaches. Against a reservation, whose hours are paid whether
 * used or not, utilisation decides nothing: `low` and `high` are then what owning costs over what renting costs.
 */
export interface BreakEven extends Range {
  verdict: "always" | "never" | "from" | "at-best" | "undecided";
}

const leastUtilization = 0.01;

/** Own and rented cost for the same years: `cloudAtFullUse` is all GPUs, all hours. */
export function breakEven(own: Range, cloudAtFullUse: Range, reserved: boolean): BreakEven {
  const low = own.low / cloudAtFullUse.high;
  const high = own.high / cloudAtFullUse.low;
  if (low > 1) return { low, high, verdict: "never" };
  if (reserved) return { low, high, verdict: high <= 1 ? "always" : "undecided" };
  if (high <= leastUtilization) return { low, high, verdict: "always" };
  return { low, high, verdict: high <= 1 ? "from" : "at-best" };
}

/** Tiers in which all of a site's GPUs have a price, and for the others which GPUs have none. */
export function tierPrices(gpus: ReadonlyMap<string, number>): { prices: TierPrice[]; unpriced: { tier: CloudTierName; gpus: string[] }[] } {
  const known: Readonly<Record<string, (typeof cloudUsdPerGpuHour)["a40"]>> = cloudUsdPerGpuHour;
  const all = [...gpus.values()].reduce((sum, count) => sum + count, 0);
  const prices: TierPrice[] = [];
  const unpriced: { tier: CloudTierName; gpus: string[] }[] = [];
  for (const tier of cloudTierNames) {
    const found = [...gpus].map(([id, count]) => ({ id, count, price: Object.hasOwn(known, id) ? known[id]?.[tier] : undefined }));
    const without = found.filter(({ price }) => price === undefined).map(({ id }) => id);
    if (without.length > 0) unpriced.push({ tier, gpus: without });
    else prices.push({ tier, perGpuHour: times(add(...found.map(({ count, price }) => times(price ?? { low: 0, high: 0 }, count))), 1 / all), sources: [...new Set(found.flatMap(({ price }) => price?.source ?? []))] });
  }
  return { prices, unpriced };
}

/** An hour of one GPU under an offer, from its list price. */
export function offeredPrice(list: Range, offer: CloudOffer): Range {
  const reserved = isReserved(offer) ? { low: list.low * (1 - reservedDiscount.high), high: list.high * (1 - reservedDiscount.low) } : list;
  if (offer === "on-demand" || offer === "reserved") return reserved;
  // Extras come on top of the list price: a reservation makes no traffic and no storage cheaper.
  return { low: reserved.low + list.low * hiddenExtrasShare.low, high: reserved.high + list.high * hiddenExtrasShare.high };
}

/** What renting costs over the years. */
export function cloudTotal(perGpuHour: Range, gpus: number, years: number, utilization: number): Range {
  return times(perGpuHour, gpus * hoursPerYear * years * utilization);
}
