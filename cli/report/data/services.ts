import { gpu } from "../../../components/catalog";
import type { Environment } from "../../../components/environment";
import type { MemoryBudget, ServicePlan, TrainingPlan, Workload, WorkloadPlan } from "../../../components/inference/plan-types";
import { gibibyte, gibText } from "../../../components/inference/sizing";
import type { Bar, BarChart, Cell, Table } from "../types";
import { names, plural, whole } from "../words";
import type { FileSource } from "./file-source";

export interface ServicesData {
  memory: BarChart;
  sizes: Table;
  speeds: Table;
  training: Table;
  targets: Table;
  /** Why each is sized and placed as it is. */
  reasons: { service: string; reasons: string[] }[];
}

const planner = "the sizing planner (docs/sizing.md)";

export const sizingSources = {
  usable: `${planner}: what a program can have of the card, less than its label (facts 4 and the GPU catalog)`,
  weights: `${planner}: parameters of the model's own configuration times bytes of their format, divided by tensor and pipeline parallelism`,
  cache: `${planner}: keys and values of every token of every concurrent request at full length (facts 4)`,
  overhead: `${planner}: activations, CUDA graphs and buffers between GPUs; fitted to published logs, an assumption`,
  margin: `${planner}: what the engine may take less weights, cache and overhead`,
  reserve: `${planner}: usable memory less what the engine's memory setting lets it take`,
} as const;

const device = ({ accelerator }: Workload): string => (accelerator === "cpu" ? "the CPU" : (gpu(accelerator)?.name ?? accelerator));

/** "1 replica on gpu-01: 2x NVIDIA A100 80GB PCIe". */
export function placeText(workload: Workload): string {
  const { role, replicas, servers, accelerator, devicesPerPod } = workload;
  const devices = accelerator === "cpu" ? "the CPU" : `${devicesPerPod * servers.length}x ${device(workload)}`;
  return `${plural(replicas, role === "standby" ? "standby replica" : "replica")} on ${names(servers)}: ${devices}${replicas > 1 ? " each" : ""}`;
}

/** Room that the engine leaves alone: it is no margin, for other programs and the driver take from it. */
const reserveBytes = ({ usableBytes, budgetBytes }: MemoryBudget): number => Math.max(0, usableBytes - budgetBytes);

const number = (bytes: number): string => (bytes / gibibyte).toFixed(1);

function memoryBar(service: string, workload: Workload): Bar {
  const { memory } = workload.sizing;
  const { usableBytes, weightsBytes, keyValueBytes, overheadBytes, marginBytes } = memory;
  const part = (name: string, value: number, fill: Bar["parts"][number]["fill"]) => ({ name, value: Math.max(0, value), text: number(value), fill });
  return {
    label: `${service}: ${placeText(workload)}`,
    result: `${gibText(marginBytes)} left of ${gibText(usableBytes)}${workload.accelerator === "cpu" ? "" : " a GPU"}`,
    state: marginBytes < 0 ? "bad" : "good",
    total: usableBytes,
    parts: [
      part("weights", weightsBytes, "first"),
      ...(keyValueBytes > 0 ? [part("KV cache", keyValueBytes, "second")] : []),
      part("activations and overhead", overheadBytes, "third"),
      part("margin", marginBytes, "spare"),
      ...(reserveBytes(memory) > 0 ? [part("left to others", reserveBytes(memory), "none")] : []),
    ],
  };
}

/** Replicas that are alike but for their server are one bar. */
function bars(services: readonly ServicePlan[]): Bar[] {
  return services.flatMap(({ name, workloads }) => {
    const drawn = new Map<string, { workload: Workload; servers: string[]; replicas: number }>();
    for (const workload of workloads) {
      const { role, accelerator, devicesPerPod, sizing, servers } = workload;
      const key = servers.length > 1 ? workload.name : JSON.stringify([role, accelerator, devicesPerPod, sizing.memory]);
      const found = drawn.get(key);
      if (found === undefined) drawn.set(key, { workload, servers: [...servers], replicas: workload.replicas });
      else {
        found.servers.push(...servers);
        found.replicas += workload.replicas;
      }
    }
    return [...drawn.values()].map(({ workload, servers, replicas }) => {
      const bar = memoryBar(name, workload);
      if (servers.length === workload.servers.length) return bar;
      return { ...bar, label: `${name}: ${plural(replicas, workload.role === "standby" ? "standby replica" : "replica")} on ${names(servers)}: ${workload.accelerator === "cpu" ? "the CPU" : `${workload.devicesPerPod}x ${device(workload)}`} each` };
    });
  });
}

const parallelText = ({ sizing: { tensorParallel, pipelineParallel } }: Workload): string => `tensor ${tensorParallel}, pipeline ${pipelineParallel}`;

