import { cpu, gpu } from "../../components/catalog";
import type { Environment } from "../../components/environment";
import type { TierPlan } from "../../components/servers/plan";
import type { EnvironmentPlan } from "../plan-environment";
import { table } from "../table";
import type { Paper } from "../terminal";
import { wrap } from "../text";
import { capacity, renderLevels, siteLevels } from "./capacity";
import { renderChecks } from "./checks";
import { renderMonitoring } from "./monitoring";
import { renderStandby } from "./recovery";
import { renderWorkloads } from "./services";
import { renderChanges, renderSteps } from "./steps";

type PlannedServer = EnvironmentPlan["servers"][number];

const shownAlike = 3;

/** `AMD EPYC 7543, 512 GiB, 4x NVIDIA A100 80GB PCIe`. */
export function hardware({ facts }: Pick<PlannedServer, "facts">): string {
  const processor = `${facts.cpu.sockets > 1 ? `${facts.cpu.sockets}x ` : ""}${cpu(facts.cpu.model)?.name ?? facts.cpu.model}`;
  const cards = facts.gpus === undefined ? [] : [`${facts.gpus.count}x ${gpu(facts.gpus.model)?.name ?? facts.gpus.model}`];
  const npus = facts.npus === undefined ? [] : [`${facts.npus.count}x ${facts.npus.resourceName}`];
  return [processor, `${facts.memoryGiB} GiB`, ...cards, ...npus].join(", ");
}

const survives = (tier: TierPlan): string =>
  tier.survivesDrives === 0 ? "lost with any one drive" : `survives ${tier.survivesDrives} drive${tier.survivesDrives === 1 ? "" : "s"}`;

function arrays(server: PlannedServer): string[][] {
  return server.tiers.map((tier) => {
    const kinds = [...new Set(tier.drives.map((id) => server.facts.drives[id]?.kind ?? "?"))].join("+");
    const layout = tier.level === "single" ? `1 ${kinds}` : `${tier.level} of ${tier.drives.length} ${kinds}`;
    return [tier.tier, tier.mount, layout, capacity(tier.usableGB), survives(tier)];
  });
}

function versions({ software: { driver }, packages }: PlannedServer): string {
  const toolkit = packages.find(({ name }) => name.startsWith("cuda-toolkit-"));
  const parts =
    driver === undefined
      ? ["no NVIDIA driver"]
      : [
          `driver ${driver.version}`,
          ...(driver.fabricManager === false ? [] : [`fabric manager ${driver.fabricManager}`]),
          ...(driver.containerToolkit === undefined ? [] : [`container toolkit ${driver.containerToolkit}`]),
        ];
  return [...parts, ...(toolkit === undefined ? [] : [`${toolkit.name} ${toolkit.version ?? ""}`.trim()])].join(", ");
}

/** Servers that are alike are described once: eight GPU servers of one make are one paragraph. */
function groupAlike(servers: readonly PlannedServer[]): PlannedServer[][] {
  const groups = new Map<string, PlannedServer[]>();
  for (const server of servers) {
    const key = JSON.stringify([hardware(server), arrays(server), versions(server), server.problems, server.notes]);
    groups.set(key, [...(groups.get(key) ?? []), server]);
  }
  return [...groups.values()];
}

function renderGroup(group: readonly PlannedServer[], { style, columns }: Paper): string {
  const first = group[0];
  if (first === undefined) return "";
  const names = group.map(({ name }) => name);
  const title = names.length <= shownAlike ? names.join(", ") : `${names.slice(0, shownAlike).join(", ")} and ${names.length - shownAlike} alike`;
  return [
    wrap(`${style("bold", title)}  ${hardware(first)}`, "  ", columns, { hang: 4 }),
    table(arrays(first), "    ", columns),
    wrap(versions(first), "    ", columns, { hang: 6 }),
    ...first.problems.map((problem) => wrap(`${style("red", "cannot work")}: ${problem}`, "    ", columns, { hang: 6 })),
    ...first.notes.map((note) => wrap(note, `    ${style("dim", "note:")} `, columns, { style: (line) => style("dim", line) })),
  ].join("");
}

function renderDiagnostics({ diagnostics }: EnvironmentPlan, { style, columns }: Paper): string {
  return diagnostics
    .filter(({ severity }) => severity === "error" || severity === "warning")
    .map(({ severity, message }) => {
      const [head = "", ...more] = message.trim().split("\n");
      const label = `  ${style(severity === "error" ? "red" : "yellow", severity)}  `;
      return wrap(head, label, columns) + more.map((line) => wrap(line, "    ", columns)).join("");
    })
    .join("");
}

/** One environment's plan as text, within the paper's columns. Unchanged resources are counted, not listed. */
export function renderPlan(plan: EnvironmentPlan, environment: Environment, paper: Paper, listResources: boolean): string {
  const gpus = plan.servers.reduce((sum, { facts }) => sum + (facts.gpus?.count ?? 0), 0);
  const servers = `${plan.servers.length} server${plan.servers.length === 1 ? "" : "s"}, ${gpus} GPU${gpus === 1 ? "" : "s"}`;
  return [
    wrap(`${paper.style("bold", plan.environment)}  ${servers}: ${renderChanges(plan.changes)}`, "", paper.columns),
    ...groupAlike(plan.servers).map((group) => renderGroup(group, paper)),
    renderWorkloads(plan.workloads, paper),
    renderMonitoring(plan.monitoring, paper),
    renderStandby(plan.standby, paper),
    renderLevels(siteLevels(environment, plan), paper),
    listResources ? renderSteps(plan.resources, paper) : "",
    renderDiagnostics(plan, paper),
    renderChecks(plan.checks, plan.rules, paper),
  ].join("");
}
