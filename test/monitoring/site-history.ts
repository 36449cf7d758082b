import type { Environment } from "../../components/environment";
import type { WorkloadPlan } from "../../components/inference";
import { jobs } from "../../components/monitoring/names";
import { healthySite } from "../../rehearsal/monitoring/healthy";
import { clusterSamples } from "../../rehearsal/monitoring/exposition-cluster";
import { allocatorSamples, engineSamples } from "../../rehearsal/monitoring/exposition-engine";
import { gpuSamples } from "../../rehearsal/monitoring/exposition-gpu";
import { latencySamples, nodeSamples } from "../../rehearsal/monitoring/exposition-node";
import type { Labels, Sample } from "../../rehearsal/monitoring/exposition";
import { turned, type ClusterState, type Counter, type PodState, type SiteState } from "../../rehearsal/monitoring/state";

/** Seconds that models take to load in this history. */
const loadSeconds = 95;
const step = 60;

function pod(namespace: string, name: string, server: string, labels: Record<string, string>, container: string, requests: Record<string, number>, since: number): PodState {
  const containers = [{ name: container, startedAt: since, restarts: 0, requests, ports: container === "engine" ? ["allocator"] : [] }];
  return { namespace, name, uid: name, ip: "10.42.0.9", server, labels, phase: "Running", ready: true, readyAt: since + loadSeconds, containers };
}

/** The cluster as it is when every workload of the plan runs where it was planned. */
export function plannedCluster({ servers }: Environment, { services, training }: WorkloadPlan, since: number): ClusterState {
  const workloads = Object.values(services).flatMap((service) => service.workloads.map((workload) => ({ service: service.name, workload })));
  const labels = (service: string, role: string, server: string): Record<string, string> => ({ "rackwright.dev/service": service, "rackwright.dev/role": role, "rackwright.dev/server": server });
  return {
    nodes: Object.keys(servers).map((name) => ({ name, conditions: { Ready: "True" }, unschedulable: false, allocatable: {} })),
    pods: [
      ...workloads.flatMap(({ service, workload: { name, role, replicas, servers: on, resource, devicesPerPod } }) =>
        on.flatMap((server, rank) => Array.from({ length: replicas }, (_, index) => pod("inference", `${name}-${rank}-${index}`, server, labels(service, role, server), "engine", resource === undefined ? {} : { [resource]: devicesPerPod }, since)))),
      ...Object.values(training).flatMap(({ name, servers: on, resource, devicesPerPod }) => on.map((server) => pod("training", `${name}-${server}`, server, labels(name, "", server), "training", { [resource]: devicesPerPod }, since))),
    ],
    deployments: [],
    jobs: Object.values(training).flatMap(({ name, servers: on }) => on.map((server) => ({ namespace: "training", name: `${name}-${server}`, labels: labels(name, "", server), active: 1, failed: 0 }))),
    claims: [],
  };
}

/** Between 0 and 1, slowly, and differently for each `phase`. */
const wave = (now: number, phase: number): number => 0.5 + 0.3 * Math.sin(now / 2400 + phase) + 0.2 * Math.sin(now / 500 + 2.3 * phase);

/**
 * What a day does to a site: load comes and goes, checkpoints are written, memory fragments a little. What the emulated exporters
 * reckon counters from stays as it is, or these would go backwards.
 */
