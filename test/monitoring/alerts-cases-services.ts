import { fromNow, grows, jumps, onlyWell, onlyWrong, pulses, since, steady, swing, type Signal } from "./alerts-timeline";
import type { Case } from "./alerts-promtool";
import { allocator, engine, gpu, kubernetes, latency, node, placed, pod, probe, standbyPod, trainingPod } from "./alerts-series";

const day = 86_400;
const all = (names: readonly string[], signal: Signal): Record<string, Signal> => Object.fromEntries(names.map((name) => [name, signal]));

const held = { namespace: pod.namespace, pod: pod.pod, container: "engine" };
const active = all(placed(pod, "foundation", "active", "gpu-01"), steady(1));
const standby = all(placed(standbyPod, "foundation", "standby", "gpu-02"), steady(1));
const ready = (of: Readonly<Record<string, string>>): string => kubernetes("kube_pod_status_ready", { ...of, condition: "true" });
const onPod = { namespace: "inference", pod: "foundation-gpu-01-a" };
const ofService = { server: "gpu-01", service: "foundation", ...onPod };

const utilization = gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE", held);
const running = engine("vllm:num_requests_running", { model_name: "foundation", engine: "0" });
const waiting = engine("vllm:num_requests_waiting", { model_name: "foundation", engine: "0" });
const memoryUsed = gpu("DCGM_FI_DEV_FB_USED", held);

