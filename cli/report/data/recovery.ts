import type { Environment } from "../../../components/environment";
import type { ServicePlan, WorkloadPlan } from "../../../components/inference/plan-types";
import { slowest, type BudgetLine, type FailureBudget } from "../../../components/recovery/standby/budget";
import { planStandby, type StandbyPlan } from "../../../components/recovery/standby/plan";
import { checkpointTier } from "../../../components/training/checkpoint-volumes";
import { coldStartRehearsed } from "../../../policies/recovery/cold-start-rehearsed";
import { standbyWithinBudget } from "../../../policies/recovery/standby-within-budget";
import type { Figure, Fill, Mark, Table, Timeline } from "../types";
import { names, plural, whole } from "../words";
import type { FileSource } from "./file-source";

/** One budget: what is allowed, drawn and in figures. */
export interface Budget {
  title: string;
  about: string;
  timeline?: Timeline;
  figures: { name: string; figure: Figure }[];
}

export interface RecoveryData {
  standby: Budget;
  /** Empty where there is no standby. */
  standbyParts: Table;
  services: Table;
  checkpoints: Budget;
  backup: Budget;
  coldStart: Budget;
}

const guideSwitchSeconds = Number(standbyWithinBudget.settings["seconds"]?.default);
const mostDaysBetweenRehearsals = Number(coldStartRehearsed.settings["days"]?.default);
/** Kubernetes' defaults (facts 6). */
const noticeSeconds = 50;
const moveSeconds = 300;

const kubernetesSource = `facts 6: node-monitor-grace-period of ${noticeSeconds} s since Kubernetes 1.32, tolerations of ${moveSeconds} s`;
const budgetSource = "the standby planner (components/recovery/standby/budget.ts): the settings that are installed";
const noStandby = "a service on a lost server is back when the server is, or after a cold start";

/** Marks at equal distances. */
function ticksTo(end: number, steps: number, text: (at: number) => string): Timeline["ticks"] {
  return Array.from({ length: steps + 1 }, (_, index) => (end * index) / steps).map((at) => ({ at, text: text(at) }));
}

const secondsText = (value: number): string => `${Number(value.toFixed(2))} s`;

const steps: Readonly<Record<BudgetLine["step"], { name: string; fill: Fill }>> = {
  detect: { name: "noticed", fill: "first" }, decide: { name: "decided", fill: "second" }, move: { name: "moved", fill: "third" }, retry: { name: "clients try again", fill: "spare" },
};

function switchTimeline(budget: readonly FailureBudget[], switchWithinSeconds: number): Timeline {
  const end = Math.ceil(Math.max(switchWithinSeconds, ...budget.map(({ seconds }) => seconds)) / 10 + 0.1) * 10;
  const shown = new Set(budget.flatMap(({ lines }) => lines.filter(({ seconds }) => seconds > 0).map(({ step }) => step)));
  return {
    title: "From a failure to the next good answer, at worst",
    description: `${budget.map(({ title, seconds }) => `${title}: ${secondsText(seconds)}`).join("; ")}. Allowed are ${switchWithinSeconds} s.`,
    legend: Object.entries(steps).filter(([step]) => shown.has(step as BudgetLine["step"])).map(([, each]) => each),
    end,
    rows: budget.map(({ title, seconds, lines }) => {
      let from = 0;
      const spans = lines.filter((line) => line.seconds > 0).map(({ step, seconds: long }) => ({ from, to: (from += long), text: "", fill: steps[step].fill }));
      return { label: `${title}: ${secondsText(seconds)}`, spans, points: [] };
    }),
    ticks: ticksTo(end, 4, (at) => `${Number(at.toFixed(1))} s`),
    limit: { at: switchWithinSeconds, text: `allowed: ${switchWithinSeconds} s` },
  };
}

/** Without a standby: what Kubernetes does by itself. */
const kubernetesTimeline: Timeline = {
  title: "What Kubernetes does by itself",
  description: `Kubernetes takes ${noticeSeconds} s to notice that a server is lost, and ${moveSeconds} s more to move what ran there, if there is room elsewhere. The guide's limit is ${guideSwitchSeconds} s.`,
  end: 360,
  rows: [{ label: "A server that crashes", spans: [{ from: 0, to: noticeSeconds, text: "notices", fill: "third" }, { from: noticeSeconds, to: noticeSeconds + moveSeconds, text: `moves after ${moveSeconds} s more`, fill: "spare" }], points: [] }],
  ticks: ticksTo(360, 6, (at) => `${Math.round(at)} s`),
  limit: { at: guideSwitchSeconds, text: `guide: ${guideSwitchSeconds} s` },
};

