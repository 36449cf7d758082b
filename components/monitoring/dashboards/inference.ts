import { boardUids, layOut, type BoardInput, type Row } from "./board";
import { hasTokens, ownEngines, type Facts } from "./facts";
import { bars, graph, states, units } from "./panels";
import { longWindow, ofService, quantile, window } from "./queries";
import type { DashboardModel, PanelBuilder } from "./sdk";

const legend = "{{service}}";
const width = 6;

/** Services from their clients' side, then from their engines', then what they cost in memory and energy. */
export function inferenceBoard(input: BoardInput, facts: Facts): DashboardModel {
  const engineRows: Row[] = [
    { title: "vLLM", panels: facts.engines.has("vllm") ? vllm() : [] },
    { title: "SGLang", panels: facts.engines.has("sglang") ? sglang() : [] },
    { title: "Triton", panels: facts.engines.has("triton") ? triton() : [] },
    { title: "Servers around libraries", panels: ownEngines.some((engine) => facts.engines.has(engine)) ? ownServers() : [] },
  ];
  return layOut({
    uid: boardUids.inference,
    title: "Inference service",
    description: "Replicas, requests, memory, start and energy of inference services. Engines tell different things: each has a row of its own, with what it tells.",
    variables: [{ name: "service", series: "rackwright:pods_planned:count", label: "service" }],
    rows: [
      { title: "Replicas", panels: replicas() },
      ...engineRows,
      { title: "Memory", panels: facts.hasTorch ? memory(input) : [] },
      { title: "GPUs and energy", panels: facts.hasGpus ? energy(input, facts) : [] },
    ],
  });
}

function replicas(): PanelBuilder[] {
  const joined = (expr: string): string => `${expr} * on (namespace, pod) group_left (service, role) rackwright:pod_service:info{${ofService}}`;
  return [
    graph({ title: "Pods", description: "Ready and planned pods, by role. A replica that spans servers has a pod on each.", unit: units.count, min: 0, decimals: 0, alert: "ReplicasMissing", queries: [
      { expr: `sum by (service, role) (rackwright:pods_ready:count{${ofService}})`, legend: "{{service}} {{role}}, ready" },
      { expr: `sum by (service, role) (rackwright:pods_planned:count{${ofService}})`, legend: "{{service}} {{role}}, planned" },
    ], width }),
    states({ title: "Readiness", description: "Whether each pod may be sent requests.", states: { 0: { text: "not ready", colour: "red" }, 1: { text: "ready", colour: "green" } }, queries: [{ expr: joined('max by (namespace, pod) (kube_pod_status_ready{condition="true", namespace="inference"})'), legend: "{{pod}} {{role}}" }], width }),
    graph({ title: "Restarts", description: "Starts of containers again, in the last hour.", unit: units.count, min: 0, alert: "PodCrashLooping", queries: [{ expr: `sum by (service) (${joined(`sum by (namespace, pod) (increase(kube_pod_container_status_restarts_total{namespace="inference"}[${longWindow}]))`)})`, legend }], width }),
    bars({ title: "Model load time", description: "From the start of the engine's container to its first healthy answer: weights, compilation and warm-up together. One figure for each start; it stays until the next.", unit: units.seconds, min: 0, decimals: 0, alert: "ModelLoadSlow", query: { expr: `max by (service, role, server) (rackwright:model_load:seconds{${ofService}})`, legend: "{{service}} {{role}} on {{server}}" }, width }),
  ];
}

/** Median and slowest twentieth of a histogram. */
function course(title: string, description: string, histogram: string, alert?: string): PanelBuilder {
  return graph({ title, description: `${description} Median and 95th percentile of five minutes, between the histogram's steps.`, unit: units.seconds, min: 0, width: 8, ...(alert === undefined ? {} : { alert }), queries: [
    { expr: quantile(0.5, histogram, ofService, ["service"]), legend: `${legend} median` },
    { expr: quantile(0.95, histogram, ofService, ["service"]), legend: `${legend} 95 %` },
  ] });
}

