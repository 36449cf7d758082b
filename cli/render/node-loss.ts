import type { NodeLossReport } from "../../rehearsal/recovery/node-loss";
import { table } from "../table";
import type { Terminal } from "../terminal";
import { renderStandIns } from "./stand-ins";

/** What Kubernetes took to take a silent node's endpoint out of the Service, beside what the budget says. */
export function renderNodeLoss(report: NodeLossReport, style: Terminal["style"]): string {
  const { budget, runs } = report;
  const detect = budget.lines.find(({ step }) => step === "detect")?.seconds ?? 0;
  const rows = runs.map(({ run, ok, endpointGoneSeconds }) => [style(ok ? "green" : "red", ok ? "ok" : "FAILED"), String(run), `${endpointGoneSeconds.toFixed(1)} s`, `${detect} s`, `${(endpointGoneSeconds + report.notMeasuredSeconds).toFixed(1)} s`, `${budget.seconds} s`, `${report.switchWithinSeconds} s`]);
  const heading = ["", "run", "endpoint gone", "budget", "with what nobody measured", "whole budget", "limit"];
  const notes = report.notes.map((note) => `${style("dim", `note: ${note}`)}\n`).join("");
  const good = runs.filter(({ ok }) => ok).length;
  return `${style("bold", `${report.server} of ${report.environment} falls silent`)}  ${report.service}, switched by Kubernetes alone\n${table([heading, ...rows], "  ")}${renderStandIns(report.standIns)}${notes}Verdict: ${report.ok ? style("green", "GOOD") : style("red", "NOT GOOD")}, ${good} of ${runs.length} runs, ${report.seconds} s.\n`;
}
