import { rdmaServers } from "../cluster/nodes";
import type { Environment } from "../environment/schema";
import { namespaces } from "../cluster/names";
import { enginePod } from "../inference/engines/pod";
import type { ServicePlan, Workload, WorkloadPlan } from "../inference";
import type { Recording } from "./alert";

/** Container of an engine's pod, and of a training job's. */
const engineContainer = "engine";
const trainingContainer = "training";

/** A readiness probe looks every five seconds and kube-state-metrics is asked every scrape: what a start may seem longer than it was. */
const startToleranceSeconds = 60;

const inCluster = ({ cluster }: Environment): boolean => cluster.distribution !== "none";

/** What the environment says, as series: names to addresses, and what was planned for each service. */
export function inventoryRecordings(environment: Environment, workloads: WorkloadPlan): Recording[] {
  const services = Object.values(workloads.services);
  return [
    ...Object.entries(environment.servers).map(([server, { address, rack, gpus }]): Recording => ({
      record: "rackwright:server:info",
      expr: "vector(1)",
      labels: { server, host: address, ...(rack === undefined ? {} : { rack: rack.name }), ...(gpus === undefined ? {} : { gpu_model: gpus.model }) },
      meaning: "1 for each server of the environment, with its address, rack and GPU model.",
    })),
    ...(inCluster(environment) ? [podService] : []),
    ...services.flatMap((service) => plannedRecordings(environment, service)),
  ];
}

/** A role may change while a pod runs, and a pod may come back on another node: `topk` keeps joins free of doubles. */
const podService: Recording = {
  record: "rackwright:pod_service:info",
  expr: `topk by (namespace, pod) (1,
  max by (namespace, pod, service, role) (
    label_replace(label_replace(kube_pod_labels{label_rackwright_dev_service!=""}, "service", "$1", "label_rackwright_dev_service", "(.+)"), "role", "$1", "label_rackwright_dev_role", "(.+)")
  )
)
* on (namespace, pod) group_left (server)
topk by (namespace, pod) (1, label_replace(max by (namespace, pod, node) (kube_pod_info{node!=""}), "server", "$1", "node", "(.+)"))`,
  meaning: "1 for each placed pod of a service or training job.",
};

function plannedRecordings(environment: Environment, service: ServicePlan): Recording[] {
  const roles = ["active", "standby"] as const;
  const of = (role: Workload["role"]): Workload[] => service.workloads.filter((workload) => workload.role === role);
  const pods = (some: readonly Workload[]): number => some.reduce((sum, { replicas, servers }) => sum + replicas * servers.length, 0);
  const active = of("active").reduce((sum, { replicas, sizing }) => sum + replicas * sizing.concurrency, 0);
  const budgets = service.workloads.map((workload) => enginePod({ environment, service, workload }).startBudgetSeconds);
  return [
    ...roles.filter((role) => of(role).length > 0).map((role): Recording => ({
      record: "rackwright:pods_planned:count",
      expr: `vector(${pods(of(role))})`,
      labels: { service: service.name, role },
      meaning: "Pods that a service should have in a role; a replica that spans servers has one on each.",
    })),
    { record: "rackwright:concurrency_planned:requests", expr: `vector(${active})`, labels: { service: service.name }, meaning: "Requests that all active replicas of a service answer at once." },
    { record: "rackwright:start_budget:seconds", expr: `vector(${Math.max(0, ...budgets)})`, labels: { service: service.name }, meaning: "What Kubernetes waits for a start of the service's slowest workload before it takes it for failed." },
  ];
}

