import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { Environment } from "../../components/environment";
import { everyAlertEnvironment } from "../../components/monitoring/docs";
import { jobs } from "../../components/monitoring/names";
import { recorded } from "../../components/monitoring/metrics";
import { prometheusRules } from "../../components/monitoring/rules";
import { runTests } from "./alerts-promtool";
import { allocator, engine, gpu, kubernetes, latency, meter, node, placed, pod, standbyPod, trainingPod } from "./alerts-series";
import { bare, groupsOf } from "./rules-environments";

/** Minutes of input; the answer is asked for at the end. */
const minutes = 30;

interface Expected {
  labels: Readonly<Record<string, string>>;
  value: number;
}

interface RecordingCase {
  record: string;
  why: string;
  /** @default the environment with everything */
  environment?: Environment;
  /** A number stands for a gauge, `+n` for a counter that grows by it each minute, anything else is promtool's own. */
  input: Readonly<Record<string, number | string>>;
  /** @default the recording by itself */
  expr?: string;
  expected: readonly Expected[];
}

const values = (value: number | string): string => (typeof value === "number" ? `${value}x${minutes}` : value.startsWith("+") ? `0${value}x${minutes}` : value);
const onGpu = { server: "gpu-01", gpu: "0", UUID: "GPU-a" };
const modelName = "NVIDIA H100 80GB HBM3";
const inPod = { namespace: pod.namespace, pod: pod.pod };
const trainingIn = { namespace: trainingPod.namespace, pod: trainingPod.pod };
const both = { ...inPod, service: "foundation", role: "active" };
const is = (value: number) => (names: readonly string[]): Record<string, number> => Object.fromEntries(names.map((name) => [name, value]));
const placedPod = is(1)(placed(pod, "foundation", "active", "gpu-01"));
const ready = (of: Readonly<Record<string, string>>): string => kubernetes("kube_pod_status_ready", { ...of, condition: "true" });
const used = (labels: Readonly<Record<string, string>> = {}): string => gpu("DCGM_FI_DEV_FB_USED", labels);
const power = (labels: Readonly<Record<string, string>> = {}): string => gpu("DCGM_FI_DEV_POWER_USAGE", labels);
const acpi = { chip: "lnxsybus:00_acpi000d:00", sensor: "power1" };
const buddy = (zone: string, size: string): string => node("node_buddyinfo_blocks", { node: "0", zone, size });
const bareGpu = (metric: string): string => gpu(metric, {}, "gpu-1");
const ping = (metric: string, host = "10.30.1.12"): string => latency(metric, "gpu-01", host);
const replica = { name: "foundation", replica: "foundation-gpu-02-standby", kind: "standby" };
const program = (server: string, name: string, value: number): Record<string, number> => ({ [node("rackwright_balancer_program_up", { program: name }, server)]: value });
/** So many seconds before the answer is asked for. */
const lookedAt = (server: string, secondsAgo: number): Record<string, number> => ({ [node("node_textfile_mtime_seconds", { file: "/var/lib/rackwright/metrics/rackwright-standby.prom" }, server)]: minutes * 60 - secondsAgo });
const pair = { source: "gpu-01", destination: "gpu-02" };

