import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../components/cluster/object";
import type { Environment } from "../../components/environment";
import { groupName, multiServerFindings, planMultiServerReplica } from "../../components/inference/multi-server";
import { planWorkloads } from "../../components/inference/placement";
import type { ServicePlan, Workload } from "../../components/inference/plan-types";
import { stack } from "../cluster/environments";
import recordedRay from "./engines/recorded/ray-2.60.0.json";

interface Template {
  metadata: { labels: Record<string, string> };
  spec: {
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: { matchExpressions: { values: string[] }[] }[] } }; podAntiAffinity?: unknown };
    containers: { command: string[]; args: string[]; env: { name: string; value?: string }[]; resources: { limits: Record<string, string> }; startupProbe?: unknown }[];
    volumes: { name: string; persistentVolumeClaim?: { claimName: string } }[];
  };
}

function planned(change: (service: Record<string, unknown>) => void = () => undefined): { environment: Environment; service: ServicePlan; workload: Workload } {
  const environment = stack("large-cluster", (input) => {
    const foundation = { model: "llama-3.1-405b", engine: "vllm", precision: "bf16", contextTokens: 4096, concurrency: 2, gpusPerReplica: 16, tensorParallel: 8, pipelineParallel: 2 };
    change(foundation);
    input.services = { foundation } as typeof input.services;
    input.training = {};
  });
  const service = planWorkloads(environment).services.foundation;
  const workload = service?.workloads[0];
  if (service === undefined || workload === undefined) throw new Error("not planned");
  return { environment, service, workload };
}

function templates(objects: readonly KubernetesObject[]): { leader: Template; worker: Template; size: number } {
  const set = objects.find(({ kind }) => kind === "LeaderWorkerSet");
  const { leaderTemplate, workerTemplate, size } = (set?.spec as { leaderWorkerTemplate: { leaderTemplate: Template; workerTemplate: Template; size: number } }).leaderWorkerTemplate;
  return { leader: leaderTemplate, worker: workerTemplate, size };
}

const serversOf = ({ spec }: Template): string[] => spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]?.matchExpressions[0]?.values ?? [];
const line = ({ spec }: Template): string => [...(spec.containers[0]?.command ?? []), ...(spec.containers[0]?.args ?? [])].join(" ");
const claim = ({ spec }: Template): string | undefined => spec.volumes.find(({ name }) => name === "models")?.persistentVolumeClaim?.claimName;