function standbyOf({ recovery }: Environment, plan: StandbyPlan | undefined, file: FileSource): Budget {
  const { mode, switchWithinSeconds } = recovery.standby;
  const limits = [
    { name: "The guide's limit", figure: { text: `${guideSwitchSeconds} s`, source: "guide 5.2, rule standby-within-budget" } },
    { name: "Kubernetes with its defaults", figure: { text: `${noticeSeconds + moveSeconds} s`, source: kubernetesSource } },
  ];
  if (plan === undefined) return { title: "Standby", about: `No standby: ${noStandby}.`, timeline: kubernetesTimeline, figures: [{ name: "Mode", figure: { text: "none", source: file("recovery.standby.mode") } }, ...limits] };
  const { balancer } = plan;
  const worst = slowest(plan.budget);
  return {
    title: "Standby",
    about: "Worst cases, from the settings that are installed: planned, not measured. An answer's own time comes on top.",
    ...(plan.budget.length === 0 ? {} : { timeline: switchTimeline(plan.budget, switchWithinSeconds) }),
    figures: [
      { name: "Switches", figure: { text: balancer === undefined ? "Kubernetes" : `HAProxy on ${names(balancer.balancers.map(({ server }) => server))}`, source: `${file("recovery.standby.mode")}, which is ${mode}` } },
      { name: "Allowed", figure: { text: `${switchWithinSeconds} s`, source: file("recovery.standby.switchWithinSeconds") } },
      ...(worst === undefined ? [] : [{ name: "At worst", figure: { text: `${secondsText(worst.seconds)}, ${worst.title}`, source: budgetSource } }]),
      ...limits,
    ],
  };
}

function budgetTable(plan: StandbyPlan | undefined): Table {
  return {
    caption: "What the time is made of",
    columns: [{ title: "Failure" }, { title: "At worst", kind: "number", source: budgetSource }, { title: "Of which", kind: "wide", source: budgetSource }],
    rows: (plan?.budget ?? []).map(({ title, seconds, lines }) => [title, secondsText(seconds), lines.filter((line) => line.seconds > 0).map((line) => `${steps[line.step].name} ${secondsText(line.seconds)}: ${line.reason}`)]),
  };
}

/** What clients see when the worst of a service's servers is lost. */
function withoutOneServer({ workloads }: ServicePlan, { recovery }: Environment): Mark {
  const active = workloads.filter(({ role }) => role === "active");
  const total = active.reduce((sum, { replicas }) => sum + replicas, 0);
  const servers = [...new Set(active.flatMap((workload) => workload.servers))];
  const lostWith = (server: string): number => active.reduce((sum, workload) => sum + (workload.servers.includes(server) ? workload.replicas : 0), 0);
  const left = total - Math.max(0, ...servers.map(lostWith));
  const standbys = workloads.some(({ role }) => role === "standby");
  if (standbys && recovery.standby.mode !== "none") return { mark: "good", text: `the standby answers within ${recovery.standby.switchWithinSeconds} s` };
  if (left > 0) return { mark: "good", text: `${left} of ${plural(total, "replica")} still ${left === 1 ? "answers" : "answer"}` };
  return { mark: "warning", text: "no answer until the server is back" };
}

function servicesTable(environment: Environment, services: readonly ServicePlan[], file: FileSource): Table {
  const planner = "the placement planner (docs/sizing.md)";
  return {
    caption: "Services when a server is lost",
    columns: [{ title: "Service" }, { title: "Priority", source: file("services.<name>.priority") }, { title: "Answers on", kind: "wide", source: planner }, { title: "Stands by on", kind: "wide", source: planner }, { title: "With its fullest server lost", kind: "wide", source: `${planner} and ${file("recovery.standby")}` }],
    rows: services.map((service) => {
      const on = (role: "active" | "standby"): string => names([...new Set(service.workloads.filter((workload) => workload.role === role).flatMap(({ servers }) => servers))]);
      return [service.name, service.spec.priority, on("active"), on("standby") || "nothing", withoutOneServer(service, environment)];
    }),
  };
}

function checkpointBudget(environment: Environment, file: FileSource): Budget {
  const { recovery, training } = environment;
  const { everySteps, keepLast } = recovery.checkpoints;
  const jobs = Object.entries(training);
  const tiers = [...new Set(jobs.flatMap(([, { servers }]) => servers.flatMap((server) => checkpointTier(environment, server)?.tier ?? [])))];
  const shown = Math.min(keepLast, 8) + 2;
  const last = (shown - 1) * everySteps;
  const figures = [
    { name: "Every", figure: { text: `${whole(everySteps)} steps`, source: file("recovery.checkpoints.everySteps") } },
    { name: "Kept", figure: { text: `the last ${keepLast}`, source: file("recovery.checkpoints.keepLast") } },
    { name: "Most that is lost", figure: { text: `${whole(everySteps)} steps`, source: "guide 5.2, rule checkpoint-interval: all steps since the last checkpoint" } },
    ...(tiers.length === 0 ? [] : [{ name: "Kept on", figure: { text: `the ${tiers.join(" and the ")} tier`, source: file("recovery.checkpoints.tier") } }]),
  ];
  if (jobs.length === 0) return { title: "Checkpoints", about: "No training job here. A job would be told this:", figures };
  return {
    title: "Checkpoints",
    about: `${jobs.length === 1 ? "Job" : "Jobs"} ${names(jobs.map(([name]) => name))}: after a fault training goes on from the newest checkpoint that all servers have.`,
    timeline: {
      title: "Checkpoints of a training job, in steps",
      description: `A checkpoint every ${whole(everySteps)} steps, the last ${keepLast} kept; a fault costs at most the ${whole(everySteps)} steps since the last.`,
      end: shown * everySteps,
      rows: [{ label: "Kept checkpoints, and the steps at risk", spans: [{ from: last, to: last + everySteps, text: "at risk", fill: "spare" }], points: Array.from({ length: shown - 1 }, (_, index) => (index + 1) * everySteps).slice(-keepLast) }],
      ticks: Array.from({ length: shown + 1 }, (_, index) => index).filter((index) => index % Math.ceil(shown / 5) === 0).map((index) => ({ at: index * everySteps, text: whole(index * everySteps) })),
    },
    figures,
  };
}