/** Fragmentation, load times and answers of inference services; what runs of training. */
export function serviceRecordings(environment: Environment): Recording[] {
  if (!inCluster(environment)) return [];
  return [
    {
      record: "rackwright:torch_fragmentation:ratio",
      expr: "max by (server, service, role, namespace, pod) (rackwright_torch_inactive_split_bytes / (rackwright_torch_reserved_bytes > 2^30))",
      meaning: "Of the worst process and GPU of a pod. Processes that have reserved less than 1 GiB do not count: their share says nothing.",
    },
    {
      record: "rackwright:pods_ready:count",
      // Without kube-state-metrics nothing is known, and nothing is said.
      expr: `(
  sum by (service, role) (max by (namespace, pod) (kube_pod_status_ready{condition="true"}) * on (namespace, pod) group_left (service, role) rackwright:pod_service:info)
  and on (service, role) rackwright:pods_planned:count
)
or (0 * rackwright:pods_planned:count and on () group(kube_pod_info))`,
      meaning: "Ready pods of a service in a role, 0 where there is none.",
    },
    {
      record: "rackwright:model_load:seconds",
      expr: `(
  (max by (namespace, pod) (kube_pod_status_ready_time) - max by (namespace, pod) (kube_pod_container_state_started{container="${engineContainer}"}) > 0)
  * on (namespace, pod) group_left (server, service, role) rackwright:pod_service:info
) <= on (service) group_left () (rackwright:start_budget:seconds + ${startToleranceSeconds})`,
      meaning: "From the start of the engine's container to the pod's readiness, known to 15 s. More than the start's budget is not a load but a pod that was unready for a while later on, and is left out.",
    },
    {
      record: "rackwright:tokens:rate5m",
      expr: "sum by (service) (rate(vllm:generation_tokens_total[5m]) or rate(sglang:generation_tokens_total[5m]))",
      meaning: "Generated tokens a second, of vLLM and SGLang; other engines do not count tokens.",
    },
    {
      record: "rackwright:training_started:seconds",
      expr: `max by (name, server) (
  label_replace(
    max by (namespace, pod) (kube_pod_container_state_started{namespace="${namespaces.training}", container="${trainingContainer}"})
    * on (namespace, pod) group_left (server, service) rackwright:pod_service:info
    and on (namespace, pod) kube_pod_status_phase{phase="Running"} == 1,
    "name", "$1", "service", "(.+)")
)`,
      meaning: "When the newest pod of a training job on a server started, as Unix time; only while it runs.",
    },
  ];
}

/** Share of the free memory of a host that is in pieces of less than 2 MiB, which is order 9. */
export function hostRecordings(): Recording[] {
  const free = (orders: readonly number[]): string => `sum by (server, node, zone) (${orders.map((order) => `node_buddyinfo_blocks{size="${order}"} * ${2 ** order}`).join(" or ")})`;
  const orders = Array.from({ length: 11 }, (_, order) => order);
  return [
    {
      record: "rackwright:host_fragmentation:ratio",
      expr: `${free(orders.slice(0, 9))}\n/\n(${free(orders)} > 0)`,
      meaning: "Share of a zone's free memory in blocks below order 9. The kernel joins blocks when somebody asks for large ones, so that a high share is a cost and not a fault.",
    },
  ];
}

/** Latency and loss between servers, over IP and over RDMA. */
export function networkRecordings({ servers }: Environment): Recording[] {
  const all = Object.values(servers);
  const named = (expr: string): string => `max by (source, destination) (
  label_replace(${expr}, "source", "$1", "server", "(.+)")
  * on (host) group_left (destination) topk by (host) (1, label_replace(rackwright:server:info, "destination", "$1", "server", "(.+)"))
)`;
  const rate = (metric: string): string => `sum by (server, host) (rate(${metric}[5m]))`;
  const ip: Recording[] = [
    {
      record: "rackwright:network_latency:seconds",
      expr: named(`${rate("smokeping_response_duration_seconds_sum")} / (${rate("smokeping_response_duration_seconds_count")} > 0)`),
      meaning: "Mean round trip of ICMP over five minutes. What was lost is not in it.",
    },
    {
      record: "rackwright:network_loss:ratio",
      expr: named(`clamp_min(1 - (${rate("smokeping_response_duration_seconds_count")} or 0 * ${rate("smokeping_requests_total")}) / (${rate("smokeping_requests_total")} > 0), 0)`),
      meaning: "Share of ICMP requests of five minutes that were not answered.",
    },
  ];
  const rdma: Recording = {
    record: "rackwright:rdma_latency:seconds",
    expr: 'max by (source, destination, device) (label_replace(label_replace(rackwright_rdma_latency_seconds{stat="typical"}, "source", "$1", "server", "(.+)"), "destination", "$1", "peer", "(.+)"))',
    meaning: "Typical time of an RDMA write of two bytes, one way, as ib_write_lat says it.",
  };
  return [...(all.length > 1 ? ip : []), ...(rdmaServers(servers).length > 1 ? [rdma] : [])];
}
