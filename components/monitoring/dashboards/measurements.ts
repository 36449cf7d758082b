import type { BoardInput } from "./board";
import type { Facts } from "./facts";
import { bars, graph, units, words, type Query } from "./panels";
import type { PanelBuilder } from "./sdk";

const width = 6;

/**
 * The guide's four measurements (5.1), each with the line from which its alert counts, and in words where this environment
 * can have none of them.
 */
export function fourMeasurements(input: BoardInput, facts: Facts): PanelBuilder[] {
  return [utilisation(input, facts), fragmentation(input, facts), latency(input, facts), loadTime(input)];
}

function utilisation({ environment }: BoardInput, facts: Facts): PanelBuilder {
  const { hasGpus, hasCluster } = facts;
  const title = "GPU utilisation";
  if (!hasGpus) return words({ title, content: "No server of this environment has an NVIDIA GPU.", width });
  const counted = hasCluster ? "rackwright:gpu_busy:bool" : "rackwright:gpu_held:bool";
  const which = hasCluster ? "with work" : "in use";
  const working = `(rackwright:gpu_utilization:percent and on (server, gpu, UUID) ${counted} == 1)`;
  return graph({
    title,
    description: `Share of time in which anything ran on a GPU: DCGM's GR_ENGINE_ACTIVE, or GPU_UTIL on cards without profiling fields. It says that the GPU was not idle, not how much of it was used: see "what the busy time was" on the GPU board. GPUs ${which} are those ${hasCluster ? "whose pod has requests in flight or trains" : "with more than 1 GiB of their memory taken"}; without any, only the mean of all is drawn. The line is where a GPU ${which} counts as held up by something else.`,
    unit: units.percent, min: 0, max: 100, width, ...facts.watchedBy("GpuUtilizationLow"),
    limit: { value: environment.monitoring.alerts.gpuUtilizationPercent, wrong: "below" },
    queries: [
      { expr: `min(${working})`, legend: `lowest ${which}` },
      { expr: `avg(${working})`, legend: `mean ${which}` },
      { expr: "avg(rackwright:gpu_utilization:percent)", legend: "mean of all" },
    ],
  });
}

function fragmentation({ environment }: BoardInput, facts: Facts): PanelBuilder {
  const limit = environment.monitoring.alerts.memoryFragmentationPercent / 100;
  const host: Query = { expr: "max(rackwright:host_fragmentation:ratio)", legend: "host memory, worst zone" };
  const hostSays = "For the host: the share of a zone's free memory in pieces below 2 MiB, from buddyinfo; the kernel joins pieces when asked, so a high share is normal there and has no line.";
  const base = { title: "Memory fragmentation", unit: units.ratio, min: 0, max: 1, width } as const;
  if (!facts.hasCluster || !facts.hasTorch) {
    return graph({ ...base, description: `No service of this environment runs on torch's allocator, so there is no fragmentation of GPU memory to measure: GPUs themselves do not tell it. ${hostSays}`, queries: [host] });
  }
  return graph({
    ...base, alert: "MemoryFragmentationHigh",
    description: `For GPU memory: the share of what torch has reserved that lies in split blocks which nothing uses, asked inside of the engine's processes, for DCGM has no such field; the worst pod of each service. Engines with a paged cache (vLLM, SGLang) take it in one piece, so it stays small: their own measure is the use of the KV cache. Processes with less than 1 GiB do not count. The line is for GPU memory. ${hostSays}`,
    limit: { value: limit, wrong: "above" },
    queries: [{ expr: "max by (service) (rackwright:torch_fragmentation:ratio)", legend: "{{service}}" }, host],
  });
}

function latency({ environment }: BoardInput, { servers, hasRdma }: Facts): PanelBuilder {
  const title = "Network latency";
  if (servers.length < 2) return words({ title, content: "This environment has one server: there is no way between servers to measure.", width });
  const milliseconds = environment.monitoring.alerts.networkLatencyMilliseconds;
  return graph({
    title, unit: units.seconds, min: 0, width, alert: "NetworkLatencyHigh",
    description: `Round trip between servers over IP (ICMP), mean of five minutes; what was lost is not in it.${hasRdma ? " RDMA is measured by itself, one way, with writes of two bytes (ib_write_lat): it bypasses the kernel, so that neither says anything of the other." : ""} From each server to ${servers.length <= 32 ? "every other one" : "some others around it"}. The line is ${milliseconds} ms, far above what a healthy rack shows (below 0.5 ms).`,
    limit: { value: milliseconds / 1000, wrong: "above" },
    queries: [
      { expr: "max(rackwright:network_latency:seconds)", legend: "IP, slowest way" },
      { expr: "avg(rackwright:network_latency:seconds)", legend: "IP, mean" },
      ...(hasRdma ? [{ expr: "max(rackwright:rdma_latency:seconds)", legend: "RDMA, slowest way" }] : []),
    ],
  });
}

function loadTime({ workloads }: BoardInput): PanelBuilder {
  const title = "Model load time";
  if (Object.keys(workloads.services).length === 0) return words({ title, content: "This environment has no inference service.", width });
  return bars({
    title, unit: units.seconds, min: 0, decimals: 0, width, alert: "ModelLoadSlow",
    description: "From the start of the engine's container to its first healthy answer: weights, compilation and warm-up together, which no engine tells by itself. One figure for each start, known to the interval of the readiness probe; it stays until the next start. The guide names no limit; the alert compares with what the service is given for a start.",
    query: { expr: "max by (service, server) (rackwright:model_load:seconds)", legend: "{{service}} on {{server}}" },
  });
}
