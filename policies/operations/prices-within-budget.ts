import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const pricesWithinBudget = rule<SiteSpec>({
  name: "prices-within-budget",
  title: "Servers within the budget",
  description: "The prices of the servers should add up to something within the site's budget.",
  section: "guide 2.1",
  severity: "low",
  enforcementLevel: "advisory",
  remediationSteps: "Correct servers.*.price or site.budget. The guide's ranges are ¥25,000 to 35,000 for development, ¥180,000 to 250,000 for a server of four A100 and ¥800,000 upwards for a cluster; only prices that are stated are added up.",
  types: [SITE],
  check({ site, servers }, _settings, report) {
    const { budget, currency } = site;
    if (budget === undefined) return;
    const prices = Object.values(servers).map(({ price }) => price);
    const sum = prices.reduce<number>((total, price) => total + (price ?? 0), 0);
    const remedy = "correct the prices or the budget";
    if (budget.max !== undefined && sum > budget.max) {
      report({ at: "site.budget.max", problem: `the servers' prices add up to ${sum} ${currency}`, limit: `${budget.max} ${currency} or less`, remedy });
    } else if (sum < budget.min && prices.length > 0 && prices.every((price) => price !== undefined)) {
      report({ at: "site.budget.min", problem: `the servers' prices add up to ${sum} ${currency}, so that something is missing`, limit: `${budget.min} ${currency} or more`, remedy });
    }
  },
});
