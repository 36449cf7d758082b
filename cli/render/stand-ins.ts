import type { StandIn } from "../../rehearsal/standins";

/** What a rehearsal had in place of the real thing. */
export function renderStandIns(standIns: readonly StandIn[]): string {
  return `Stood in for the real thing:\n${standIns.map(({ what, standsInFor }) => `  ${what}\n    for ${standsInFor}\n`).join("")}`;
}