/** 33 samples of 41, which is ten minutes, are at least eight minutes; 32 are not. */
const lowUtilization: Case = {
  stepSeconds: 15, calm: 60, since: 40, settles: 5,
  input: { ...active, [utilization]: swing(0.95, 0.146), [memoryUsed]: steady(70_000), [running]: pulses(33, 8), [waiting]: steady(0) },
  labels: { server: "gpu-01", gpu: "0", UUID: "GPU-a", service: "foundation", ...onPod },
  summary: "GPU 0 of gpu-01 is used 14.6 % while foundation-gpu-01-a has work for it",
  quiet: {
    "just above": { [utilization]: swing(0.95, 0.154) },
    "work in less than eight of ten minutes": { [running]: pulses(32, 9) },
    "a service without requests": { [running]: swing(1, 0), [utilization]: swing(0.95, 0) },
    "an engine that does not tell": { [running]: onlyWell(1), [waiting]: onlyWell(0) },
    "a drained node": { [utilization]: onlyWell(0.95), [memoryUsed]: onlyWell(70_000), [running]: onlyWell(1), [waiting]: onlyWell(0), [gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE")]: onlyWrong(0), [gpu("DCGM_FI_DEV_FB_USED")]: onlyWrong(3) },
    "an idle GPU beside it": { [running]: steady(1), [utilization]: steady(0.95), [gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE", { gpu: "1", UUID: "GPU-b" })]: steady(0), [gpu("DCGM_FI_DEV_FB_USED", { gpu: "1", UUID: "GPU-b" })]: steady(3) },
    "a loaded standby": {
      [running]: steady(1), [utilization]: steady(0.95), ...standby, [gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE", { namespace: standbyPod.namespace, pod: standbyPod.pod }, "gpu-02")]: steady(0), [gpu("DCGM_FI_DEV_FB_USED", { namespace: standbyPod.namespace, pod: standbyPod.pod }, "gpu-02")]: steady(70_000),
      [engine("vllm:num_requests_running", { pod: standbyPod.pod, server: "gpu-02", role: "standby", engine: "0" })]: steady(0), [engine("vllm:num_requests_waiting", { pod: standbyPod.pod, server: "gpu-02", role: "standby", engine: "0" })]: steady(0),
    },
  },
};
/** Cards without profiling fields, and training, which has no requests. */
const lowInTraining: Case = {
  stepSeconds: 15, calm: 60, since: 38, settles: 5,
  input: {
    ...all(placed(trainingPod, "domain-tuning", "", "gpu-03"), steady(1)), [kubernetes("kube_pod_status_phase", { ...trainingPod, phase: "Running" })]: steady(1),
    [gpu("DCGM_FI_DEV_GPU_UTIL", { namespace: trainingPod.namespace, pod: trainingPod.pod }, "gpu-03")]: swing(90, 10), [gpu("DCGM_FI_DEV_FB_USED", { namespace: trainingPod.namespace, pod: trainingPod.pod }, "gpu-03")]: steady(70_000),
  },
  labels: { server: "gpu-03", gpu: "0", UUID: "GPU-a", service: "domain-tuning", namespace: "training", pod: "domain-tuning-0-b" },
  summary: "GPU 0 of gpu-03 is used 10 % while domain-tuning-0-b has work for it",
  quiet: { "a job that has ended": { [kubernetes("kube_pod_status_phase", { ...trainingPod, phase: "Running" })]: steady(0) } },
};
/** Mean requests in flight of Triton: 36 s of requests a minute. */
const lowInTriton: Case = {
  ...lowUtilization, since: 38,
  input: { ...active, [utilization]: swing(0.95, 0.1), [memoryUsed]: steady(70_000), [engine("nv_inference_request_duration_us", { model: "m", version: "1" })]: grows(9e6, 9e6) },
  summary: "GPU 0 of gpu-01 is used 10 % while foundation-gpu-01-a has work for it",
  quiet: { "a request now and then": { [engine("nv_inference_request_duration_us", { model: "m", version: "1" })]: grows(6e6, 6e6) } },
};

const reserved = allocator("rackwright_torch_reserved_bytes");
const split = allocator("rackwright_torch_inactive_split_bytes");

const readyTime = kubernetes("kube_pod_status_ready_time", pod);
const startedAt = kubernetes("kube_pod_container_state_started", { ...pod, container: "engine" });

const queue = (metric: string): Case => ({
  input: { [engine(metric)]: swing(0, 9) }, labels: { service: "foundation" }, summary: "9 requests wait for foundation", quiet: { "just as many as are answered at once": { [engine(metric)]: swing(0, 8) } },
});

const preemptions = engine("vllm:num_preemptions_total", { engine: "0" });
const cache = (metric: string, wait: Record<string, Signal>, nothing: Record<string, Signal>): Case => ({
  input: { [engine(metric)]: swing(0.5, 0.96), ...wait }, since: 5, labels: ofService, summary: "The cache of foundation-gpu-01-a (foundation) is 96% full, and requests wait for it",
  quiet: { "just below": { [engine(metric)]: swing(0.5, 0.94) }, "full, but nothing waits": nothing },
});

const failing = (bad: string, good: string): Case => ({
  input: { [bad]: grows(0, 1.56), [good]: grows(30, 28.44) }, since: 4, labels: { service: "foundation" }, summary: "5.2% of the requests to foundation fail", quiet: { "just below": { [bad]: grows(0, 1.44), [good]: grows(30, 28.56) } },
});

const trainingRuns = { ...all(placed(trainingPod, "domain-tuning", "", "gpu-03"), steady(1)), [kubernetes("kube_pod_status_phase", { ...trainingPod, phase: "Running" })]: steady(1) };
const trainingStarted = kubernetes("kube_pod_container_state_started", { ...trainingPod, container: "training" });
const checkpoint = node("rackwright_checkpoint_timestamp_seconds", { name: "domain-tuning" }, "gpu-03");
const overdue: Case = {
  input: { ...trainingRuns, [trainingStarted]: fromNow(-90_000, -90_000), [checkpoint]: fromNow(-100, -20_400) }, labels: { name: "domain-tuning", server: "gpu-03" }, summary: "domain-tuning on gpu-03 has written no checkpoint for 5h 40m 0s",
  quiet: {
    "just below": { [checkpoint]: fromNow(-100, -19_600) },
    "a job that has ended": { [kubernetes("kube_pod_status_phase", { ...trainingPod, phase: "Running" })]: steady(0) },
    "a job that has just gone on from an old checkpoint": { [trainingStarted]: fromNow(-100, -100) },
  },
};

const readyTarget = { server: "gpu-01", path: "/etc/kubernetes/x.crt" };
const certificateCases = (limit: number, wrong: number, left: string, nearly: number): Case[] => [
  { input: { [probe("probe_ssl_earliest_cert_expiry", "10.30.0.11:6443")]: fromNow(90 * day, wrong) }, labels: { target: "10.30.0.11:6443" }, summary: `The certificate of 10.30.0.11:6443 ends in ${left}`, quiet: { [`just above ${limit} s`]: { [probe("probe_ssl_earliest_cert_expiry", "10.30.0.11:6443")]: fromNow(90 * day, nearly) } } },
  { input: { [node("rackwright_certificate_expiry_timestamp_seconds", { path: readyTarget.path })]: fromNow(90 * day, wrong) }, labels: readyTarget, summary: `The certificate of ${readyTarget.path} of gpu-01 ends in ${left}`, quiet: { [`just above ${limit} s`]: { [node("rackwright_certificate_expiry_timestamp_seconds", { path: readyTarget.path })]: fromNow(90 * day, nearly) } } },
];

const pings = (metric: string): string => latency(metric, "gpu-01", "10.30.1.12");
const pair = { source: "gpu-01", destination: "gpu-02" };

export const serviceCases: Readonly<Record<string, readonly Case[]>> = {
  GpuUtilizationLow: [lowUtilization, lowInTraining, lowInTriton],
  NetworkLatencyHigh: [{
    input: { [pings("smokeping_response_duration_seconds_sum")]: grows(0.012, 60 * 0.0051), [pings("smokeping_response_duration_seconds_count")]: grows(60, 60) }, since: 4, labels: pair, summary: "gpu-01 reaches gpu-02 in 5.1ms",
    quiet: { "just below": { [pings("smokeping_response_duration_seconds_sum")]: grows(0.012, 60 * 0.0049) } },
  }],
  NetworkLoss: [
    { input: { [pings("smokeping_requests_total")]: grows(60, 60), [pings("smokeping_response_duration_seconds_count")]: grows(60, 59.382) }, since: 4, labels: pair, summary: "1.03% of the packets from gpu-01 to gpu-02 are lost", quiet: { "just below": { [pings("smokeping_response_duration_seconds_count")]: grows(60, 59.418) } } },
    { input: { [pings("smokeping_requests_total")]: grows(0, 60) }, settles: 5, labels: pair, summary: "100% of the packets from gpu-01 to gpu-02 are lost", quiet: { "all answered": { [pings("smokeping_response_duration_seconds_count")]: grows(0, 60) } } },
  ],
  RdmaLatencyHigh: [{
    input: { [node("rackwright_rdma_latency_seconds", { peer: "gpu-02", device: "mlx5_0", stat: "typical" })]: swing(2e-6, 2.04e-5) }, labels: { ...pair, device: "mlx5_0" }, summary: "An RDMA write from gpu-01 to gpu-02 over mlx5_0 takes 20.4us",
    quiet: { "just below": { [node("rackwright_rdma_latency_seconds", { peer: "gpu-02", device: "mlx5_0", stat: "typical" })]: swing(2e-6, 1.96e-5) }, "a slow one in a hundred": { [node("rackwright_rdma_latency_seconds", { peer: "gpu-02", device: "mlx5_0", stat: "typical" })]: steady(2e-6), [node("rackwright_rdma_latency_seconds", { peer: "gpu-02", device: "mlx5_0", stat: "p99" })]: steady(1e-3) } },
  }],
  RdmaProbeFailed: [{
    input: { [node("rackwright_rdma_probe_success", { peer: "gpu-02", device: "mlx5_0" })]: swing(1, 0) }, labels: { server: "gpu-01", peer: "gpu-02", device: "mlx5_0" }, summary: "gpu-01 cannot write to gpu-02 by RDMA over mlx5_0",
    quiet: { works: { [node("rackwright_rdma_probe_success", { peer: "gpu-02", device: "mlx5_0" })]: steady(1) } },
  }],
  NodeNotReady: [{
    input: { [kubernetes("kube_node_status_condition", { node: "gpu-01", condition: "Ready", status: "true" })]: swing(1, 0) }, labels: { node: "gpu-01", server: "gpu-01" }, summary: "The node gpu-01 is not ready",
    quiet: { "drained, but ready": { [kubernetes("kube_node_status_condition", { node: "gpu-01", condition: "Ready", status: "true" })]: steady(1), [kubernetes("kube_node_spec_unschedulable", { node: "gpu-01" })]: swing(0, 1) } },
  }],
  PodCrashLooping: [{
    input: { [kubernetes("kube_pod_container_status_waiting_reason", { ...pod, container: "engine", reason: "CrashLoopBackOff" })]: pulses(1, 9, 0) }, trouble: 55, settles: 11, labels: { ...onPod, container: "engine" }, summary: "engine of inference/foundation-gpu-01-a keeps ending",
    quiet: { "a pull that fails": { [kubernetes("kube_pod_container_status_waiting_reason", { ...pod, container: "engine", reason: "CrashLoopBackOff" })]: steady(0), [kubernetes("kube_pod_container_status_waiting_reason", { ...pod, container: "engine", reason: "ImagePullBackOff" })]: steady(1) } },
  }],
  PodPendingLong: [{
    input: { [kubernetes("kube_pod_status_phase", { ...pod, phase: "Pending" })]: swing(0, 1) }, labels: onPod, summary: "inference/foundation-gpu-01-a has not started", quiet: { running: { [kubernetes("kube_pod_status_phase", { ...pod, phase: "Pending" })]: steady(0), [kubernetes("kube_pod_status_phase", { ...pod, phase: "Running" })]: steady(1) } },
  }],
  CertificateExpiring: certificateCases(21 * day, 1_800_000, "20d 20h 0m 0s", 1_830_000),
  CertificateExpiringNow: certificateCases(3 * day, 255_600, "2d 23h 0m 0s", 262_800),
  ProbeFailing: [{ input: { [probe("probe_success", "10.30.0.11:6443")]: swing(1, 0) }, labels: { target: "10.30.0.11:6443" }, summary: "10.30.0.11:6443 does not answer", quiet: { answers: { [probe("probe_success", "10.30.0.11:6443")]: steady(1) } } }],
  MemoryFragmentationHigh: [{
    input: { [reserved]: steady(1e10), [split]: swing(1e8, 3.1e9) }, labels: { ...ofService, role: "active" }, summary: "31% of the GPU memory that foundation-gpu-01-a on gpu-01 has reserved is in pieces that nothing uses",
    quiet: { "just below": { [split]: swing(1e8, 2.9e9) }, "a process that holds next to nothing": { [reserved]: steady(1e9), [split]: steady(5e8) } },
  }],
  GpuOutOfMemory: [{ input: { [allocator("rackwright_torch_out_of_memory_total")]: jumps(1) }, calm: 20, trouble: 15, labels: ofService, summary: "foundation-gpu-01-a (foundation) ran out of GPU memory on gpu-01", quiet: { "once, long ago": { [allocator("rackwright_torch_out_of_memory_total")]: steady(1) } } }],
  ServiceDown: [
    {
      input: { ...active, ...standby, [ready(pod)]: swing(1, 0), [ready(standbyPod)]: steady(1) }, labels: { service: "foundation", role: "active" }, summary: "No active replica of foundation is ready",
      quiet: {
        "the standby has taken over": { ...all(placed(standbyPod, "foundation", "standby", "gpu-02"), onlyWell(1)), ...all(placed(standbyPod, "foundation", "active", "gpu-02"), since(1)) },
        "kube-state-metrics is gone": { ...all([...Object.keys(active), ...Object.keys(standby), ready(pod), ready(standbyPod)], onlyWell(1)) },
      },
    },
    { input: { ...all([...Object.keys(active), ready(pod)], onlyWell(1)), ...standby, [ready(standbyPod)]: steady(1) }, labels: { service: "foundation", role: "active" }, summary: "No active replica of foundation is ready", quiet: {} },
  ],
  ReplicasMissing: [{
    input: { ...active, [ready(pod)]: swing(1, 0) }, labels: { service: "foundation", role: "active" }, summary: "foundation has only 0 of its active pods",
    quiet: { "another one is ready": { ...all(placed({ ...pod, pod: "foundation-gpu-01-c" }, "foundation", "active", "gpu-01"), steady(1)), [ready({ ...pod, pod: "foundation-gpu-01-c" })]: steady(1) } },
  }],
  StandbyMissing: [{
    input: { ...active, ...standby, [ready(pod)]: steady(1), [ready(standbyPod)]: swing(1, 0) }, labels: { service: "foundation", role: "standby" }, summary: "foundation has only 0 of its standby pods",
    quiet: { "the active one is gone instead": { [ready(pod)]: swing(1, 0), [ready(standbyPod)]: steady(1) } },
  }],
  RequestQueueLong: ["vllm:num_requests_waiting", "sglang:num_queue_reqs", "nv_inference_pending_request_count"].map(queue),
  KvCacheFull: [
    cache("vllm:kv_cache_usage_perc", { [waiting]: steady(1) }, { [waiting]: steady(0), [preemptions]: steady(4) }),
    cache("vllm:kv_cache_usage_perc", { [waiting]: steady(0), [preemptions]: grows(6, 6) }, { [waiting]: steady(0), [preemptions]: steady(4) }),
    cache("sglang:token_usage", { [engine("sglang:num_queue_reqs")]: steady(1) }, { [engine("sglang:num_queue_reqs")]: steady(0) }),
  ],
  // Ready in minute 60, after 950 s of 1420; said for an hour.
  ModelLoadSlow: [{
    calm: 60, trouble: 60, input: { ...active, [readyTime]: since(3600), [startedAt]: steady(2650) }, labels: { ...ofService, role: "active" }, summary: "foundation-gpu-01-a took 15m 50s to load foundation on gpu-01",
    quiet: { "just below": { [startedAt]: steady(2675) }, "unready for a while, long after its start": { [startedAt]: steady(60) } },
  }],
  RequestsFailing: [
    failing(engine("nv_inference_request_failure", { model: "m", version: "1", reason: "OTHER" }), engine("nv_inference_request_success", { model: "m", version: "1" })),
    failing(engine("engine_requests_total", { outcome: "failed" }), engine("engine_requests_total", { outcome: "answered" })),
    failing(engine("vllm:request_success_total", { finished_reason: "error" }), engine("vllm:request_success_total", { finished_reason: "stop" })),
  ],
  CheckpointOverdue: [overdue, { input: { ...trainingRuns, [trainingStarted]: fromNow(-100, -20_400) }, labels: overdue.labels, summary: overdue.summary, quiet: { "just below": { [trainingStarted]: fromNow(-100, -19_600) } } }],
  TrainingJobFailed: [{
    input: { [kubernetes("kube_job_failed", { namespace: "training", job_name: "domain-tuning-0-b", condition: "true" })]: swing(0, 1) }, labels: { namespace: "training", job_name: "domain-tuning-0-b" }, summary: "The training job domain-tuning-0-b has failed",
    quiet: { "pods that failed, in a job that goes on": { [kubernetes("kube_job_failed", { namespace: "training", job_name: "domain-tuning-0-b", condition: "true" })]: steady(0), [kubernetes("kube_job_status_failed", { namespace: "training", job_name: "domain-tuning-0-b" })]: swing(0, 3) } },
  }],
};
