import { boardUids, layOut, type BoardInput } from "./board";
import { hasTokens, mounts, type Facts } from "./facts";
import { fourMeasurements } from "./measurements";
import { bars, graph, states, table, tile, units, type Column, type TileSpec } from "./panels";
import { countOf, firstOf, longWindow, window } from "./queries";
import type { DashboardModel, PanelBuilder } from "./sdk";

/** Everything of a site at a glance: the guide's four measurements, what is wrong, and one line a server and a service. */
export function siteBoard(input: BoardInput, facts: Facts): DashboardModel {
  const { environment } = input;
  const hasServices = facts.hasCluster && Object.keys(input.workloads.services).length > 0;
  return layOut({
    uid: boardUids.site,
    title: "Site",
    description: `${environment.site.name}: the guide's four measurements (5.1), what is wrong now, and each server and service in a line.`,
    rows: [
      { title: "The four measurements", panels: fourMeasurements(input, facts) },
      { title: "Now", panels: tiles(input, facts) },
      { title: "Alerts", panels: [alerts(hasServices), alertsBySeverity()] },
      { title: "Servers", panels: [servers(facts)] },
      { title: "Hot standby", panels: facts.hasBalancers ? hotStandby() : [] },
      { title: "Services", panels: hasServices ? [services(facts)] : [] },
    ],
  });
}

function tiles({ workloads }: BoardInput, facts: Facts): PanelBuilder[] {
  const none = { value: 1, wrong: "above" } as const;
  const specs: TileSpec[] = [
    { title: "Servers silent", description: "Servers of the environment whose node_exporter does not answer.", unit: units.count, limit: none, alert: "ServerDown", query: { expr: 'count(rackwright:server:info) - (sum(up{job="node"}) or vector(0))', legend: "silent" } },
    ...(facts.hasCluster
      ? [{ title: "Nodes not ready", description: "Kubernetes nodes whose condition Ready is not true.", unit: units.count, limit: none, alert: "NodeNotReady", query: { expr: countOf('kube_node_status_condition{condition="Ready", status="true"} == 0'), legend: "not ready" } } satisfies TileSpec]
      : []),
    ...(facts.hasArrays
      ? [{ title: "Arrays not whole", description: "Arrays of storage tiers that are degraded, rebuilding, failed or missing.", unit: units.count, limit: none, alert: "ArrayDegraded", query: { expr: countOf('rackwright_array_state{state!="ok"} == 1'), legend: "not whole" } } satisfies TileSpec]
      : []),
    ...(facts.hasCluster && Object.keys(workloads.services).length > 0
      ? [{ title: "Pods missing", description: "Pods of inference services, standbys included, that are planned and not ready.", unit: units.count, limit: none, alert: "ReplicasMissing", query: { expr: "sum(rackwright:pods_planned:count - on (service, role) rackwright:pods_ready:count)", legend: "missing" } } satisfies TileSpec]
      : []),
    ...(facts.hasGpus ? [{ title: "GPUs held", description: "Share of all GPUs that a workload holds, whether it has work or not.", unit: units.ratio, min: 0, max: 1, decimals: 0, query: { expr: "avg(rackwright:gpu_held:bool)", legend: "held" } } satisfies TileSpec] : []),
    ...(hasTokens(facts) ? [{ title: "Tokens", description: "Tokens generated a second, of all services whose engine counts them (vLLM, SGLang).", unit: units.tokensPerSecond, min: 0, query: { expr: "sum(rackwright:tokens:rate5m)", legend: "tokens" } } satisfies TileSpec] : []),
    { title: "Draw of servers", description: "All servers together, without cooling. Where a server has no power meter, of its GPUs, CPUs and memory alone.", unit: units.watts, min: 0, query: { expr: "rackwright:site_power:watts", legend: "servers" } },
  ];
  const [narrow, wider] = [Math.floor(24 / specs.length), 24 % specs.length];
  return specs.map((spec, index) => tile({ ...spec, width: index < specs.length - wider ? narrow : narrow + 1 }));
}

function alerts(hasServices: boolean): PanelBuilder {
  return table({
    title: "Firing alerts",
    description: "What fires now. The runbook of each is in docs/alerts.md under its name.",
    keys: { severity: "Severity", alertname: "Alert", server: "Server", service: "Service" },
    columns: [{ header: "Things", expr: 'count by (severity, alertname, server, service) (ALERTS{alertstate="firing"})', unit: units.count }],
    links: { server: { board: boardUids.server, variable: "server" }, ...(hasServices ? { service: { board: boardUids.inference, variable: "service" } } : {}) },
    width: 18,
  });
}

function alertsBySeverity(): PanelBuilder {
  return bars({ title: "By severity", description: "Firing alerts: critical wants somebody now, at night too; warning within the working day; info is for the record.", unit: units.count, min: 0, width: 6, query: { expr: 'count by (severity) (ALERTS{alertstate="firing"})', legend: "{{severity}}" } });
}

