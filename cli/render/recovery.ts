import type { FailureBudget } from "../../components/recovery/standby/budget";
import type { StandbyPlan } from "../../components/recovery/standby/plan";
import { table } from "../table";
import type { Paper } from "../terminal";
import { wrap } from "../text";

/** What is shown of a standby plan. */
export type StandbySummary = Pick<StandbyPlan, "mode" | "switchWithinSeconds" | "balancer" | "budget" | "notes">;

/** `3.45 s`. */
function seconds(value: number): string {
  return `${Number(value.toFixed(2))} s`;
}

function renderBudget({ title, lines, seconds: sum }: FailureBudget, { style, columns }: Paper): string {
  const rows = lines.filter((part) => part.seconds > 0).map(({ step, seconds: each, reason }) => [step, seconds(each).padStart(7), style("dim", reason)]);
  return wrap(`${title}: ${seconds(sum)} at worst`, "    ", columns, { hang: 6 }) + table(rows, "      ", columns);
}

/** Who switches to the standbys, and the budget line by line. Empty where nothing stands by. */
export function renderStandby(plan: StandbySummary | undefined, paper: Paper): string {
  if (plan === undefined) return "";
  const { style, columns } = paper;
  const { mode, switchWithinSeconds, balancer, budget, notes } = plan;
  const who = balancer === undefined ? "Kubernetes" : `HAProxy on ${balancer.balancers.map(({ server }) => server).join(" and ")}, at ${balancer.virtualAddress} port ${balancer.port}`;
  const behind = balancer === undefined ? [] : balancer.services.map(({ name, hosts, targets }) => `${name}${hosts.includes(name) ? "" : ` as ${hosts.join(", ")}`}: ${targets.map(({ server, role }) => (role === "standby" ? `${server} as standby` : server)).join(", ")}`);
  return [
    wrap(`${style("bold", "standby")}  ${mode}: ${who}; within ${switchWithinSeconds} s`, "  ", columns, { hang: 4 }),
    ...behind.map((line) => wrap(line, "    ", columns, { hang: 6 })),
    ...budget.map((each) => renderBudget(each, paper)),
    ...notes.map((note) => wrap(note, `    ${style("dim", "note:")} `, columns, { style: (line) => style("dim", line) })),
  ].join("");
}