function sizesTable(services: readonly ServicePlan[]): Table {
  return {
    caption: "Memory of the fullest GPU of each replica",
    columns: [
      { title: "Service" }, { title: "Model", kind: "wide" }, { title: "Runs as", kind: "wide" },
      { title: "Weights", kind: "number", source: sizingSources.weights }, { title: "KV cache", kind: "number", source: sizingSources.cache }, { title: "Activations and overhead", kind: "number", source: sizingSources.overhead },
      { title: "Margin", kind: "number", source: sizingSources.margin }, { title: "Left to others", kind: "number", source: sizingSources.reserve }, { title: "Usable", kind: "number", source: sizingSources.usable },
    ],
    rows: services.flatMap(({ name, spec, model, engine, workloads }) => workloads.map((workload): readonly Cell[] => {
      const { memory } = workload.sizing;
      return [
        name, `${model.name} in ${spec.precision}, ${engine}`, [placeText(workload), parallelText(workload)],
        gibText(memory.weightsBytes), memory.keyValueBytes === 0 ? "none" : gibText(memory.keyValueBytes), gibText(memory.overheadBytes),
        memory.marginBytes < 0 ? { mark: "bad", text: gibText(memory.marginBytes) } : gibText(memory.marginBytes), gibText(reserveBytes(memory)), gibText(memory.usableBytes),
      ];
    })),
  };
}

const rounded = (value: number): string => whole(Number(value.toPrecision(2)));

const estimateText = ([first]: readonly Workload[]): string[] => {
  const estimate = first?.sizing.estimate;
  return estimate === undefined ? [] : [`estimated speed: bound by ${estimate.boundBy}; ${estimate.assumptions.join("; ")}`];
};

/** A replica's speed is the same wherever it stands: one row a service. */
function speedsTable(services: readonly ServicePlan[], file: FileSource): Table {
  return {
    caption: "Estimated speed of one replica",
    columns: [
      { title: "Service" }, { title: "Requests at once", kind: "number", source: file("services.<name>.concurrency") }, { title: "Context", kind: "number", source: `${file("services.<name>.contextTokens")}, else the model's own` },
      { title: "Tokens in the cache", kind: "number", source: `${planner}: if all that is left goes to the cache` },
      { title: "For one request", kind: "number", source: `${planner}: an estimate from bandwidth and arithmetic, not a measurement` }, { title: "In all", kind: "number", source: `${planner}: an estimate from bandwidth and arithmetic, not a measurement` },
    ],
    rows: services.flatMap(({ name, workloads: [workload] }) => {
      const estimate = workload?.sizing.estimate;
      if (workload === undefined || estimate === undefined) return [];
      const { concurrency, contextTokens, memory } = workload.sizing;
      const one = memory.keyValueTokens === 0 ? "one pass" : `${rounded(estimate.tokensPerSecondPerRequest)} tokens/s`;
      return [[name, whole(concurrency), `${whole(contextTokens)} tokens`, memory.keyValueTokens === 0 ? "none" : whole(memory.keyValueTokens), one, `${rounded(estimate.tokensPerSecond)} ${memory.keyValueTokens === 0 ? "tokens or patches/s" : "tokens/s"}`]];
    }),
  };
}

function trainingTable(jobs: readonly TrainingPlan[], { training }: Environment, file: FileSource): Table {
  return {
    caption: "Training jobs",
    columns: [{ title: "Job" }, { title: "Launcher", source: file("training.<name>.launcher") }, { title: "Servers", kind: "wide", source: file("training.<name>.servers") }, { title: "GPUs on each", kind: "number", source: "the placement planner (docs/training.md)" }, { title: "Memory of each pod", kind: "number", source: "the placement planner (docs/training.md)" }],
    rows: jobs.map(({ name, servers, devicesPerPod, memoryGiB }) => [name, training[name]?.launcher ?? "", names(servers), whole(devicesPerPod), `${whole(memoryGiB)} GiB`]),
  };
}

function targetsTable({ services }: Environment, file: FileSource): Table {
  const source = `${file("services.<name>.targets")}; claims until measured`;
  return {
    caption: "What services are meant to reach",
    columns: [{ title: "Service" }, { title: "What", kind: "wide" }, { title: "Before", kind: "number", source }, { title: "After", kind: "number", source }, { title: "Would be measured at", kind: "wide" }],
    rows: Object.entries(services).flatMap(([name, { targets }]) => targets.map(({ metric, before, after, measuredAt }) => [name, metric, before ?? "not stated", after, measuredAt])),
  };
}

/** GPU memory of each service, as the planner has sized it. Empty where not everything can be placed. */
export function servicesData(environment: Environment, plan: Pick<WorkloadPlan, "services" | "training">, file: FileSource): ServicesData {
  const services = Object.values(plan.services);
  return {
    memory: {
      title: "GPU memory by service",
      legend: [{ name: "weights", fill: "first" }, { name: "KV cache", fill: "second" }, { name: "activations and overhead", fill: "third" }, { name: "margin", fill: "spare" }, { name: "left to others", fill: "none" }],
      bars: bars(services),
    },
    sizes: sizesTable(services),
    speeds: speedsTable(services, file),
    training: trainingTable(Object.values(plan.training), environment, file),
    targets: targetsTable(environment, file),
    reasons: services.map(({ name, spec, engineReason, notes, workloads }) => ({ service: name, reasons: [...new Set([...(spec.engine === "auto" ? [`engine: ${engineReason}`] : []), ...workloads.flatMap(({ sizing }) => sizing.reasons), ...notes, ...estimateText(workloads)])] })),
  };
}
