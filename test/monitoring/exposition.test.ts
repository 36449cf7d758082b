import { describe, expect, it } from "vitest";
import { parseEnvironment, type EnvironmentInput } from "../../components/environment";
import { metrics, type Metric } from "../../components/monitoring/metrics";
import { targetLabels } from "../../components/monitoring/names";
import type { Environment } from "../../components/environment/schema";
import { clusterSamples } from "../../rehearsal/monitoring/exposition-cluster";
import { allocatorSamples, engineSamples } from "../../rehearsal/monitoring/exposition-engine";
import { exposition, type Sample } from "../../rehearsal/monitoring/exposition";
import { gpuSamples } from "../../rehearsal/monitoring/exposition-gpu";
import { latencySamples, nodeSamples } from "../../rehearsal/monitoring/exposition-node";
import { healthyServer, healthySite } from "../../rehearsal/monitoring/healthy";
import { counter, turned, valueAt, type ClusterState, type EngineState, type ServerState } from "../../rehearsal/monitoring/state";
import { loadEnvironment } from "../../cli/project";
import { planSite } from "../../components/site/plan";
import { hostKey } from "../support/environments";

const now = 1_800_000_000;

/** What some programs say only of themselves, or of what is not emulated. */
const realPrograms = ["prometheus", "alertmanager", "probe"] as const;

function server(name: string, address: string): EnvironmentInput["servers"][string] {
  return {
    address, hostKey: hostKey(name), roles: name === "one" ? ["worker", "control-plane"] : ["worker"], cpu: { model: "epyc-7543" }, memoryGiB: 256, pcieGeneration: 4,
    gpus: { model: "a100-80gb-pcie", count: 2, nvlink: "bridge" },
    nics: { eno1: { speedGbps: 100, rdma: "roce" } },
    drives: { [`ata-${name}-a`]: { kind: "sata-ssd", capacityGB: 1000 }, [`ata-${name}-b`]: { kind: "sata-ssd", capacityGB: 1000 } },
    tiers: { warm: { level: "raid1", drives: [`ata-${name}-a`, `ata-${name}-b`] } },
  };
}

function environment(): Environment {
  const parsed = parseEnvironment({ site: { name: "two" }, servers: { one: server("one", "192.0.2.1"), two: server("two", "192.0.2.2") }, cluster: { distribution: "k3s", controlPlane: ["one"] } });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.environment;
}

/** A server that has something to say of everything. */
function talkative(): ServerState {
  const state = healthyServer(environment(), "one", now);
  const [gpu] = state.gpus;
  if (gpu === undefined) throw new Error("the server has no GPU");
  gpu.xids = { 79: 1 };
  gpu.clockEvents = { sw_power_cap: 2 };
  state.checkpoints.push({ name: "finetune", step: 1000, at: now });
  state.balancer = { address: "192.0.2.50", holds: true, programs: { haproxy: true, keepalived: true }, replicas: [{ name: "assistant", replica: "assistant-one", kind: "active", up: true, failures: counter(0, 0, now) }] };
  state.backups.push({ what: "checkpoints", at: now, verifiedAt: now, failed: false, damaged: false });
  return state;
}

const engine: Omit<EngineState, "engine"> = {
  model: "m", running: 1, waiting: 0, cacheUsed: 0.5, preemptions: counter(0, 0, now), promptTokens: counter(10, 1, now), generatedTokens: counter(10, 1, now), answered: counter(7, 1, now), failed: counter(1, 0, now),
  firstTokenSeconds: 0.2, betweenTokensSeconds: 0.02, queueSeconds: 0.01, answerSeconds: 1,
};

const labelled = { "rackwright.dev/service": "s", "rackwright.dev/role": "active", "rackwright.dev/server": "one" };
const cluster: ClusterState = {
  nodes: [{ name: "one", conditions: { Ready: "True" }, unschedulable: false, allocatable: { cpu: 32, "nvidia.com/gpu": 2 } }],
  pods: [
    { namespace: "inference", name: "p", uid: "u", ip: "10.42.0.2", server: "one", labels: labelled, phase: "Running", ready: true, readyAt: now, containers: [{ name: "engine", startedAt: now - 45, restarts: 0, requests: { cpu: 4, "nvidia.com/gpu": 1 }, ports: ["http"] }] },
    { namespace: "inference", name: "q", uid: "v", ip: "10.42.0.3", server: "one", labels: labelled, phase: "Running", ready: false, readyAt: now, containers: [{ name: "engine", startedAt: now, restarts: 3, waiting: "CrashLoopBackOff", requests: {}, ports: [] }] },
  ],
  deployments: [{ namespace: "inference", name: "s-one", labels: labelled, wanted: 1, available: 1 }],
  jobs: [{ namespace: "training", name: "j", labels: labelled, active: 1, failed: 0 }, { namespace: "training", name: "k", labels: labelled, active: 0, failed: 1 }],
  claims: [{ namespace: "inference", name: "models-one", phase: "Bound" }],
};

