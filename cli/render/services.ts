import { gpu, model } from "../../components/catalog";
import type { ServicePlan, TrainingPlan, Workload, WorkloadPlan } from "../../components/inference/plan-types";
import type { Paper } from "../terminal";
import { displayWidth, wrap } from "../text";
import { memoryBar, memoryLegend } from "./memory";

const mostBarColumns = 40;

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** `2x NVIDIA A100 80GB PCIe`, or the CPU. */
export function devices({ accelerator, devicesPerPod, servers }: Workload): string {
  if (accelerator === "cpu") return "the CPU";
  const total = devicesPerPod * servers.length;
  return `${total}x ${gpu(accelerator)?.name ?? accelerator}`;
}

/** Tensor times pipeline parallelism, left out where there is neither. */
function parallelism({ sizing: { tensorParallel, pipelineParallel } }: Workload): string {
  const parts = [...(tensorParallel > 1 ? [`tensor ${tensorParallel}`] : []), ...(pipelineParallel > 1 ? [`pipeline ${pipelineParallel}`] : [])];
  return parts.length === 0 ? "" : `, ${parts.join(" x ")}`;
}

/** What a bar stands for; shares of a GPU by time-slicing see all of its memory. */
function barOf({ accelerator, resource }: Workload): string {
  if (accelerator === "cpu") return " a replica";
  return resource?.startsWith("nvidia.com/mig-") === true ? " a slice" : " a GPU";
}

/** Entries of a legend side by side, none of them broken. */
function legendLines(entries: readonly string[], indent: string, columns: number): string {
  const lines = [""];
  for (const entry of entries) {
    const line = lines.at(-1) ?? "";
    if (line !== "" && displayWidth(indent + line) + 2 + displayWidth(entry) > columns) lines.push(entry);
    else lines[lines.length - 1] = line === "" ? entry : `${line}  ${entry}`;
  }
  return lines.map((line) => `${indent}${line}\n`).join("");
}

function renderMemory(workload: Workload, paper: Paper): string {
  const indent = "      ";
  const { memory } = workload.sizing;
  return memoryBar(memory, indent, barOf(workload), Math.min(mostBarColumns, paper.columns - 28), paper) + legendLines(memoryLegend(memory, paper), indent, paper.columns);
}

function renderWorkload(workload: Workload, columns: number): string {
  const count = workload.role === "standby" ? plural(workload.replicas, "standby replica") : plural(workload.replicas, "replica");
  return wrap(`${count} on ${workload.servers.join(" and ")}: ${devices(workload)}${workload.replicas > 1 ? " each" : ""}${parallelism(workload)}`, "    ", columns, { hang: 6 });
}

/** Replicas whose memory is taken alike are shown with one bar. */
function renderAlike(workloads: readonly Workload[], paper: Paper): string {
  const alike = new Map<string, Workload[]>();
  for (const workload of workloads) {
    const key = JSON.stringify([barOf(workload), workload.accelerator, workload.sizing.memory]);
    alike.set(key, [...(alike.get(key) ?? []), workload]);
  }
  return [...alike.values()].map((group) => group.map((workload) => renderWorkload(workload, paper.columns)).join("") + group.slice(0, 1).map((first) => renderMemory(first, paper)).join("")).join("");
}

/** Each reason once: replicas on several servers are sized alike. */
function remarks({ spec, engineReason, notes, workloads }: ServicePlan): string[] {
  const engine = spec.engine === "auto" ? [`engine: ${engineReason}`] : [];
  return [...new Set([...engine, ...workloads.flatMap(({ sizing }) => sizing.reasons), ...notes])];
}

function renderService(service: ServicePlan, paper: Paper): string {
  const name = model(service.spec.model)?.name ?? service.spec.model;
  const title = wrap(`${paper.style("bold", service.name)}  ${name} in ${service.spec.precision}, ${service.engine}`, "  ", paper.columns, { hang: 4 });
  const lines = remarks(service).map((remark) => wrap(remark, `    ${paper.style("dim", "note:")} `, paper.columns, { style: (line) => paper.style("dim", line) }));
  return title + renderAlike(service.workloads, paper) + lines.join("");
}

function renderTraining({ name, servers, devicesPerPod }: TrainingPlan, { style, columns }: Paper): string {
  return wrap(`${style("bold", name)}  training on ${servers.join(", ")}: ${plural(devicesPerPod, "GPU")} each`, "  ", columns, { hang: 4 });
}

/** What runs where: one paragraph a service, one line a training job. Empty where there is neither. */
export function renderWorkloads({ services, training }: Pick<WorkloadPlan, "services" | "training">, paper: Paper): string {
  return [...Object.values(services).map((service) => renderService(service, paper)), ...Object.values(training).map((job) => renderTraining(job, paper))].join("");
}
