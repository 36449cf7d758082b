import type { Environment } from "../environment/schema";
import type { Alert } from "../monitoring/alert";
import type { WorkloadPlan } from "./plan-types";

const waiting = "sum by (service) (vllm:num_requests_waiting or sglang:num_queue_reqs or nv_inference_pending_request_count)";
const podWaiting = "sum by (namespace, pod) (avg_over_time(vllm:num_requests_waiting[5m]) or avg_over_time(sglang:num_queue_reqs[5m])) > 0";
const failures = 'rate(nv_inference_request_failure[5m]) or rate(engine_requests_total{outcome="failed"}[5m]) or rate(vllm:request_success_total{finished_reason="error"}[5m])';
const ends = "rate(nv_inference_request_success[5m]) or rate(nv_inference_request_failure[5m]) or rate(engine_requests_total[5m]) or rate(vllm:request_success_total[5m])";

/** What can go wrong with the services of an environment; nothing where it has none. */
export function inferenceAlerts(environment: Environment, { services }: WorkloadPlan): Alert[] {
  const workloads = Object.values(services).flatMap((service) => service.workloads);
  if (workloads.length === 0) return [];
  return [
    fragmentation(environment),
    outOfMemory,
    ...availability,
    ...(workloads.some(({ role }) => role === "standby") ? [standbyMissing(environment)] : []),
    ...load,
  ];
}

function fragmentation({ monitoring }: Environment): Alert {
  const { alerts, restartOnFragmentation } = monitoring;
  return {
    name: "MemoryFragmentationHigh",
    severity: "warning",
    expr: `rackwright:torch_fragmentation:ratio > ${alerts.memoryFragmentationPercent / 100}`,
    forSeconds: 600,
    summary: "{{ $value | humanizePercentage }} of the GPU memory that {{ $labels.pod }} on {{ $labels.server }} has reserved is in pieces that nothing uses",
    meaning: "The process holds memory that it cannot give to a large request: it runs out of memory although there is some.",
    reason: "Guide 5.1: above 30 % the service needs a restart. DCGM does not know this; torch's allocator does, from within the process (facts 5). vLLM keeps its cache in pages of one pool, where this stays small: there KvCacheFull says more.",
    steps: [
      "Restart the service, one replica after another: `kubectl -n inference rollout restart deployment/<service>-<server>`, and for a replica that spans servers `kubectl -n inference delete pod <pod>`.",
      restartOnFragmentation.enabled ? "`monitoring.restartOnFragmentation` does that by itself, while another replica is ready." : "`monitoring.restartOnFragmentation` would do that by itself, while another replica is ready.",
      "If it comes back within a day, bound the lengths of requests (`contextTokens`) or set `PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True` (facts 5).",
    ],
  };
}

const outOfMemory: Alert = {
  name: "GpuOutOfMemory",
  severity: "warning",
  expr: "sum by (server, service, namespace, pod) (increase(rackwright_torch_out_of_memory_total[15m])) > 0",
  forSeconds: 0,
  summary: "{{ $labels.pod }} ({{ $labels.service }}) ran out of GPU memory on {{ $labels.server }}",
  meaning: "A request failed, or the engine did.",
  reason: "An engine takes its memory when it starts and lives within it: each of these is a fault of sizes, of fragmentation or of something else on the GPU. General knowledge.",
  steps: ["`kubectl -n inference logs <pod> --since=30m | grep -i 'out of memory'` says how much was asked for, and how much was reserved but free.", "Much reserved but free: MemoryFragmentationHigh.", "Little: lower `concurrency`, `contextTokens` or `memoryUtilization`; `./rackwright size <model>` says what fits.", "On the server: `nvidia-smi` shows whether another process is on the GPU."],
};

const availability: readonly Alert[] = [
  {
    name: "ServiceDown",
    severity: "critical",
    expr: 'rackwright:pods_ready:count{role="active"} == 0',
    forSeconds: 60,
    summary: "No active replica of {{ $labels.service }} is ready",
    meaning: "Requests are refused.",
    reason: "A loaded standby takes over within 30 s (guide 5.2); after a minute nothing will by itself.",
    steps: ["`kubectl -n inference get pods -l rackwright.dev/service=<service> -o wide`.", "Pods that start: wait for ModelLoadSlow's budget. Pods that end: follow PodCrashLooping. Pods that wait: follow PodPendingLong.", "A standby that is ready, but not used: `kubectl -n inference label pod <pod> rackwright.dev/role=active --overwrite`."],
  },
  {
    name: "ReplicasMissing",
    severity: "warning",
    expr: 'rackwright:pods_ready:count{role="active"} < on (service, role) rackwright:pods_planned:count',
    forSeconds: 900,
    summary: "{{ $labels.service }} has only {{ $value }} of its active pods",
    meaning: "The service answers with fewer replicas than planned: queues get longer, and the next loss weighs more.",
    reason: "Replicas are replaced one after another, and the load of a large model takes minutes: a quarter of an hour leaves out an orderly update of one. General knowledge.",
    steps: ["`kubectl -n inference get pods -l rackwright.dev/service=<service> -o wide`, then `kubectl -n inference describe pod <pod>` for the one that is not ready.", "`./rackwright plan <environment>` shows where each replica belongs."],
  },
];

