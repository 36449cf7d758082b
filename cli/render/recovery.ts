import type { FailureBudget } from "../../components/recovery/standby/budget";
import type { StandbyPlan } from "../../components/recovery/standby/plan";
import { table } from "../table";
import type { Terminal } from "../terminal";

/** What is shown of a standby plan. */
export type StandbySummary = Pick<StandbyPlan, "mode" | "switchWithinSeconds" | "balancer" | "budget" | "notes">;

/** `3.45 s`. */
function seconds(value: number): string {
  return `${Number(value.toFixed(2))} s`;
}

function lines({ title, lines: parts, seconds: sum }: FailureBudget, style: Terminal["style"]): string[][] {
  return [
    [title, "", seconds(sum), "at worst"],
    ...parts.filter((part) => part.seconds > 0).map(({ step, seconds: each, reason }) => ["", step, seconds(each), style("dim", reason)]),
  ];
}

/** Who switches to the standbys, and the budget line by line. Empty where nothing stands by. */
export function renderStandby(plan: StandbySummary | undefined, style: Terminal["style"]): string {
  if (plan === undefined) return "";
  const { mode, switchWithinSeconds, balancer, budget, notes } = plan;
  const who = balancer === undefined ? "Kubernetes" : `HAProxy on ${balancer.balancers.map(({ server }) => server).join(" and ")}, at ${balancer.virtualAddress} port ${balancer.port}`;
  const behind = balancer === undefined ? "" : balancer.services.map(({ name, hosts, targets }) => `    ${name}${hosts.includes(name) ? "" : ` as ${hosts.join(", ")}`}: ${targets.map(({ server, role }) => (role === "standby" ? `${server} as standby` : server)).join(", ")}\n`).join("");
  const remarks = notes.map((note) => `    ${style("dim", `note: ${note}`)}\n`).join("");
  return `  ${style("bold", "standby")}  ${mode}: ${who}; within ${switchWithinSeconds} s\n${behind}${table(budget.flatMap((each) => lines(each, style)), "    ")}${remarks}`;
}