function vllm(): PanelBuilder[] {
  return [
    graph({ title: "Requests", description: "Requests in the batch and those that wait for a place in it.", unit: units.count, min: 0, alert: "RequestQueueLong", queries: [
      { expr: `sum by (service) (vllm:num_requests_running{${ofService}})`, legend: `${legend} running` },
      { expr: `sum by (service) (vllm:num_requests_waiting{${ofService}})`, legend: `${legend} waiting` },
    ], width: 8 }),
    graph({ title: "KV cache", description: "Share of the cache's blocks in use, the fullest replica. When it is full, requests wait or are pushed out and read again.", unit: units.ratio, min: 0, max: 1, alert: "KvCacheFull", queries: [{ expr: `max by (service) (vllm:kv_cache_usage_perc{${ofService}})`, legend }], width: 8 }),
    graph({ title: "Pushed out", description: "Requests that lost their cache to others, a second; each costs a second reading of its prompt.", unit: units.perSecond, min: 0, queries: [{ expr: `sum by (service) (rate(vllm:num_preemptions_total{${ofService}}[${window}]))`, legend }], width: 8 }),
    graph({ title: "Tokens", description: "Tokens of prompts that were read and tokens that were generated.", unit: units.tokensPerSecond, min: 0, queries: [
      { expr: `sum by (service) (rate(vllm:prompt_tokens_total{${ofService}}[${window}]))`, legend: `${legend} read` },
      { expr: `sum by (service) (rate(vllm:generation_tokens_total{${ofService}}[${window}]))`, legend: `${legend} generated` },
    ], width: 8 }),
    course("Time to the first token", "What a user waits for before anything appears.", "vllm:time_to_first_token_seconds"),
    course("Time between tokens", "How fast an answer is written: 0.05 s is 20 tokens a second.", "vllm:inter_token_latency_seconds"),
    course("Whole requests", "From arrival to the last token; long answers take long.", "vllm:e2e_request_latency_seconds"),
    course("Waiting", "Time in the queue alone.", "vllm:request_queue_time_seconds"),
    graph({ title: "Finished requests", description: "By the reason for their end: stop is an answer that ended by itself, length one that was cut at its limit, abort one whose client left.", unit: units.perSecond, min: 0, stacked: true, queries: [{ expr: `sum by (service, finished_reason) (rate(vllm:request_success_total{${ofService}}[${window}]))`, legend: "{{service}} {{finished_reason}}" }], width: 8 }),
  ];
}

function sglang(): PanelBuilder[] {
  return [
    graph({ title: "Requests", description: "Requests in the batch and those that wait for a place in it.", unit: units.count, min: 0, alert: "RequestQueueLong", queries: [
      { expr: `sum by (service) (sglang:num_running_reqs{${ofService}})`, legend: `${legend} running` },
      { expr: `sum by (service) (sglang:num_queue_reqs{${ofService}})`, legend: `${legend} waiting` },
    ], width: 8 }),
    graph({ title: "Token cache", description: "Share of the cache's tokens in use, the fullest replica.", unit: units.ratio, min: 0, max: 1, alert: "KvCacheFull", queries: [{ expr: `max by (service) (sglang:token_usage{${ofService}})`, legend }], width: 8 }),
    graph({ title: "Generated tokens", description: "Tokens generated a second.", unit: units.tokensPerSecond, min: 0, queries: [{ expr: `sum by (service) (rate(sglang:generation_tokens_total{${ofService}}[${window}]))`, legend }], width: 8 }),
  ];
}

function triton(): PanelBuilder[] {
  const rate = (metric: string): string => `sum by (service, model) (rate(${metric}{${ofService}}[${window}]))`;
  const name = "{{service}} {{model}}";
  return [
    graph({ title: "Requests", description: "Requests that were answered and that failed, by model.", unit: units.perSecond, min: 0, alert: "RequestsFailing", queries: [
      { expr: rate("nv_inference_request_success"), legend: `${name} answered` },
      { expr: rate("nv_inference_request_failure"), legend: `${name} failed` },
    ], width }),
    graph({ title: "Pending", description: "Requests that wait for a place in a batch.", unit: units.count, min: 0, alert: "RequestQueueLong", queries: [{ expr: `sum by (service, model) (nv_inference_pending_request_count{${ofService}})`, legend: name }], width }),
    graph({ title: "Time of a request", description: "Mean of five minutes, and the part of it spent waiting; Triton counts sums, so there are no percentiles.", unit: units.seconds, min: 0, queries: [
      { expr: `${rate("nv_inference_request_duration_us")} / ${rate("nv_inference_request_success")} / 1e6`, legend: `${name} whole` },
      { expr: `${rate("nv_inference_queue_duration_us")} / ${rate("nv_inference_request_success")} / 1e6`, legend: `${name} waiting` },
    ], width }),
    graph({ title: "Mean batch", description: "Inferences over executions: 1 means that requests are never put together.", unit: units.count, min: 0, decimals: 1, queries: [{ expr: `${rate("nv_inference_count")} / ${rate("nv_inference_exec_count")}`, legend: name }], width }),
  ];
}

