import type { FaultRun } from "../../rehearsal/recovery/run";
import type { FaultsReport } from "../../rehearsal/recovery/faults";
import { table } from "../table";
import type { Terminal } from "../terminal";
import { renderStandIns } from "./stand-ins";

function range(values: readonly number[]): string {
  if (values.length === 0) return "";
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(1));
  return least === most ? `${most ?? ""} s` : `${least ?? ""} to ${most ?? ""} s`;
}

function row(name: string, limitSeconds: number, runs: readonly FaultRun[], style: Terminal["style"]): string[] {
  const good = runs.filter(({ ok }) => ok).length;
  const failed = runs.reduce((sum, { clients }) => sum + Object.values(clients.failed).reduce((all, count) => all + count, 0), 0);
  const cluster = runs.flatMap((run) => (run.cluster === undefined ? [] : [run.cluster.endpointGoneSeconds]));
  return [
    style(good === runs.length ? "green" : "red", good === runs.length ? "ok" : "FAILED"),
    name,
    `${good} of ${runs.length}`,
    range(runs.map(({ clients }) => clients.outageSeconds)),
    range(runs.map(({ clients }) => clients.lastErrorSeconds)),
    `${limitSeconds} s`,
    String(failed),
    String(runs.reduce((sum, { clients }) => sum + clients.twice.length, 0)),
    String(runs.reduce((sum, { address }) => sum + address.double, 0)),
    range(cluster),
  ];
}

/** A row for each scenario over all of its runs, what was not as it must be, and what stood in. */
export function renderFaults(report: FaultsReport, style: Terminal["style"]): string {
  const heading = ["", "fault", "runs", "recovery time", "last error", "limit", "failed", "twice", "two holders", "endpoint gone"];
  const rows = report.scenarios.map(({ name, limitSeconds }) => row(name, limitSeconds, report.runs.filter(({ scenario }) => scenario === name), style));
  const problems = report.runs.flatMap(({ scenario, run, problems: each }) => each.map((problem) => `  ${style("red", `${scenario}, run ${run}`)}: ${problem}\n`));
  const notes = report.notes.map((note) => `${style("dim", `note: ${note}`)}\n`).join("");
  const good = report.runs.filter(({ ok }) => ok).length;
  const end = report.ok ? style("green", "GOOD") : style("red", "NOT GOOD");
  return `${style("bold", `Faults of ${report.environment}`)}  ${report.service} at ${report.virtualAddress}, balancers ${report.balancers.join(" and ")}\n${table([heading, ...rows], "  ")}${problems.join("")}Recovery time: the longest time without a good answer, at a client, from the last one before the fault on.\n${renderStandIns(report.standIns)}${notes}Verdict: ${end}, ${good} of ${report.runs.length} runs, ${report.seconds} s.\n`;
}