describe("Ray's command line", () => {
  it("has every option that starts a group", () => {
    const ray = planned((spec) => { spec.multiServer = "ray"; });
    const started = templates(planMultiServerReplica(ray.environment, ray.service, ray.workload));
    const calls = [started.leader, started.worker].flatMap((template) => [...line(template).matchAll(/\bray (start|health-check) ((?:--[a-z-]+(?:[= ]?(?:"[^"]*"|[a-z0-9]+))? ?)+)/g)]);
    expect(calls.map(([, verb]) => verb).sort()).toEqual(["health-check", "start", "start"]);
    for (const [, verb = "", options = ""] of calls) {
      const names = options.match(/--[a-z-]+/g) ?? [];
      expect(names.length).toBeGreaterThan(0);
      for (const name of names) expect(recordedRay[verb as "start" | "health-check"]).toContain(name);
    }
  });
});

describe("a replica that spans servers", () => {
  const { environment, service, workload } = planned();
  const { leader, worker, size } = templates(planMultiServerReplica(environment, service, workload));

  it("is one group with a pod on each of its servers, which reads that server's models", () => {
    expect(workload.servers).toHaveLength(2);
    expect(size).toBe(2);
    expect([serversOf(leader), serversOf(worker)]).toEqual([[workload.servers[0]], [workload.servers[1]]]);
    expect([claim(leader), claim(worker)]).toEqual(workload.servers.map((server) => `models-${server}`));
  });

  it("starts vLLM's own processes, without an API on the workers", () => {
    for (const template of [leader, worker]) {
      expect(line(template)).toContain("--distributed-executor-backend mp --nnodes 2 --node-rank $(LWS_WORKER_INDEX) --master-addr $(LWS_LEADER_ADDRESS) --master-port");
    }
    expect(line(leader)).not.toContain("--headless");
    expect(line(worker)).toContain("--headless");
    expect(leader.spec.containers[0]?.startupProbe).toBeDefined();
    expect(worker.spec.containers[0]?.startupProbe).toBeUndefined();
  });

  it("is reached through its leader, and talks over RDMA where all servers have it", () => {
    expect(leader.metadata.labels["app.kubernetes.io/component"]).toBe("api");
    expect(worker.metadata.labels["app.kubernetes.io/component"]).toBe("worker");
    for (const { spec } of [leader, worker]) {
      expect(spec.containers[0]?.resources.limits).toMatchObject({ "nvidia.com/gpu": "8", "rdma/hca": "1" });
      expect(spec.containers[0]?.env).toContainEqual({ name: "NCCL_SOCKET_IFNAME", value: "eth0" });
    }
  });

  it("runs in a Ray cluster that its leader starts, where the environment says so", () => {
    const ray = planned((spec) => { spec.multiServer = "ray"; });
    const started = templates(planMultiServerReplica(ray.environment, ray.service, ray.workload));
    expect(line(started.leader)).toMatch(/ray start --head --port=6379 .*exec "\$@" -- vllm serve .*--distributed-executor-backend ray/s);
    expect(line(started.worker)).toMatch(/exec ray start --address="\$LWS_LEADER_ADDRESS:6379" --block/);
    expect(line(started.worker)).not.toContain("vllm");
  });

  it("puts workers of more than two servers on one each, with one volume that is the same folder on all", () => {
    const wide: Workload = { ...workload, servers: ["gpu-01", "gpu-02", "gpu-03"] };
    const objects = planMultiServerReplica(environment, service, wide);
    const group = templates(objects);
    expect(group.size).toBe(3);
    expect(serversOf(group.worker)).toEqual(["gpu-02", "gpu-03"]);
    expect(group.worker.spec.affinity.podAntiAffinity).toBeDefined();
    expect(claim(group.leader)).toBe("models-gpu-01");
    expect(claim(group.worker)).toBe(`models-${wide.name}-workers`);
    const volume = objects.find(({ kind }) => kind === "PersistentVolume");
    expect(volume?.spec).toMatchObject({ local: { path: "/srv/hot/models" }, nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ values: ["gpu-02", "gpu-03"] }] }] } } });
  });

  it("has a name that leaves room for what the controller appends", () => {
    const long = { ...workload, name: "x".repeat(63) };
    expect(groupName(workload)).toBe(workload.name);
    expect(groupName(long)).toHaveLength(50);
    expect(groupName({ ...workload, name: `${"x".repeat(62)}y` })).not.toBe(groupName(long));
  });
});

describe("what keeps a replica from spanning servers", () => {
  const { environment, service, workload } = planned();

  it("is an engine that cannot, or cannot that way", () => {
    expect(multiServerFindings(environment, service)).toEqual([]);
    expect(multiServerFindings(environment, { ...service, engine: "tensorrt-llm" })[0]?.message).toMatch(/cannot span 2 servers.*MPI/);
    expect(multiServerFindings(environment, { ...service, engine: "sglang" })).toEqual([]);
    expect(multiServerFindings(environment, { ...service, engine: "sglang", spec: { ...service.spec, multiServer: "ray" } })[0]?.keys).toEqual(["services", "foundation", "multiServer"]);
    expect(multiServerFindings(environment, { ...service, engine: "triton", workloads: [{ ...workload, servers: ["gpu-01"] }] })).toEqual([]);
  });

  it("are hot tiers at different places, for its workers are alike", () => {
    const moved = stack("large-cluster", (input) => {
      const hot = input.servers["gpu-03"]?.tiers?.hot;
      if (hot !== undefined) hot.mount = "/srv/elsewhere";
    });
    const wide = { ...service, workloads: [{ ...workload, servers: ["gpu-01", "gpu-02", "gpu-03"] }] };
    expect(multiServerFindings(moved, wide)[0]?.message).toContain("mounted at different places");
    expect(multiServerFindings(environment, wide)).toEqual([]);
  });
});