const said: Readonly<Record<Exclude<keyof typeof metrics, (typeof realPrograms)[number]>, readonly Sample[]>> = {
  gpu: gpuSamples(talkative(), now),
  node: nodeSamples(talkative(), now),
  latency: latencySamples(talkative(), now),
  "kube-state-metrics": clusterSamples(cluster),
  engine: (["vllm", "sglang", "triton", "pytorch"] as const).flatMap((name) => engineSamples({ ...engine, engine: name }, now)),
  allocator: allocatorSamples({ reservedBytes: 100, allocatedBytes: 60, fragmentation: 0.31, retries: counter(0, 0, now), outOfMemory: counter(0, 0, now) }, "GPU-1", now),
};

describe("emulated exporters", () => {
  const declared = Object.entries(metrics).filter(([job]) => !(realPrograms as readonly string[]).includes(job)) as [keyof typeof said, Readonly<Record<string, Metric>>][];

  it.each(declared)("of job %s say every metric that rules and boards may ask for", (job, known) => {
    const names = new Set(said[job].map(([name]) => name.replace(/_(bucket|sum|count)$/, (suffix) => (known[name] === undefined ? "" : suffix))));
    expect(Object.keys(known).filter((name) => !names.has(name))).toEqual([]);
  });

  it.each(declared)("of job %s say no labels but those that are stated", (job, known) => {
    for (const [name, labels] of said[job]) {
      const metric = known[name] ?? known[name.replace(/_(bucket|sum|count)$/, "")];
      expect(metric, name).toBeDefined();
      const more = ["le", ...(job === "gpu" ? ["GPU_I_ID", "GPU_I_PROFILE"] : [])];
      const stated = new Set<string>([...(metric?.labels ?? []), ...more]);
      expect(Object.entries(labels).filter(([label, value]) => value !== undefined && !stated.has(label)), name).toEqual([]);
      // `server` and its like come from the target; node_exporter's `device` and dcgm-exporter's `pod` do not.
      if (job === "node") expect(Object.keys(labels).filter((label) => (targetLabels as readonly string[]).includes(label)), name).toEqual([]);
    }
  });

  it.each(declared)("of job %s say no series twice", (job) => {
    const lines = exposition(said[job]).split("\n").filter((line) => line !== "").map((line) => line.replace(/ \S+$/, ""));
    expect(lines.filter((line, index) => lines.indexOf(line) !== index)).toEqual([]);
  });
});

describe("the text format", () => {
  it("keeps a metric's lines together below its type, and escapes labels", () => {
    const text = exposition([["node_load1", {}, 1], ["node_network_up", { device: "a" }, 1], ["node_load1", { x: 'a"b\\c\nd', y: undefined }, 0.5]]);
    expect(text).toBe('# TYPE node_load1 gauge\nnode_load1 1\nnode_load1{x="a\\"b\\\\c\\nd"} 0.5\n# TYPE node_network_up gauge\nnode_network_up{device="a"} 1\n');
  });

  it("says histograms as one family", () => {
    const text = exposition(engineSamples({ ...engine, engine: "vllm" }, now));
    expect(text.match(/^# TYPE vllm:time_to_first_token_seconds.*$/gm)).toEqual(["# TYPE vllm:time_to_first_token_seconds histogram"]);
    expect(text).toContain('vllm:time_to_first_token_seconds_bucket{model_name="m",engine="0",le="0.1"} 0\n');
    expect(text).toContain('vllm:time_to_first_token_seconds_bucket{model_name="m",engine="0",le="0.25"} 7\n');
    expect(text).toContain('vllm:time_to_first_token_seconds_bucket{model_name="m",engine="0",le="+Inf"} 7\n');
  });
});

describe("a counter", () => {
  it("goes on from where it was when its pace changes", () => {
    const before = counter(5, 2, 100);
    expect(valueAt(before, 110)).toBe(25);
    expect(valueAt(turned(before, 0, 110), 200)).toBe(25);
  });
});

describe("a healthy site", () => {
  it.each(["dev-test", "sme-production", "large-cluster", "medical-imaging", "quality-inspection", "edge"])("%s has GPUs, tiers and drives as the environment says", (name) => {
    const { environment: site } = loadEnvironment(name);
    const state = healthySite(site, planSite(site).workloads, undefined, now);
    for (const [server_, spec] of Object.entries(site.servers)) {
      const of = state.servers[server_];
      expect(of?.gpus.length).toBe(spec.gpus?.count ?? 0);
      expect(of?.drives.map(({ id }) => id)).toEqual(Object.keys(spec.drives));
      expect(of?.tiers.map(({ tier }) => tier).sort()).toEqual(Object.keys(spec.tiers).sort());
      expect(of?.latency.length).toBe(Object.keys(site.servers).length - 1);
    }
  });
});