function servers(facts: Facts): PanelBuilder {
  const columns: [Column, ...Column[]] = [
    { header: "CPU", expr: `1 - avg by (server) (rate(node_cpu_seconds_total{mode="idle"}[${window}]))`, unit: units.ratio, decimals: 0 },
    { header: "Memory", expr: "max by (server) (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)", unit: units.ratio, decimals: 0 },
  ];
  if (facts.hasGpus) {
    columns.push(
      { header: "GPU utilisation", expr: "avg by (server) (rackwright:gpu_utilization:percent)", unit: units.percent, decimals: 0 },
      { header: "GPU memory", expr: "avg by (server) (rackwright:gpu_memory_used:ratio)", unit: units.ratio, decimals: 0 },
      { header: "Hottest GPU", expr: "max by (server) (DCGM_FI_DEV_GPU_TEMP)", unit: units.celsius, decimals: 0 },
    );
  }
  if (facts.tiers.length > 0) columns.push({ header: "Fullest tier", expr: `max by (server) (1 - node_filesystem_avail_bytes{${mounts(facts)}} / node_filesystem_size_bytes{${mounts(facts)}})`, unit: units.ratio, decimals: 0 });
  columns.push({ header: "Draw", expr: "max by (server) (rackwright:server_power:watts)", unit: units.watts, decimals: 0 });
  return table({
    title: "Servers",
    description: "Each server now. Its name leads to its board.",
    keys: { server: "Server" },
    columns,
    links: { server: { board: boardUids.server, variable: "server" } },
    height: Math.min(14, 3 + facts.servers.length),
  });
}

function hotStandby(): PanelBuilder[] {
  const answers = { 0: { text: "does not answer", colour: "red" }, 1: { text: "answers", colour: "green" } } as const;
  return [
    states({ title: "Virtual address", description: "Which balancer holds the address that clients use.", alert: "VirtualAddressMoved", states: { 0: { text: "stands by", colour: "text" }, 1: { text: "holds it", colour: "green" } }, queries: [{ expr: "rackwright:address_held:bool", legend: "{{server}}" }], width: 6 }),
    states({ title: "Balancers", description: "Whether HAProxy answers and keepalived runs.", alert: "BalancerDown", states: { 0: { text: "does not work", colour: "red" }, 1: { text: "works", colour: "green" } }, queries: [{ expr: "rackwright:balancer_up:bool", legend: "{{server}}" }], width: 6 }),
    states({ title: "Replicas, as balancers see them", description: "Whether each replica answers every balancer. Requests go to the standby while no active one does.", alert: "ServiceOnStandby", states: answers, queries: [{ expr: "min by (service, role, replica) (rackwright:replica_up:bool)", legend: "{{replica}} {{role}}" }], width: 6 }),
    graph({ title: "Replicas taken out", description: "How often a balancer took a replica out, in the last hour.", unit: units.count, min: 0, decimals: 0, alert: "ReplicaTakenOut", queries: [{ expr: `max by (replica) (increase(rackwright_balancer_replica_failures_total[${longWindow}]))`, legend: "{{replica}}" }], width: 6 }),
  ];
}

function services(facts: Facts): PanelBuilder {
  const waiting = firstOf(...(facts.engines.has("vllm") ? ["sum by (service) (vllm:num_requests_waiting)"] : []), ...(facts.engines.has("sglang") ? ["sum by (service) (sglang:num_queue_reqs)"] : []), ...(facts.engines.has("triton") ? ["sum by (service) (nv_inference_pending_request_count)"] : []));
  const cache = firstOf(...(facts.engines.has("vllm") ? ["max by (service) (vllm:kv_cache_usage_perc)"] : []), ...(facts.engines.has("sglang") ? ["max by (service) (sglang:token_usage)"] : []));
  const columns: [Column, ...Column[]] = [
    { header: "Pods ready", expr: "sum by (service) (rackwright:pods_ready:count)", unit: units.count },
    { header: "Pods planned", expr: "sum by (service) (rackwright:pods_planned:count)", unit: units.count },
  ];
  if (waiting !== "") columns.push({ header: "Requests waiting", expr: waiting, unit: units.count });
  if (cache !== "") columns.push({ header: "KV cache", expr: cache, unit: units.ratio, decimals: 0 });
  if (hasTokens(facts)) columns.push({ header: "Tokens", expr: "sum by (service) (rackwright:tokens:rate5m)", unit: units.tokensPerSecond, decimals: 0 });
  columns.push({ header: "Longest load", expr: "max by (service) (rackwright:model_load:seconds)", unit: units.seconds, decimals: 0 });
  if (facts.hasGpus) columns.push({ header: "Draw of GPUs", expr: "sum by (service) (rackwright:service_power:watts and on (service) rackwright:pods_planned:count)", unit: units.watts, decimals: 0 });
  if (facts.hasGpus && hasTokens(facts)) columns.push({ header: "Energy of 1,000 tokens", expr: "sum by (service) (rackwright:service_energy:joules_per_kilotoken)", unit: units.joules, decimals: 0 });
  return table({
    title: "Services",
    description: "Each inference service now, standbys included. Its name leads to its board.",
    keys: { service: "Service" },
    columns,
    links: { service: { board: boardUids.inference, variable: "service" } },
    height: 6,
  });
}
