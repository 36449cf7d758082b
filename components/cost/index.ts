export { breakEven, cloudOffers, cloudTotal, isReserved, offeredPrice, tierPrices, type BreakEven, type CloudOffer, type TierPrice } from "./cloud";
export { electricityPerYear, ownCost, perGpuHour, residualShareAfter, type OwnCost, type OwnInput } from "./own";
export { planCost, type CostOptions, type CostPlan, type OfferCost, type ServerCost, type TierCost } from "./plan";
export type { BudgetClaim, SavingClaim } from "./claims";
export { catalogPrice, sumOfParts, type ServerParts } from "./purchase";
export type { Range } from "./range";