const cases: readonly RecordingCase[] = [
  { record: "rackwright:server:info", why: "a server with its address, rack and GPUs", input: {}, expr: 'rackwright:server:info{server=~"gpu-01|store-01"}', expected: [{ labels: { server: "gpu-01", host: "10.30.1.11", rack: "rack-a", gpu_model: "h100-80gb-sxm5" }, value: 1 }, { labels: { server: "store-01", host: "10.30.0.21", rack: "rack-a" }, value: 1 }] },
  { record: "rackwright:pod_service:info", why: "pods of services and jobs, not others", input: { ...placedPod, ...is(1)(placed(trainingPod, "domain-tuning", "", "gpu-03")), [kubernetes("kube_pod_labels", { namespace: "kube-system", pod: "dns", uid: "9" })]: 1, [kubernetes("kube_pod_info", { namespace: "kube-system", pod: "dns", uid: "9", node: "ctrl-01" })]: 1 }, expected: [{ labels: { ...both, server: "gpu-01" }, value: 1 }, { labels: { ...trainingIn, service: "domain-tuning", server: "gpu-03" }, value: 1 }] },
  { record: "rackwright:pods_planned:count", why: "by role", input: {}, expected: [{ labels: { service: "foundation", role: "active" }, value: 1 }, { labels: { service: "foundation", role: "standby" }, value: 1 }] },
  { record: "rackwright:pods_ready:count", why: "0 where none is", input: { ...placedPod, ...is(1)(placed(standbyPod, "foundation", "standby", "gpu-02")), [ready(pod)]: 1, [ready(standbyPod)]: 0 }, expected: [{ labels: { service: "foundation", role: "active" }, value: 1 }, { labels: { service: "foundation", role: "standby" }, value: 0 }] },
  { record: "rackwright:pods_ready:count", why: "nothing without kube-state-metrics", input: {}, expected: [] },
  { record: "rackwright:concurrency_planned:requests", why: "of active replicas, not of standbys", input: {}, expected: [{ labels: { service: "foundation" }, value: 8 }] },
  // 60 s for the process, 496 GB at 1.7 GB/s, 120 s of preparation, three times that in whole tens.
  { record: "rackwright:start_budget:seconds", why: "as the start-up probe has it", input: {}, expected: [{ labels: { service: "foundation" }, value: Math.ceil((3 * Math.ceil(60 + 496 / 1.7 + 120)) / 10) * 10 }] },
  { record: "rackwright:training_started:seconds", why: "pods that run, by job and server", input: { ...is(1)(placed(trainingPod, "domain-tuning", "", "gpu-03")), [kubernetes("kube_pod_status_phase", { ...trainingPod, phase: "Running" })]: 1, [kubernetes("kube_pod_container_state_started", { ...trainingPod, container: "training" })]: 77 }, expected: [{ labels: { name: "domain-tuning", server: "gpu-03" }, value: 77 }] },
  { record: "rackwright:gpu_utilization:percent", why: "GR_ENGINE_ACTIVE before GPU_UTIL, of the pod's service", input: { ...placedPod, [gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE", inPod)]: 0.5, [gpu("DCGM_FI_DEV_GPU_UTIL", inPod)]: 99 }, expected: [{ labels: { ...onGpu, modelName, ...both }, value: 50 }] },
  { record: "rackwright:gpu_utilization:percent", why: "GPU_UTIL without profiling fields, and GPUs that no pod holds", input: { [gpu("DCGM_FI_DEV_GPU_UTIL")]: 3 }, expected: [{ labels: { ...onGpu, modelName }, value: 3 }] },
  { record: "rackwright:gpu_utilization:percent", why: "the mean of a pod's MIG instances", input: { ...placedPod, [gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE", { ...inPod, GPU_I_ID: "1" })]: 0.25, [gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE", { ...inPod, GPU_I_ID: "2" })]: 0.75 }, expected: [{ labels: { ...onGpu, modelName, ...both }, value: 50 }] },
  { record: "rackwright:gpu_utilization:percent", why: "on a bare host", environment: bare(), input: { [bareGpu("DCGM_FI_DEV_GPU_UTIL")]: 3 }, expected: [{ labels: { ...onGpu, server: "gpu-1", modelName }, value: 3 }] },
  { record: "rackwright:gpu_held:bool", why: "by a pod, whatever it uses", input: { [used(inPod)]: 1, [used({ gpu: "1", UUID: "GPU-b" })]: 70_000 }, expected: [{ labels: onGpu, value: 1 }, { labels: { ...onGpu, gpu: "1", UUID: "GPU-b" }, value: 0 }] },
  { record: "rackwright:gpu_held:bool", why: "on a bare host by the memory in use", environment: bare(), input: { [bareGpu("DCGM_FI_DEV_FB_USED")]: 1025, [gpu("DCGM_FI_DEV_FB_USED", { gpu: "1", UUID: "GPU-b" }, "gpu-1")]: 1024 }, expected: [{ labels: { ...onGpu, server: "gpu-1" }, value: 1 }, { labels: { server: "gpu-1", gpu: "1", UUID: "GPU-b" }, value: 0 }] },
  { record: "rackwright:gpu_busy:bool", why: "requests in vLLM, also those that wait", input: { [used(inPod)]: 1, [engine("vllm:num_requests_running")]: 0, [engine("vllm:num_requests_waiting")]: 1 }, expected: [{ labels: onGpu, value: 1 }] },
  { record: "rackwright:gpu_busy:bool", why: "no requests", input: { [used(inPod)]: 1, [engine("vllm:num_requests_running")]: 0, [engine("vllm:num_requests_waiting")]: 0 }, expected: [{ labels: onGpu, value: 0 }] },
  { record: "rackwright:gpu_busy:bool", why: "requests in SGLang", input: { [used(inPod)]: 1, [engine("sglang:num_running_reqs")]: 1, [engine("sglang:num_queue_reqs")]: 0 }, expected: [{ labels: onGpu, value: 1 }] },
  { record: "rackwright:gpu_busy:bool", why: "half a request on average in Triton", input: { [used(inPod)]: 1, [engine("nv_inference_request_duration_us")]: "+30000000" }, expected: [{ labels: onGpu, value: 1 }] },
  { record: "rackwright:gpu_busy:bool", why: "less in Triton", input: { [used(inPod)]: 1, [engine("nv_inference_request_duration_us")]: "+29000000" }, expected: [{ labels: onGpu, value: 0 }] },
  { record: "rackwright:gpu_busy:bool", why: "requests in our own servers", input: { [used(inPod)]: 1, [engine("engine_requests_in_flight")]: 2 }, expected: [{ labels: onGpu, value: 1 }] },
  { record: "rackwright:gpu_busy:bool", why: "training that runs", input: { [used(trainingIn)]: 1, [kubernetes("kube_pod_status_phase", { ...trainingPod, phase: "Running" })]: 1 }, expected: [{ labels: onGpu, value: 1 }] },
  { record: "rackwright:gpu_busy:bool", why: "an engine that does not tell, and a GPU that nobody holds", input: { [used(inPod)]: 1, [used({ gpu: "1", UUID: "GPU-b" })]: 1 }, expected: [{ labels: onGpu, value: 0 }, { labels: { ...onGpu, gpu: "1", UUID: "GPU-b" }, value: 0 }] },
  { record: "rackwright:gpu_memory_used:ratio", why: "of used, free and reserved", input: { [used()]: 60, [gpu("DCGM_FI_DEV_FB_FREE")]: 16, [gpu("DCGM_FI_DEV_FB_RESERVED")]: 4 }, expected: [{ labels: onGpu, value: 0.75 }] },
  { record: "rackwright:gpu_memory_used:ratio", why: "where nothing is said of what is reserved", input: { [used()]: 60, [gpu("DCGM_FI_DEV_FB_FREE")]: 20 }, expected: [{ labels: onGpu, value: 0.75 }] },
  { record: "rackwright:torch_fragmentation:ratio", why: "the worst process of a pod, of those that hold something", input: { [allocator("rackwright_torch_reserved_bytes")]: 8e9, [allocator("rackwright_torch_inactive_split_bytes")]: 2e9, [allocator("rackwright_torch_reserved_bytes", { process: "2" })]: 8e9, [allocator("rackwright_torch_inactive_split_bytes", { process: "2" })]: 4e9, [allocator("rackwright_torch_reserved_bytes", { process: "3" })]: 1e9, [allocator("rackwright_torch_inactive_split_bytes", { process: "3" })]: 1e9 }, expected: [{ labels: { ...both, server: "gpu-01" }, value: 0.5 }] },
  { record: "rackwright:host_fragmentation:ratio", why: "pages in blocks below 2 MiB", input: { [buddy("Normal", "0")]: 256, [buddy("Normal", "8")]: 1, [buddy("Normal", "9")]: 1, [buddy("Normal", "10")]: 1, [buddy("DMA", "0")]: 0 }, expected: [{ labels: { server: "gpu-01", node: "0", zone: "Normal" }, value: 0.25 }] },
  { record: "rackwright:network_latency:seconds", why: "mean, by names", input: { [ping("smokeping_response_duration_seconds_sum")]: "+15", [ping("smokeping_response_duration_seconds_count")]: "+60" }, expected: [{ labels: pair, value: 0.25 }] },
  { record: "rackwright:network_latency:seconds", why: "nothing answered, and an address that is no server's", input: { [ping("smokeping_response_duration_seconds_sum")]: 0, [ping("smokeping_response_duration_seconds_count")]: 0, [ping("smokeping_response_duration_seconds_sum", "192.0.2.1")]: "+1", [ping("smokeping_response_duration_seconds_count", "192.0.2.1")]: "+60" }, expected: [] },
  { record: "rackwright:network_loss:ratio", why: "a quarter", input: { [ping("smokeping_requests_total")]: "+60", [ping("smokeping_response_duration_seconds_count")]: "+45" }, expected: [{ labels: pair, value: 0.25 }] },
  { record: "rackwright:network_loss:ratio", why: "answers of requests before the window are no gain", input: { [ping("smokeping_requests_total")]: "+60", [ping("smokeping_response_duration_seconds_count")]: "+61" }, expected: [{ labels: pair, value: 0 }] },
  { record: "rackwright:network_loss:ratio", why: "nothing ever answered", input: { [ping("smokeping_requests_total")]: "+60" }, expected: [{ labels: pair, value: 1 }] },
  { record: "rackwright:rdma_latency:seconds", why: "typical, not the slowest", input: { [node("rackwright_rdma_latency_seconds", { peer: "gpu-02", device: "mlx5_0", stat: "typical" })]: 0.5, [node("rackwright_rdma_latency_seconds", { peer: "gpu-02", device: "mlx5_0", stat: "p99" })]: 2 }, expected: [{ labels: { ...pair, device: "mlx5_0" }, value: 0.5 }] },
  { record: "rackwright:model_load:seconds", why: "of the engine's container", input: { ...placedPod, [kubernetes("kube_pod_status_ready_time", pod)]: 500, [kubernetes("kube_pod_container_state_started", { ...pod, container: "engine" })]: 100, [kubernetes("kube_pod_container_state_started", { ...pod, container: "other" })]: 300 }, expected: [{ labels: { ...both, server: "gpu-01" }, value: 400 }] },
  { record: "rackwright:model_load:seconds", why: "not what is no load: ready before the start, or long after its budget", input: { ...placedPod, ...is(1)(placed(standbyPod, "foundation", "standby", "gpu-02")), [kubernetes("kube_pod_status_ready_time", pod)]: 100, [kubernetes("kube_pod_container_state_started", { ...pod, container: "engine" })]: 500, [kubernetes("kube_pod_status_ready_time", standbyPod)]: 9000, [kubernetes("kube_pod_container_state_started", { ...standbyPod, container: "engine" })]: 100 }, expected: [] },
  { record: "rackwright:tokens:rate5m", why: "of vLLM and SGLang together", input: { [engine("vllm:generation_tokens_total")]: "+600", [engine("sglang:generation_tokens_total", { pod: "other" })]: "+60" }, expected: [{ labels: { service: "foundation" }, value: 11 }] },
  { record: "rackwright:gpu_power:watts", why: "of the pod's service, and of a GPU that nobody holds", input: { ...placedPod, [power(inPod)]: 600, [power({ gpu: "1", UUID: "GPU-b" })]: 70 }, expected: [{ labels: { ...onGpu, ...inPod, service: "foundation" }, value: 600 }, { labels: { ...onGpu, gpu: "1", UUID: "GPU-b" }, value: 70 }] },
  { record: "rackwright:gpu_power:watts", why: "MIG instances each say the whole card's draw", input: { [power({ ...inPod, GPU_I_ID: "1" })]: 600, [power({ ...inPod, GPU_I_ID: "2" })]: 600, [power({ GPU_I_ID: "3" })]: 600 }, expr: "sum(rackwright:gpu_power:watts)", expected: [{ labels: {}, value: 600 }] },
  { record: "rackwright:server_power:watts", why: "the power meter's, not that of a chip", input: { [node("node_hwmon_power_average_watt", acpi)]: 900, [node("node_hwmon_power_average_watt", { chip: "0000:c1_amdgpu", sensor: "power1" })]: 200, [power()]: 600 }, expected: [{ labels: { server: "gpu-01", basis: "power-meter" }, value: 900 }] },
  { record: "rackwright:server_power:watts", why: "GPUs, CPUs and memory without one", input: { [power()]: 600, [node("node_rapl_package_joules_total", { index: "0", path: "a" })]: "+6000", [node("node_rapl_package_joules_total", { index: "1", path: "b" })]: "+6000", [node("node_rapl_dram_joules_total", { index: "0", path: "c" })]: "+600" }, expected: [{ labels: { server: "gpu-01", basis: "gpus-and-cpus" }, value: 810 }] },
  { record: "rackwright:service_power:watts", why: "GPUs that it holds", input: { ...placedPod, [power(inPod)]: 600, [power({ ...inPod, gpu: "1", UUID: "GPU-b" })]: 500, [power({ gpu: "2", UUID: "GPU-c" })]: 70 }, expected: [{ labels: { service: "foundation" }, value: 1100 }] },
  { record: "rackwright:service_energy:joules_per_kilotoken", why: "500 W at 10 tokens a second", input: { ...placedPod, [power(inPod)]: 500, [engine("vllm:generation_tokens_total")]: "+600" }, expected: [{ labels: { service: "foundation" }, value: 50_000 }] },
  { record: "rackwright:service_energy:joules_per_kilotoken", why: "nothing without tokens", input: { ...placedPod, [power(inPod)]: 500, [engine("vllm:generation_tokens_total")]: 5 }, expected: [] },
  { record: "rackwright:balancer_up:bool", why: "both programs, and a look of the last two minutes", input: { ...lookedAt("ctrl-01", 119), ...lookedAt("ctrl-02", 121), ...program("ctrl-01", "haproxy", 1), ...program("ctrl-01", "keepalived", 0), ...program("ctrl-02", "haproxy", 1) }, expected: [{ labels: { server: "ctrl-01" }, value: 0 }] },
  { record: "rackwright:address_held:bool", why: "of balancers that look", input: { ...lookedAt("ctrl-01", 119), ...lookedAt("ctrl-02", 121), [node("rackwright_balancer_address_held", { address: "10.30.0.50" }, "ctrl-01")]: 1, [node("rackwright_balancer_address_held", { address: "10.30.0.50" }, "ctrl-02")]: 1 }, expected: [{ labels: { server: "ctrl-01", address: "10.30.0.50" }, value: 1 }] },
  { record: "rackwright:replica_up:bool", why: "by service and role, of balancers that look", input: { ...lookedAt("ctrl-01", 119), ...lookedAt("ctrl-02", 121), [node("rackwright_balancer_replica_up", replica, "ctrl-01")]: 1, [node("rackwright_balancer_replica_up", replica, "ctrl-02")]: 1 }, expected: [{ labels: { server: "ctrl-01", service: "foundation", role: "standby", replica: "foundation-gpu-02-standby" }, value: 1 }] },
  { record: "rackwright:site_power:watts", why: "all servers", input: { [node("node_hwmon_power_average_watt", acpi)]: 900, [node("node_hwmon_power_average_watt", acpi, "gpu-02")]: 100 }, expected: [{ labels: {}, value: 1000 }] },
  { record: "rackwright:site_pue:ratio", why: "the meter's phases together over the servers", input: { [node("node_hwmon_power_average_watt", acpi)]: 1000, [meter()]: 750, [meter().replace('phase="1"', 'phase="2"')]: 500, [meter().replace(`job="${jobs.meter}"`, 'job="other"')]: 1e6 }, expected: [{ labels: {}, value: 1.25 }] },
];

const spelled = (record: string, labels: Readonly<Record<string, string>>): string => `${record}{${Object.entries(labels).map(([name, value]) => `${name}="${value}"`).join(",")}}`;

function testFile({ record, input, expr, expected }: RecordingCase, rules: string, order: readonly string[]): unknown {
  return {
    rule_files: [rules], evaluation_interval: "60s", group_eval_order: order,
    tests: [{
      interval: "60s",
      input_series: Object.entries(input).map(([series, value]) => ({ series, values: values(value) })),
      promql_expr_test: [{ expr: expr ?? record, eval_time: `${minutes}m`, exp_samples: expected.map(({ labels, value }) => ({ labels: spelled(expr?.startsWith("sum(") === true ? "" : record, labels), value })) }],
    }],
  };
}

describe("recordings", () => {
  let folder: string;
  let texts: ReadonlyMap<string, { ok: boolean; text: string }>;
  const files = new Map<RecordingCase, string>();
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "rackwright-recordings-"));
    const everything = everyAlertEnvironment();
    const environments = [everything, ...new Set(cases.flatMap(({ environment }) => environment ?? []))];
    const order = new Map<Environment, string[]>();
    for (const [index, environment] of environments.entries()) {
      const groups = groupsOf(environment).filter(({ recordings }) => recordings.length > 0).map((group) => ({ ...group, alerts: [] }));
      order.set(environment, groups.map(({ name }) => name));
      writeFileSync(join(folder, `${index}.rules.yml`), stringify(prometheusRules(groups), { lineWidth: 0 }));
    }
    for (const [index, one] of cases.entries()) {
      const environment = one.environment ?? everything;
      const file = join(folder, `${index}.test.yml`);
      writeFileSync(file, stringify(testFile(one, `${environments.indexOf(environment)}.rules.yml`, order.get(environment) ?? []), { lineWidth: 0, aliasDuplicateObjects: false }));
      files.set(one, file);
    }
    texts = await runTests([...files.values()]);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("each have a case", () => {
    expect(Object.keys(recorded).filter((record) => !cases.some((one) => one.record === record))).toEqual([]);
  });

  it.each(cases.map((one) => [one.record, one.why, one] as const))("%s: %s", (_record, _why, one) => {
    const verdict = texts.get(files.get(one) ?? "");
    expect(verdict?.ok, verdict?.text).toBe(true);
  });

  it.each(Object.entries(recorded))("%s has the labels that it promises", (record, promised) => {
    const had = new Set(cases.filter((one) => one.record === record && one.expr?.startsWith("sum(") !== true).flatMap(({ expected }) => expected.flatMap(({ labels }) => Object.keys(labels))));
    expect([...had].sort()).toEqual([...promised].sort());
  });
});
