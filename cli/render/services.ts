import { gpu, model } from "../../components/catalog";
import type { ServicePlan, TrainingPlan, Workload, WorkloadPlan } from "../../components/inference/plan-types";
import type { Terminal } from "../terminal";

const gibibyte = 1024 ** 3;

/** `38.6 GiB`. */
export function gib(bytes: number): string {
  return `${(bytes / gibibyte).toFixed(1)} GiB`;
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

function devices({ accelerator, devicesPerPod, servers }: Workload): string {
  if (accelerator === "cpu") return "the CPU";
  const total = devicesPerPod * servers.length;
  return `${total}x ${gpu(accelerator)?.name ?? accelerator}`;
}

/** Tensor times pipeline parallelism, left out where there is neither. */
function parallelism({ sizing: { tensorParallel, pipelineParallel } }: Workload): string {
  const parts = [...(tensorParallel > 1 ? [`tensor ${tensorParallel}`] : []), ...(pipelineParallel > 1 ? [`pipeline ${pipelineParallel}`] : [])];
  return parts.length === 0 ? "" : `, ${parts.join(" x ")}`;
}

function memory({ accelerator, sizing: { memory: { budgetBytes, weightsBytes, keyValueBytes, overheadBytes, marginBytes } } }: Workload): string {
  const cache = keyValueBytes === 0 ? "" : ` + ${gib(keyValueBytes)} cache`;
  return `${accelerator === "cpu" ? "" : "per GPU "}${gib(weightsBytes)} weights${cache} + ${gib(overheadBytes)} overhead of ${gib(budgetBytes)}, ${gib(marginBytes)} left`;
}

function renderWorkload(workload: Workload): string {
  const count = workload.role === "standby" ? plural(workload.replicas, "standby replica") : plural(workload.replicas, "replica");
  return `    ${count} on ${workload.servers.join(" and ")}: ${devices(workload)}${workload.replicas > 1 ? " each" : ""}${parallelism(workload)}\n      ${memory(workload)}\n`;
}

/** Each reason once: replicas on several servers are sized alike. */
function remarks({ spec, engineReason, notes, workloads }: ServicePlan): string[] {
  const engine = spec.engine === "auto" ? [`engine: ${engineReason}`] : [];
  return [...new Set([...engine, ...workloads.flatMap(({ sizing }) => sizing.reasons), ...notes])];
}

function renderService(service: ServicePlan, style: Terminal["style"]): string {
  const name = model(service.spec.model)?.name ?? service.spec.model;
  const title = `  ${style("bold", service.name)}  ${name} in ${service.spec.precision}, ${service.engine}\n`;
  const lines = remarks(service).map((remark) => `    ${style("dim", `note: ${remark}`)}\n`);
  return title + service.workloads.map(renderWorkload).join("") + lines.join("");
}

function renderTraining({ name, servers, devicesPerPod }: TrainingPlan, style: Terminal["style"]): string {
  return `  ${style("bold", name)}  training on ${servers.join(", ")}: ${plural(devicesPerPod, "GPU")} each\n`;
}

/** What runs where: one paragraph a service, one line a training job. Empty where there is neither. */
export function renderWorkloads({ services, training }: Pick<WorkloadPlan, "services" | "training">, style: Terminal["style"]): string {
  return [...Object.values(services).map((service) => renderService(service, style)), ...Object.values(training).map((job) => renderTraining(job, style))].join("");
}
