import { namespaces } from "../cluster/names";
import type { Environment } from "../environment/schema";
import type { Recording } from "./alert";

/** Without a cluster nothing says what holds a GPU; a CUDA context and an allocation take more than this. */
const heldAboveMiB = 1024;

const gpu = "server, gpu, UUID";
const inPod = `${gpu}, namespace, pod`;

/** A GPU's series with the service and role of the pod that holds it; GPUs that no pod holds stay. */
const withService = (expr: string, ...labels: string[]): string => `(
  ${expr}
) * on (namespace, pod) group_left (${labels.join(", ")}) rackwright:pod_service:info
or on (${inPod})
${expr}`;

const utilization = `(avg by (${gpu}, modelName, namespace, pod) (100 * DCGM_FI_PROF_GR_ENGINE_ACTIVE) or on (${gpu}) avg by (${gpu}, modelName, namespace, pod) (DCGM_FI_DEV_GPU_UTIL))`;

/** With MIG, or where a GPU is shared, each part is said to draw what the whole card does. */
const power = `(sum by (${inPod}) (DCGM_FI_DEV_POWER_USAGE) / on (${gpu}) group_left () count by (${gpu}) (DCGM_FI_DEV_POWER_USAGE))`;

/** 1 for each pod that has work, 0 for each that is known to have none. */
const busyPods = [
  "sum by (namespace, pod) (vllm:num_requests_running) + sum by (namespace, pod) (vllm:num_requests_waiting) > bool 0",
  "sum by (namespace, pod) (sglang:num_running_reqs) + sum by (namespace, pod) (sglang:num_queue_reqs) > bool 0",
  // Triton has no gauge of requests in flight: seconds of requests a second are their mean number.
  "sum by (namespace, pod) (rate(nv_inference_request_duration_us[5m])) / 1e6 >= bool 0.5",
  "sum by (namespace, pod) (engine_requests_in_flight) > bool 0",
  `max by (namespace, pod) (kube_pod_status_phase{namespace="${namespaces.training}", phase="Running"})`,
].map((part) => `(${part})`).join("\n    or ");

/** Recordings about GPUs; none for a site without them. */
export function gpuRecordings({ cluster, servers }: Environment): Recording[] {
  if (!Object.values(servers).some(({ gpus }) => gpus !== undefined)) return [];
  const inCluster = cluster.distribution !== "none";
  const used = `sum by (${gpu}) (DCGM_FI_DEV_FB_USED)`;
  const every = `0 * group by (${gpu}) (DCGM_FI_DEV_FB_USED)`;
  return [
    {
      record: "rackwright:gpu_utilization:percent",
      expr: inCluster ? withService(utilization, "service", "role") : utilization,
      meaning: "Share of time in which the GPU's engine ran anything: GR_ENGINE_ACTIVE, or GPU_UTIL on cards without profiling fields. It says that something ran, not how much of the GPU it used.",
    },
    {
      record: "rackwright:gpu_held:bool",
      expr: inCluster ? `group by (${gpu}) (DCGM_FI_DEV_FB_USED{pod!=""}) or ${every}` : `max by (${gpu}) (DCGM_FI_DEV_FB_USED > bool ${heldAboveMiB})`,
      meaning: inCluster ? "1 where a pod holds the GPU." : "1 where more than 1 GiB of the GPU's memory is in use: without a cluster nothing says by whom.",
    },
    ...(inCluster ? [busy(every)] : []),
    {
      record: "rackwright:gpu_memory_used:ratio",
      expr: `${used} / (${used} + sum by (${gpu}) (DCGM_FI_DEV_FB_FREE) + (sum by (${gpu}) (DCGM_FI_DEV_FB_RESERVED) or 0 * ${used}))`,
      meaning: "Share of a GPU's memory that is in use. Engines take nearly all of it when they start, so that 90 % and more is as it should be.",
    },
    {
      record: "rackwright:gpu_power:watts",
      expr: inCluster ? withService(power, "service") : power,
      meaning: "Draw of a GPU. Where several pods or MIG instances share one, each counts with an equal part: nothing measures theirs.",
    },
  ];
}

function busy(every: string): Recording {
  return {
    record: "rackwright:gpu_busy:bool",
    expr: `max by (${gpu}) (
  0 * group by (${inPod}) (DCGM_FI_DEV_FB_USED{pod!=""})
  + on (namespace, pod) group_left ()
  max by (namespace, pod) (
    ${busyPods}
  )
)
or ${every}`,
    meaning: "1 where the pod that holds the GPU has requests in flight (vLLM, SGLang, Triton, our own servers) or is a training pod that runs. TensorRT-LLM has no such metric, and of a replica that spans servers only the leader has: their GPUs count as not busy.",
  };
}