function standbyMissing({ recovery }: Environment): Alert {
  const { switchWithinSeconds } = recovery.standby;
  return {
    name: "StandbyMissing",
    severity: "warning",
    expr: 'rackwright:pods_ready:count{role="standby"} < on (service, role) rackwright:pods_planned:count',
    forSeconds: 900,
    summary: "{{ $labels.service }} has only {{ $value }} of its standby pods",
    meaning: "The service answers, but a fault would now cost the time of a whole load instead of a switch.",
    reason: `Guide 5.2 asks for a switch within ${switchWithinSeconds} s, which only a loaded standby can make (facts 6). After a switch it is missing until the old server is back: a quarter of an hour is the time for its load.`,
    steps: ["`kubectl -n inference get pods -l rackwright.dev/service=<service>,rackwright.dev/role=standby -o wide`.", "After a switch, mend the server that failed: the replica there becomes the new standby.", "Otherwise as for ReplicasMissing."],
  };
}

const load: readonly Alert[] = [
  {
    name: "RequestQueueLong",
    severity: "warning",
    expr: `${waiting} > on (service) rackwright:concurrency_planned:requests`,
    forSeconds: 600,
    summary: "{{ $value }} requests wait for {{ $labels.service }}",
    meaning: "More wait than all replicas answer at once: a new request waits for at least one whole answer before its own begins.",
    reason: "The bound is the environment's own `concurrency` of all active replicas. Ten minutes leave out bursts. General knowledge.",
    steps: ["See the service's board: if latency has grown as well, look for a slow replica, else there is more work than planned.", "Slow: GpuThermalThrottling, GpuUtilizationLow or KvCacheFull of its servers.", "More work: raise `concurrency` (`./rackwright size <model>` says what fits) or `replicas`."],
  },
  {
    name: "KvCacheFull",
    severity: "warning",
    expr: `max by (server, service, namespace, pod) (avg_over_time(vllm:kv_cache_usage_perc[5m]) or avg_over_time(sglang:token_usage[5m])) > 0.95
and on (namespace, pod) (${podWaiting} or sum by (namespace, pod) (rate(vllm:num_preemptions_total[5m])) > 0)`,
    forSeconds: 600,
    summary: "The cache of {{ $labels.pod }} ({{ $labels.service }}) is {{ $value | humanizePercentage }} full, and requests wait for it",
    meaning: "Requests wait for room in the cache, or are pushed out of it and computed again.",
    reason: "A full cache alone is a well-used one, and vLLM takes all memory for it at its start (facts 5): only with requests that wait or are pushed out does it hold anything up. 95 % leave out what is being freed. General knowledge.",
    steps: ["On the service's board compare lengths of requests with `contextTokens` and their number with `concurrency`.", "Set `kvCachePrecision: fp8`, which halves what each token takes, or lower `concurrency`.", "Else more GPUs a replica or more replicas: `./rackwright size <model>`."],
  },
  {
    name: "ModelLoadSlow",
    severity: "warning",
    // A pod that loaded slowly stays so until it ends: it is said for an hour.
    expr: `rackwright:model_load:seconds > on (service) group_left () 0.66 * rackwright:start_budget:seconds
and on (namespace, pod) time() - max by (namespace, pod) (kube_pod_status_ready_time) < 3600`,
    forSeconds: 0,
    summary: "{{ $labels.pod }} took {{ $value | humanizeDuration }} to load {{ $labels.service }} on {{ $labels.server }}",
    meaning: "The next start may take longer than Kubernetes waits, and would then be cut off and begin anew, for ever.",
    reason: "The start-up probe waits three times the estimate, at least 300 s (components/inference/engines/load-time.ts): two thirds of it are twice what was expected.",
    steps: ["On the server: `fio --name=read --filename=<a file of weights> --rw=read --bs=1M --direct=1 --runtime=10 --time_based` against what the drives of the hot tier should give, and `cat /proc/mdstat` for a rebuild.", "`kubectl -n inference logs <pod>` says how long reading and compiling took.", "`./rackwright plan <environment>` shows how the weights are read; see docs/model-store.md."],
  },
  {
    name: "RequestsFailing",
    severity: "warning",
    expr: `sum by (service) (${failures}) / sum by (service) (${ends}) > 0.05`,
    forSeconds: 600,
    summary: "{{ $value | humanizePercentage }} of the requests to {{ $labels.service }} fail",
    meaning: "Clients get errors that are the engine's, not their own.",
    reason: "Single failures come with restarts; one in twenty for ten minutes does not. Requests that clients gave up are not counted. General knowledge; TensorRT-LLM and SGLang do not count failures.",
    steps: ["`kubectl -n inference logs <pod> --since=15m | grep -iE 'error|traceback' | head`.", "Out of memory: MemoryFragmentationHigh and KvCacheFull.", "CUDA errors: the alerts of the server's GPUs."],
  },
];