function backupBudget({ recovery }: Environment, file: FileSource): Budget {
  const { everyHours, keepDaily, keepWeekly } = recovery.backup;
  const end = Math.max(7, keepDaily, keepWeekly * 7);
  const lost = everyHours >= 48 ? `${Number((everyHours / 24).toFixed(1))} days` : plural(everyHours, "hour");
  return {
    title: "Backup",
    about: "How far back one can go, from today to the left.",
    timeline: {
      title: "Backups that are kept, in days before today",
      description: `A backup every ${plural(everyHours, "hour")}; ${keepDaily} daily and ${keepWeekly} weekly ones are kept, ${plural(keepDaily, "day")} and ${plural(keepWeekly, "week")} back.`,
      end,
      rows: [
        { label: `${keepDaily} daily`, spans: [], points: Array.from({ length: Math.min(keepDaily, end) }, (_, index) => end - index) },
        { label: `${keepWeekly} weekly`, spans: [], points: Array.from({ length: keepWeekly }, (_, index) => end - index * 7) },
      ],
      ticks: ticksTo(end, 4, (at) => (at === end ? "today" : `-${Number((end - at).toFixed(1))} d`)),
    },
    figures: [
      { name: "Every", figure: { text: plural(everyHours, "hour"), source: file("recovery.backup.everyHours") } },
      { name: "Daily ones kept", figure: { text: String(keepDaily), source: file("recovery.backup.keepDaily") } },
      { name: "Weekly ones kept", figure: { text: String(keepWeekly), source: file("recovery.backup.keepWeekly") } },
      { name: "Most that is lost", figure: { text: lost, source: `${file("recovery.backup.everyHours")}: what has changed since the last` } },
    ],
  };
}

function coldStartBudget({ recovery }: Environment, file: FileSource): Budget {
  const { rehearseEveryDays, imagesTier } = recovery.coldStart;
  const end = Math.max(360, rehearseEveryDays);
  const rehearsals = Math.floor(end / rehearseEveryDays);
  const drawn = rehearsals > 60 ? [] : Array.from({ length: rehearsals }, (_, index) => (index + 1) * rehearseEveryDays);
  return {
    title: "Cold start",
    about: "From complete images, where nothing else is left. When it was last rehearsed is not in the environment.",
    timeline: {
      title: "Rehearsals of a cold start, in days",
      description: `A rehearsal every ${plural(rehearseEveryDays, "day")}; the rule's limit is ${mostDaysBetweenRehearsals} days.`,
      end,
      rows: [{ label: `Rehearsals, every ${plural(rehearseEveryDays, "day")}`, spans: drawn.length === 0 ? [{ from: 0, to: end, text: "", fill: "first" }] : [], points: drawn }],
      ticks: ticksTo(end, 4, (at) => `${Math.round(at)} d`),
      limit: { at: mostDaysBetweenRehearsals, text: `rule: ${mostDaysBetweenRehearsals} d` },
    },
    figures: [
      { name: "Rehearsed every", figure: { text: plural(rehearseEveryDays, "day"), source: file("recovery.coldStart.rehearseEveryDays") } },
      { name: "Limit", figure: { text: `${mostDaysBetweenRehearsals} days`, source: "rule cold-start-rehearsed (guide 5.2)" } },
      { name: "Images on", figure: { text: imagesTier === undefined ? "the cold tier where there is one, else warm" : `the ${imagesTier} tier`, source: file("recovery.coldStart.imagesTier") } },
    ],
  };
}

export function recoveryData(environment: Environment, { services }: Pick<WorkloadPlan, "services">, file: FileSource): RecoveryData {
  const standby = planStandby(environment, { services });
  return {
    standby: standbyOf(environment, standby, file),
    standbyParts: budgetTable(standby),
    services: servicesTable(environment, Object.values(services), file),
    checkpoints: checkpointBudget(environment, file),
    backup: backupBudget(environment, file),
    coldStart: coldStartBudget(environment, file),
  };
}
