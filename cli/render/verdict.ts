import type { Verdict } from "../../rehearsal/verdict";
import { table } from "../table";
import type { Terminal } from "../terminal";
import { renderStandIns } from "./stand-ins";

/** The verdict of a rehearsal: every check, what was not looked at, and what stood in for the real thing. */
export function renderVerdict(verdict: Verdict, style: Terminal["style"]): string {
  const checks = table(
    verdict.checks.map((check) => [check.ok ? style("green", "ok") : style("red", "FAILED"), `${check.seconds.toFixed(1)} s`, check.ok ? check.name : `${check.name}: ${check.detail}`]),
    "  ",
  );
  const notMade = verdict.notMade.map((name) => `  ${style("yellow", "not made")}  ${name}\n`).join("");
  const leftOut = verdict.leftOut.length === 0 ? "" : `Not emulated: ${verdict.leftOut.join(", ")}.\n`;
  const notes = verdict.notes === undefined ? "" : `Measured:\n${verdict.notes.map((note) => `  ${note}\n`).join("")}`;
  const good = verdict.checks.filter(({ ok }) => ok).length;
  const end = verdict.ok ? style("green", "GOOD") : style("red", "NOT GOOD");
  return `${style("bold", `Rehearsal of ${verdict.environment}`)}  servers ${verdict.servers.join(", ")}\n${checks}${notMade}${notes}${leftOut}${renderStandIns(verdict.standIns)}Verdict: ${end}, ${good} of ${verdict.checks.length + verdict.notMade.length} checks, ${verdict.seconds} s.\n`;
}
