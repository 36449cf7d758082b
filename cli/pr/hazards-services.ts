import type { ServicePlan, Workload } from "../../components/inference/plan-types";
import type { Inputs, Step } from "./events";
import type { Hazard } from "./hazards";
import { outagesOf, type Outage } from "./hazards-hosts";
import { listed, md, prose, type Markdown } from "./markdown";
import type { Comparison } from "./pairs";
import { plural, serversWords } from "./words";

const podKinds = /^kubernetes:.*:(Deployment|StatefulSet|LeaderWorkerSet)$/;

function objectName(inputs: Inputs | undefined): string | undefined {
  const metadata = inputs?.["metadata"];
  const name = typeof metadata === "object" && metadata !== null && "name" in metadata ? metadata.name : undefined;
  return typeof name === "string" ? name : undefined;
}

/** Whether a change of a workload's object makes new pods. */
function restarts({ op, changed }: Step): boolean {
  return op === "replace" || op === "delete" || (op === "update" && changed.some((path) => path === "spec" || /^spec\.(template|leaderWorkerTemplate)\b/.test(path)));
}

/** Workloads of services whose pods are stopped by what the engine does to their objects. */
function restartedWorkloads(steps: readonly Step[]): Set<string> {
  return new Set(steps.filter((step) => podKinds.test(step.type) && restarts(step)).flatMap((step) => objectName(step.old) ?? []));
}

const verbs: Readonly<Record<Outage["kind"], string>> = { "reboots": "reboots", "powered down": "is powered down", "leaves": "leaves", "renamed": "is renamed", "reinstalled": "is reinstalled", "loses its hot tier": "loses its hot tier" };

interface Stopped {
  workload: Workload;
  /** Absent where its pods are replaced. */
  outage?: Outage;
}

function stoppedOf(service: ServicePlan, restarted: ReadonlySet<string>, outages: readonly Outage[]): Stopped[] {
  return service.workloads.flatMap((workload): Stopped[] => {
    const outage = outages.find(({ server }) => workload.servers.includes(server));
    if (outage !== undefined) return [{ workload, outage }];
    return restarted.has(workload.name) ? [{ workload }] : [];
  });
}

function reasonOf(stopped: readonly Stopped[]): Markdown {
  const outages = new Set(stopped.flatMap(({ outage }) => outage ?? []));
  const replaced = serversOf(stopped.flatMap(({ workload, outage }) => (outage === undefined ? [workload] : [])));
  return listed([...[...outages].map(({ server, kind }) => md`${server} ${prose(verbs[kind])}`), ...(replaced.length === 0 ? [] : [md`its pods on ${serversWords(replaced)} are replaced`])]);
}

const replicasOf = (workloads: readonly Workload[]): number => workloads.reduce((sum, { replicas }) => sum + replicas, 0);
const serversOf = (workloads: readonly Workload[]): string[] => [...new Set(workloads.flatMap(({ servers }) => servers))];

function takeOver({ head }: Comparison, standby: readonly Workload[]): Markdown {
  const { mode, switchWithinSeconds } = head.environment.recovery.standby;
  const where = serversWords(serversOf(standby));
  return mode === "none"
    ? md`its standby on ${where} is loaded, but nothing switches to it by itself (recovery.standby.mode is none)`
    : md`its standby on ${where} takes over within ${switchWithinSeconds} s, and there is no standby behind it meanwhile`;
}

function hazardOf(comparison: Comparison, service: ServicePlan, stopped: readonly Stopped[]): Hazard[] {
  if (stopped.length === 0) return [];
  const gone = new Set(stopped.map(({ workload }) => workload.name));
  const staying = (role: Workload["role"]): Workload[] => service.workloads.filter((workload) => workload.role === role && !gone.has(workload.name));
  const active = service.workloads.filter(({ role }) => role === "active");
  const [answering, waiting] = [staying("active"), staying("standby")];
  const hadStandby = service.workloads.some(({ role }) => role === "standby");
  const lost = replicasOf(active) - replicasOf(answering);
  const why = reasonOf(stopped);
  if (lost === 0) return [{ kind: "unprotected", text: md`service ${service.name} has no standby meanwhile: ${why}. It goes on answering on ${serversWords(serversOf(answering))}.` }];
  if (answering.length > 0) {
    const without = hadStandby && waiting.length === 0 ? md` Its standby stops as well.` : md``;
    return [{ kind: "interrupts", text: md`service ${service.name} answers with ${replicasOf(answering)} of ${prose(plural(replicasOf(active), "replica"))} meanwhile: ${why}.${without}` }];
  }
  if (waiting.length > 0) return [{ kind: "interrupts", text: md`service ${service.name} is switched over: ${why}; ${takeOver(comparison, waiting)}.` }];
  const bare = hadStandby ? md`its standby stops as well` : md`it has no standby`;
  return [{ kind: "interrupts", text: md`service ${service.name} does not answer meanwhile: ${why}, and ${bare}.` }];
}

function serviceHazards(comparison: Comparison): Hazard[] {
  const { base, head, steps } = comparison;
  const restarted = restartedWorkloads(steps);
  const outages = outagesOf(comparison);
  return Object.values(base.workloads.services).flatMap((service): Hazard[] => {
    if (!Object.hasOwn(head.workloads.services, service.name)) return [{ kind: "interrupts", text: md`service ${service.name} is taken away and answers no more. Its weights stay where they are.` }];
    return hazardOf(comparison, service, stoppedOf(service, restarted, outages));
  });
}

function trainingHazards({ base, head, steps }: Comparison, outages: readonly Outage[]): Hazard[] {
  const jobs = new Set(steps.filter(({ op, type, parent }) => op !== "same" && op !== "create" && type === "kubernetes:batch/v1:Job" && parent.includes("rackwright:training:TrainingJob")).map(({ parent }) => parent.slice(parent.lastIndexOf("::") + 2)));
  return Object.values(base.workloads.training).flatMap((job): Hazard[] => {
    const outage = outages.find(({ server }) => job.servers.includes(server));
    const goesOn = Object.hasOwn(head.workloads.training, job.name);
    if (!goesOn) return [{ kind: "interrupts", text: md`training job ${job.name} is stopped and taken away. Its checkpoints stay.` }];
    if (outage === undefined && !jobs.has(job.name)) return [];
    const why = outage === undefined ? md`its pods are replaced` : md`${outage.server} stops`;
    return [{ kind: "interrupts", text: md`training job ${job.name} is interrupted: ${why}. It begins again from its last checkpoint, at most ${base.environment.recovery.checkpoints.everySteps} steps back.` }];
  });
}

/** What clients and jobs notice. */
export function workloadHazards(comparison: Comparison): Hazard[] {
  return [...serviceHazards(comparison), ...trainingHazards(comparison, outagesOf(comparison))];
}
