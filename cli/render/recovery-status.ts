import type { LevelStatus } from "../../components/recovery/status";
import type { UnreachableServer } from "../hosts";
import { table } from "../table";
import type { Paper } from "../terminal";
import { wrap } from "../text";

const colours = { well: "green", missed: "red", unknown: "yellow", off: "dim" } as const;

/** The levels of recovery as a table: what each last did, what would be lost, and how long it takes to be back. */
export function renderRecovery(levels: readonly LevelStatus[], unreachable: readonly UnreachableServer[], nowSeconds: number, { style, columns }: Paper): string {
  const head = ["", "", "", "success", "rehearsal", "would be lost", "back within"].map((text) => (text === "" ? "" : style("bold", text)));
  const rows = levels.map(({ level, what, verdict, lastSuccess, lastRehearsal, rpoSeconds, rpoTargetSeconds, rtoSeconds, rtoTargetSeconds }) => [
    style(colours[verdict], verdict), level, what, ago(lastSuccess, nowSeconds), ago(lastRehearsal, nowSeconds), against(rpoSeconds, rpoTargetSeconds), against(rtoSeconds, rtoTargetSeconds),
  ]);
  const reasons = levels.map(({ level, what, reason }) => wrap(`${level}${what === "" ? "" : ` ${what}`}: ${reason}`, "  ", columns, { hang: 4 })).join("");
  const lost = unreachable.map(({ server, address, reason }) => wrap(`${style("red", "unreachable")}  ${server} (${address}): ${reason}`, "", columns, { hang: 2 })).join("");
  const bad = levels.filter(({ verdict }) => verdict === "missed" || verdict === "unknown").length;
  return `${table([head, ...rows], "", columns)}${reasons}${lost}${bad === 0 ? "Every level that is asked for is well.\n" : `${bad} of ${levels.length} are missed or unknown.\n`}`;
}

function ago(at: number | undefined, now: number): string {
  return at === undefined ? "never" : `${duration(Math.max(0, now - at))} ago`;
}

/** A measured time and its target, as far as they are known. */
function against(measured: number | undefined, target: number | undefined): string {
  if (measured === undefined && target === undefined) return "-";
  return `${measured === undefined ? "?" : duration(measured)}${target === undefined ? "" : ` of ${duration(target)}`}`;
}

/** Seconds in the largest unit of which there are two. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))} s`;
  if (seconds < 2 * 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 2 * 86_400) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