function live(state: SiteState, now: number, since: number): void {
  const pace = (of: Counter, perSecond: number): Counter => turned(of, perSecond, now);
  for (const [index, server] of Object.values(state.servers).entries()) {
    server.cpuCelsius = 45 + 20 * wave(now, index);
    for (const [number, gpu] of server.gpus.entries()) {
      for (const part of gpu.parts) if (part.holder !== undefined) part.active = 0.35 + 0.6 * wave(now, index + number / 3);
      const busy = gpu.parts.some(({ active }) => active > 0) ? wave(now, index + number / 3) : 0;
      Object.assign(gpu, { watts: gpu.limitWatts * (0.15 + 0.75 * busy), celsius: 35 + 40 * busy, memoryCelsius: 40 + 40 * busy, megahertz: 900 + 500 * busy });
      gpu.millijoules = pace(gpu.millijoules, 1000 * gpu.watts);
      gpu.powerViolationNanoseconds = pace(gpu.powerViolationNanoseconds, 1e8 * Math.max(0, busy - 0.7));
      gpu.clockEvents = { sw_power_cap: Math.round(20 * busy), gpu_idle: busy === 0 ? 300 : 0 };
    }
    server.watts = 400 + server.gpus.reduce((sum, { watts }) => sum + watts, 0);
    for (const peer of server.rdmaPeers) peer.typicalSeconds = 2e-6 + 1e-6 * wave(now, index);
    for (const checkpoint of server.checkpoints) Object.assign(checkpoint, { step: 1000 * Math.floor((now - since) / 1200), at: now - ((now - since) % 1200) });
    server.backups = [{ what: "checkpoints", at: since, verifiedAt: since - 86_400, failed: false, damaged: false }];
  }
  for (const [index, { engine, allocator }] of (state.cluster?.pods ?? []).entries()) {
    const busy = wave(now, index);
    if (engine !== undefined) {
      Object.assign(engine, { running: Math.round(14 * busy), waiting: Math.round(Math.max(0, 10 * (busy - 0.75))), cacheUsed: 0.2 + 0.7 * busy });
      engine.generatedTokens = pace(engine.generatedTokens, 700 * busy);
      engine.promptTokens = pace(engine.promptTokens, 2600 * busy);
    }
    if (allocator !== undefined) allocator.fragmentation = 0.04 + 0.1 * busy;
  }
  state.meterWatts = Object.values(state.servers).reduce((sum, { watts = 0 }) => sum + watts, 0) * (1.35 + 0.1 * wave(now, 1));
}

const from = (samples: readonly Sample[], target: Labels): Sample[] => samples.map(([name, labels, value]) => [name, { ...target, ...labels }, value]);

/** All series of a site at one moment, with the labels that scraping gives them. */
function scraped({ monitoring }: Environment, { servers, cluster, meterWatts }: SiteState, now: number): Sample[] {
  return [
    ...Object.values(servers).flatMap((server) => [
      ...from([["up", {}, 1], ...nodeSamples(server, now)], { job: jobs.node, server: server.name }),
      ...from(gpuSamples(server, now), { job: jobs.gpu, server: server.name }),
      ...from(latencySamples(server, now), { job: jobs.latency, server: server.name }),
    ]),
    ...(cluster === undefined ? [] : from(clusterSamples(cluster), { job: jobs.kubernetes })),
    ...(cluster?.pods ?? []).flatMap(({ namespace, name, server, labels, engine, allocator }) => {
      const target = { namespace, pod: name, server, service: labels["rackwright.dev/service"], role: labels["rackwright.dev/role"] };
      return [
        ...(engine === undefined ? [] : from(engineSamples(engine, now), { job: jobs.engine, ...target })),
        ...(allocator === undefined ? [] : from(allocatorSamples(allocator, `GPU-${server}-0`, now), { job: jobs.allocator, ...target })),
      ];
    }),
    ...(monitoring.meter === undefined ? [] : from([[monitoring.meter.metric, {}, meterWatts]], { job: jobs.meter })),
  ];
}

/** @returns OpenMetrics text of what Prometheus would have scraped of a site at work, once a minute until `until`. */
export function historyOf(environment: Environment, workloads: WorkloadPlan, until: number, minutes: number): string {
  const since = until - minutes * step;
  const cluster = environment.cluster.distribution === "none" ? undefined : plannedCluster(environment, workloads, since - 7200);
  const state = healthySite(environment, workloads, cluster, since);
  const lines: string[] = [];
  for (let now = since; now <= until; now += step) {
    live(state, now, since - 7200);
    for (const [name, labels, value] of scraped(environment, state, now)) {
      const given = Object.entries(labels).filter(([, each]) => each !== undefined && each !== "");
      lines.push(`${name}{${given.map(([label, each]) => `${label}=${JSON.stringify(String(each))}`).join(",")}} ${value} ${now}`);
    }
  }
  return `${lines.join("\n")}\n# EOF\n`;
}
