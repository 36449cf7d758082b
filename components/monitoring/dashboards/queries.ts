/** Window of all rates: four scrapes at the slowest interval that may be chosen, and the window of the recorded ones. */
export const window = "5m";
/** For what happens seldom: errors, restarts. */
export const longWindow = "1h";

export const onServer = `server=~"$server"`;
export const ofService = `service=~"$service"`;

/** Joins series of the same GPU. */
export const sameGpu = "on (server, gpu, UUID)";

/** What an operator wants counted, with 0 where nothing is wrong: a count over no series is no series. */
export function countOf(expr: string): string {
  return `count(${expr}) or vector(0)`;
}

/** Quantile of a histogram's last five minutes, by the given labels. */
export function quantile(share: number, histogram: string, selector: string, by: readonly string[]): string {
  return `histogram_quantile(${share}, sum by (${["le", ...by].join(", ")}) (rate(${histogram}_bucket{${selector}}[${window}])))`;
}

/** One column for services of different engines: each has its own metric of the same thing. */
export function firstOf(...exprs: readonly string[]): string {
  return exprs.join(" or ");
}