function ownServers(): PanelBuilder[] {
  return [
    graph({ title: "Requests in flight", description: "Requests that a server has and has not answered.", unit: units.count, min: 0, alert: "RequestQueueLong", queries: [{ expr: `sum by (service) (engine_requests_in_flight{${ofService}})`, legend }], width: 8 }),
    graph({ title: "Requests", description: "By outcome.", unit: units.perSecond, min: 0, alert: "RequestsFailing", queries: [{ expr: `sum by (service, outcome) (rate(engine_requests_total{${ofService}}[${window}]))`, legend: "{{service}} {{outcome}}" }], width: 8 }),
    graph({ title: "Busy", description: "Share of time in which the model ran, the busiest replica.", unit: units.ratio, min: 0, max: 1, queries: [{ expr: `max by (service) (rate(engine_busy_seconds_total{${ofService}}[${window}]))`, legend }], width: 8 }),
  ];
}

function memory({ environment }: BoardInput): PanelBuilder[] {
  return [
    graph({ title: "Fragmentation of GPU memory", description: "Inactive split blocks over what torch has reserved, each pod's worst process. DCGM cannot see it. A paged cache keeps it small by itself; it grows where sizes change much from request to request.", unit: units.ratio, min: 0, max: 1, alert: "MemoryFragmentationHigh", limit: { value: environment.monitoring.alerts.memoryFragmentationPercent / 100, wrong: "above" }, queries: [{ expr: `max by (service, pod) (rackwright:torch_fragmentation:ratio{${ofService}})`, legend: "{{pod}}" }], width: 8 }),
    graph({ title: "Memory of torch", description: "What torch has taken from the GPU, and the part of it that tensors are in.", unit: units.bytes, min: 0, queries: [
      { expr: `sum by (service) (rackwright_torch_reserved_bytes{${ofService}})`, legend: `${legend} reserved` },
      { expr: `sum by (service) (rackwright_torch_allocated_bytes{${ofService}})`, legend: `${legend} allocated` },
    ], width: 8 }),
    graph({ title: "Memory short", description: "In the last hour: allocations that worked only after cached blocks were given back, and those that failed.", unit: units.count, min: 0, alert: "GpuOutOfMemory", queries: [
      { expr: `sum by (service) (increase(rackwright_torch_allocation_retries_total{${ofService}}[${longWindow}]))`, legend: `${legend} retried` },
      { expr: `sum by (service) (increase(rackwright_torch_out_of_memory_total{${ofService}}[${longWindow}]))`, legend: `${legend} failed` },
    ], width: 8 }),
  ];
}

function energy({ environment }: BoardInput, facts: Facts): PanelBuilder[] {
  return [
    graph({ title: "Utilisation of its GPUs", description: "Each GPU that a pod of the service holds. A standby's are idle until it takes over.", unit: units.percent, min: 0, max: 100, limit: { value: environment.monitoring.alerts.gpuUtilizationPercent, wrong: "below" }, queries: [{ expr: `rackwright:gpu_utilization:percent{${ofService}, service!=""}`, legend: "{{service}} {{role}} {{server}} GPU {{gpu}}" }], width: 8 }),
    graph({ title: "Draw of its GPUs", description: "Standbys included; the rest of the server is not counted.", unit: units.watts, min: 0, queries: [{ expr: `rackwright:service_power:watts{${ofService}}`, legend }], width: 8 }),
    ...(hasTokens(facts) ? [graph({ title: "Energy of 1,000 tokens", description: "Draw of the service's GPUs over the tokens that it generates: idle time is paid by the tokens that there are.", unit: units.joules, min: 0, queries: [{ expr: `rackwright:service_energy:joules_per_kilotoken{${ofService}}`, legend }], width: 8 })] : []),
  ];
}
