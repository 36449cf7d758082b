import { gpu } from "../../../components/catalog";
import { planCost, type CostPlan } from "../../../components/cost";
import type { Environment } from "../../../components/environment";
import type { WorkloadPlan } from "../../../components/inference";
import { ruleGroups } from "../../../components/monitoring/rules";
import { planSite } from "../../../components/site";
import type { Rule } from "../../../policies/rule";
import type { EnvironmentPlan } from "../../plan-environment";
import { breakEvenText, moneyRange } from "../../render/cost-words";
import type { Figure, Mark } from "../types";
import { percentText, plural, wattsText, whole } from "../words";
import { alertsData, alertsSource, type AlertsData } from "./alerts";
import { costData, type CostData } from "./cost";
import { fileSource, type FileSource } from "./file-source";
import { networkData, type NetworkData } from "./network";
import { gpusText, racksData, siteDraw, type RacksData } from "./racks";
import { recoveryData, type RecoveryData } from "./recovery";
import { rulesData, type RulesData } from "./rules";
import { servicesData, sizingSources, type ServicesData } from "./services";
import { storageData, usableByTier, type StorageData } from "./storage";

/** A figure of the first page. */
export interface KeyFigure {
  name: string;
  figure: Figure;
  about: string;
}

/** Everything that a report shows, as plain data: no secrets, no markup. */
export interface ReportData {
  environment: string;
  description: string;
  /** "2026-11-26 08:00 UTC". */
  madeAt: string;
  verdict: Mark;
  /** What the plan found that cannot work, besides violated rules. */
  problems: string[];
  keyFigures: KeyFigure[];
  racks: RacksData;
  services: ServicesData;
  storage: StorageData;
  network: NetworkData;
  recovery: RecoveryData;
  alerts: AlertsData;
  rules: RulesData;
  cost: CostData;
}

export interface ReportInput {
  environment: Environment;
  plan: EnvironmentPlan;
  rules: readonly Rule[];
  madeAt: Date;
}

/** Errors of the program, and what keeps a server's steps from working. Violated rules are told elsewhere. */
function problemsOf({ diagnostics, servers }: EnvironmentPlan): string[] {
  return [...diagnostics.filter(({ severity }) => severity === "error").map(({ message }) => message.trim()), ...servers.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`))];
}

function costFigure(plan: CostPlan): KeyFigure {
  const onDemand = plan.tiers.flatMap(({ offers }) => offers.filter(({ offer }) => offer === "on-demand"));
  const cheapest = onDemand.at(-1);
  const about = cheapest === undefined ? (plan.missing.length > 0 ? "without parts that have no price" : "no cloud to compare with") : `against the cheapest cloud compared owning pays ${breakEvenText(cheapest.breakEven)}`;
  return { name: `Owning for ${plan.years} years, ${plan.currency}`, figure: { text: moneyRange(plan.own.total), source: "rackwright cost (docs/cost.md): servers, network, power, people and maintenance, less what is left of them" }, about };
}

function keyFigures({ environment, plan, rules }: ReportInput, { workloads, file, cost, data }: { workloads: Pick<WorkloadPlan, "services" | "training">; file: FileSource; cost: CostPlan; data: Pick<ReportData, "rules" | "alerts"> }): KeyFigure[] {
  const servers = Object.values(environment.servers);
  const cards = servers.reduce((sum, { gpus }) => sum + (gpus?.count ?? 0), 0);
  const usableGiB = servers.reduce((sum, { gpus }) => sum + (gpus === undefined ? 0 : gpus.count * (gpu(gpus.model)?.usableMemoryGiB ?? 0)), 0);
  const draw = siteDraw(environment);
  const services = Object.values(workloads.services);
  const replicas = (role: "active" | "standby"): number => services.flatMap((service) => service.workloads).reduce((sum, workload) => sum + (workload.role === role ? workload.replicas : 0), 0);
  const kinds = [...new Set(servers.map(({ gpus }) => (gpus === undefined ? "" : gpusText({ gpus: { ...gpus, count: 1 } }).slice(3))))].filter((kind) => kind !== "");
  const racks = Object.keys(environment.site.racks).length;
  const tiers = usableByTier(plan.servers);
  const alerts = plan.monitoring?.alerts ?? [];
  const [firstTier] = tiers;
  return [
    { name: servers.length === 1 ? "Server" : "Servers", figure: { text: whole(servers.length), source: file("servers") }, about: racks === 0 ? "no rack stated" : `in ${plural(racks, "rack")}` },
    { name: "GPUs", figure: { text: whole(cards), source: file("servers.<name>.gpus") }, about: kinds.join(", ") || "none" },
    ...(cards === 0 ? [] : [{ name: "GPU memory", figure: { text: `${whole(usableGiB)} GiB`, source: sizingSources.usable }, about: "usable, all GPUs together" }]),
    { name: draw.limitWatts === undefined ? "Servers can draw" : "The room can draw", figure: { text: wattsText(draw.watts), source: draw.source }, about: draw.limitWatts === undefined ? "no limit of the room stated" : `of ${wattsText(draw.limitWatts)}, ${percentText(draw.watts / draw.limitWatts)}` },
    ...(firstTier === undefined ? [] : [{ name: "Usable storage", figure: firstTier, about: tiers.slice(1).map(({ text }) => text).join(", ") || "no other tier" }]),
    { name: services.length === 1 ? "Service" : "Services", figure: { text: whole(services.length), source: file("services") }, about: `${plural(replicas("active"), "replica")}, ${replicas("standby")} standing by` },
    { name: "Alerts", figure: { text: whole(alerts.length), source: alertsSource }, about: `${alerts.filter(({ severity }) => severity === "critical").length} critical, ${data.alerts.receivers.length === 0 ? "nobody is told" : `to ${plural(data.alerts.receivers.length, "receiver")}`}` },
    { name: "Rules", figure: { text: whole(rules.length), source: "policies/, described in docs/rules.md" }, about: data.rules.verdict.text },
    costFigure(cost),
  ];
}

function verdictOf({ ok }: EnvironmentPlan, rules: RulesData, problems: readonly string[]): Mark {
  if (!ok) return { mark: "bad", text: problems.length > 0 ? "Cannot be built as written" : "A mandatory rule is violated" };
  return rules.verdict.mark === "good" ? { mark: "good", text: "Nothing speaks against it" } : { mark: "warning", text: "Can be built; see the warnings" };
}

/** What a report shows of an environment and its plan. Pure. */
export function reportData(input: ReportInput): ReportData {
  const { environment, plan, rules, madeAt } = input;
  const file = fileSource(plan.environment);
  const { workloads } = planSite(environment);
  const placed = plan.workloads;
  const problems = problemsOf(plan);
  const cost = planCost(environment);
  const alerts = alertsData(ruleGroups(environment, workloads), plan.monitoring);
  const ruleBook = rulesData(rules, plan.checks, problems.length === 0);
  return {
    environment: plan.environment,
    description: environment.site.description ?? "",
    madeAt: `${madeAt.toISOString().slice(0, 16).replace("T", " ")} UTC`,
    verdict: verdictOf(plan, ruleBook, problems),
    problems,
    keyFigures: keyFigures(input, { workloads: placed, file, cost, data: { rules: ruleBook, alerts } }),
    racks: racksData(environment, file),
    services: servicesData(environment, placed, file),
    storage: storageData(environment, plan.servers, placed, file),
    network: networkData(environment, file),
    recovery: recoveryData(environment, placed, file),
    alerts,
    rules: ruleBook,
    cost: costData(plan.environment, cost),
  };
}
