import fc from "fast-check";
import { readFileSync, readdirSync } from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { migSlices, nodeCapacity } from "../../../components/cluster/capacity";
import { gpu, type GpuFact } from "../../../components/catalog";
import { parseEnvironment, type Environment } from "../../../components/environment";
import { planWorkloads } from "../../../components/inference/placement";
import type { WorkloadPlan } from "../../../components/inference/plan-types";
import { validEnvironment } from "../../support/arbitraries";
import { configs } from "../sizing/configs";
import { largeSite, parsed, site, worker } from "./sites";

const a100 = (count: number) => ({ gpus: { model: "a100-80gb-pcie", count, nvlink: count === 1 ? ("none" as const) : ("bridge" as const) }, cpu: { model: "epyc-7543" as const }, memoryGiB: 512, pcieGeneration: 4 as const });
const small = { model: "llama-3.1-8b", contextTokens: 8192, concurrency: 8 };
const large = { model: "llama-3.1-70b", contextTokens: 8192, concurrency: 8 };

const plan = (...parameters: Parameters<typeof site>): WorkloadPlan => planWorkloads(parsed(site(...parameters)));
const workloadsOf = (result: WorkloadPlan, name: string) => result.services[name]?.workloads ?? [];
const text = (result: WorkloadPlan): string => result.findings.map(({ keys, message, fix }) => `${keys.join(".")} ${message}. ${fix ?? ""}`).join("\n");

/** What a plan asks of each server must be there: as the scheduler counts. */
function oversubscribed(environment: Environment, { services, training }: WorkloadPlan): string[] {
  const used = new Map<string, { cpus: number; memoryGiB: number; devices: Map<string, number> }>();
  const take = (server: string, cpus: number, memoryGiB: number, resource: string | undefined, devices: number): void => {
    const entry = used.get(server) ?? { cpus: 0, memoryGiB: 0, devices: new Map<string, number>() };
    entry.cpus += cpus;
    entry.memoryGiB += memoryGiB;
    if (resource !== undefined) entry.devices.set(resource, (entry.devices.get(resource) ?? 0) + devices);
    used.set(server, entry);
  };
  for (const { workloads } of Object.values(services)) {
    for (const each of workloads) for (const server of each.servers) take(server, each.cpus * each.replicas, each.memoryGiB * each.replicas, each.resource, each.devicesPerPod * each.replicas);
  }
  for (const job of Object.values(training)) for (const server of job.servers) take(server, job.cpus, job.memoryGiB, job.resource, job.devicesPerPod);
  return [...used].flatMap(([name, entry]) => {
    const server = environment.servers[name];
    if (server === undefined) return [`${name} is no server`];
    const { forWorkloads, devices } = nodeCapacity(server, environment);
    return [
      ...(entry.cpus > forWorkloads.cpus ? [`${name}: ${entry.cpus} CPUs of ${forWorkloads.cpus}`] : []),
      ...(entry.memoryGiB > forWorkloads.memoryGiB ? [`${name}: ${entry.memoryGiB} GiB of ${forWorkloads.memoryGiB}`] : []),
      ...[...entry.devices].filter(([resource, count]) => count > (devices.find((device) => device.resource === resource)?.count ?? 0)).map(([resource, count]) => `${name}: ${count} ${resource}`),
    ];
  });
}

function shuffled<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).reverse());
}

describe("planWorkloads", () => {
  it.each(readdirSync("stacks").filter((file) => file.startsWith("Pulumi.")))("places everything in stacks/%s", (file) => {
    const document = parse(readFileSync(path.join("stacks", file), "utf8")) as { config: Record<string, unknown> };
    const environment = parseEnvironment(document.config["rackwright:environment"]);
    if (!environment.ok) throw new Error(JSON.stringify(environment.problems));
    const result = planWorkloads(environment.environment);
    expect(text(result)).toBe("");
    expect(oversubscribed(environment.environment, result)).toEqual([]);
    expect(Object.keys(result.services)).toEqual(Object.keys(environment.environment.services).sort());
  });

  it("never oversubscribes a server, never puts a standby beside an active replica, and places a service wholly or not at all", () => {
    fc.assert(
      fc.property(validEnvironment, (input) => {
        const environment = parsed(input);
        const result = planWorkloads(environment);
        expect(oversubscribed(environment, result)).toEqual([]);
        for (const { name, spec, workloads } of Object.values(result.services)) {
          const count = (role: string): number => workloads.filter((each) => each.role === role).reduce((sum, { replicas }) => sum + replicas, 0);
          expect([name, count("active"), count("standby")]).toEqual([name, spec.replicas, spec.standbyReplicas]);
          const active = new Set(workloads.filter(({ role }) => role === "active").flatMap(({ servers }) => servers));
          for (const standby of workloads.filter(({ role }) => role === "standby")) for (const server of standby.servers) expect(active.has(server)).toBe(false);
        }
        if (result.findings.length === 0) expect(Object.keys(result.services).sort()).toEqual(Object.keys(environment.services).sort());
      }),
      { numRuns: 60 },
    );
  });

  it("does not depend on the order of keys", () => {
    fc.assert(
      fc.property(validEnvironment, (input) => {
        const environment = parsed(input);
        const other = { ...environment, servers: shuffled(environment.servers), services: shuffled(environment.services), training: shuffled(environment.training) };
        expect(JSON.stringify(planWorkloads(other))).toBe(JSON.stringify(planWorkloads(environment)));
      }),
      { numRuns: 40 },
    );
  });

  it("keeps what fitted when a server is added", () => {
    const servers = { "gpu-1": worker(1, a100(4)), "gpu-2": worker(2, a100(4)) };
    const services = { chat: { ...large, standbyReplicas: 1 } };
    expect(text(plan(servers, services))).toBe("");
    expect(text(plan({ ...servers, "gpu-3": worker(3, a100(4)) }, services))).toBe("");
  });

  it("spreads replicas, and packs them where the standby needs the other server", () => {
    const servers = { "gpu-1": worker(1, a100(4)), "gpu-2": worker(2, a100(4)) };
    expect(workloadsOf(plan(servers, { chat: { ...small, replicas: 2 } }), "chat").map(({ name, replicas }) => [name, replicas])).toEqual([["chat-gpu-1", 1], ["chat-gpu-2", 1]]);
    const packed = plan(servers, { chat: { ...small, replicas: 2, standbyReplicas: 1 } });
    expect(text(packed)).toBe("");
    expect(workloadsOf(packed, "chat").map(({ name, role, replicas }) => [name, role, replicas])).toEqual([["chat-gpu-1", "active", 2], ["chat-gpu-2-standby", "standby", 1]]);
  });

  it("puts a standby in another rack where there is one", () => {
    const inRack = (rack: string, unit: number) => ({ ...a100(4), rack: { name: rack, unit } });
    const result = plan({ "gpu-1": worker(1, inRack("rack-a", 1)), "gpu-2": worker(2, inRack("rack-a", 5)), "gpu-3": worker(3, inRack("rack-b", 1)) }, { chat: { ...small, standbyReplicas: 1 } });
    expect(workloadsOf(result, "chat").map(({ servers }) => servers[0])).toEqual(["gpu-1", "gpu-3"]);
  });

  it("keeps pairs of bridged cards whole", () => {
    const result = plan({ "gpu-1": worker(1, a100(4)) }, { pair: { ...large, precision: "fp8", tensorParallel: 2, pipelineParallel: 1 }, one: { ...small, replicas: 2 } });
    expect(text(result)).toBe("");
    const split = plan({ "gpu-1": worker(1, a100(4)) }, { pair: { ...large, precision: "fp8", tensorParallel: 2, pipelineParallel: 1, replicas: 2 }, one: small });
    expect(text(split)).toContain("services.one.replicas has no room");
  });

  it("takes the first accelerator that has room, and the CPU after it", () => {
    const servers = { "gpu-1": worker(1, { ...a100(1), gpus: { model: "a100-80gb-pcie", count: 1 } }), "gpu-2": worker(2, { gpus: { model: "l40s", count: 1 }, cpu: { model: "epyc-7543" }, memoryGiB: 128, pcieGeneration: 4 }) };
    const services = { encoder: { model: "bert-large", precision: "fp16" as const, replicas: 3, accelerators: ["l40s", "a100-80gb-pcie", "cpu"] } };
    const result = plan(servers, services);
    expect(text(result)).toBe("");
    expect(workloadsOf(result, "encoder").map(({ accelerator, resource }) => [accelerator, resource])).toEqual([["l40s", "nvidia.com/gpu"], ["a100-80gb-pcie", "nvidia.com/gpu"], ["cpu", undefined]]);
    expect(text(plan({ "gpu-1": worker(1) }, { chat: { ...small, engine: "vllm", accelerators: ["cpu"] } }))).toContain("services.chat.engine does not run on the CPU");
  });

  it("asks for an NPU by its resource name", () => {
    const { gpus: _gpus, ...plain } = worker(1);
    const result = plan({ "npu-1": { ...plain, npus: { resourceName: "vendor.example/npu", count: 4 } } }, { chat: { ...small, accelerators: ["vendor.example/npu"], gpusPerReplica: 2 } });
    expect(workloadsOf(result, "chat")[0]).toMatchObject({ resource: "vendor.example/npu", devicesPerPod: 2 });
    expect(result.services["chat"]?.notes.join()).toContain("is not checked");
  });

  it("uses MIG slices and shares of GPUs one at a time", () => {
    const sliced = worker(1, { ...a100(2), gpus: { model: "a100-80gb-pcie", count: 2, mig: "3g.40gb" } });
    const mig = plan({ "gpu-1": sliced }, { chat: { ...small, replicas: 4 } });
    expect(text(mig)).toBe("");
    expect(workloadsOf(mig, "chat")[0]).toMatchObject({ resource: "nvidia.com/mig-3g.40gb", devicesPerPod: 1, replicas: 4 });
    expect(text(plan({ "gpu-1": sliced }, { chat: { ...large, gpusPerReplica: 4 } }))).toContain("MIG slices cannot work together");
    const shared = plan({ "gpu-1": worker(1, a100(2)) }, { chat: { ...small, concurrency: 1, contextTokens: 2048, replicas: 4 } }, { cluster: { distribution: "existing", timeSlicing: 2 } });
    expect(text(shared)).toBe("");
    expect(workloadsOf(shared, "chat")[0]?.sizing.memoryUtilization).toBeCloseTo(0.46);
    expect(shared.services["chat"]?.notes.join()).toContain("memory is not isolated");
  });

  it("spans servers of one rack where one server is too small", () => {
    const inRack = (index: number, rack: string) => worker(index, { rack: { name: rack, unit: 1 + 9 * (index % 4), heightUnits: 8 } });
    const servers = { "gpu-1": inRack(1, "rack-a"), "gpu-2": inRack(2, "rack-b"), "gpu-3": inRack(3, "rack-b") };
    const result = plan(servers, { big: { model: "llama-3.1-405b", engine: "vllm", contextTokens: 8192, concurrency: 8 } });
    expect(text(result)).toBe("");
    expect(workloadsOf(result, "big")).toMatchObject([{ name: "big-gpu-2", servers: ["gpu-2", "gpu-3"], replicas: 1, devicesPerPod: 8, sizing: { tensorParallel: 8, pipelineParallel: 2 } }]);
  });

  it("gives training its servers first", () => {
    const job = { servers: ["gpu-1"], command: ["python3", "train.py"] };
    const result = plan({ "gpu-1": worker(1, a100(4)), "gpu-2": worker(2, a100(4)) }, { chat: small }, { training: { job } });
    expect(result.training["job"]).toMatchObject({ servers: ["gpu-1"], devicesPerPod: 4, resource: "nvidia.com/gpu" });
    expect(workloadsOf(result, "chat")[0]?.servers).toEqual(["gpu-2"]);
    expect(text(plan({ "gpu-1": worker(1, a100(4)), "gpu-2": worker(2, a100(2)) }, {}, { training: { job: { ...job, servers: ["gpu-1", "gpu-2"] } } }))).toContain("Write gpusPerServer: 2.");
    expect(text(plan({ "gpu-1": worker(1, a100(4)) }, {}, { training: { job: { ...job, gpusPerServer: 8 } } }))).toContain("training.job.gpusPerServer is more than gpu-1 has");
    const { gpus: _gpus, ...bare } = worker(1);
    expect(text(plan({ "gpu-1": bare }, {}, { training: { job } }))).toContain("has neither GPUs nor NPUs");
  });

  it("uses workers only", () => {
    expect(text(plan({ "gpu-1": worker(1, { roles: ["storage"] }) }, { chat: small }))).toContain("finds no worker with an accelerator");
  });
});

describe("findings", () => {
  it("name what is needed, what is free and the smallest change, all at once", () => {
    const result = plan({ "gpu-1": worker(1, a100(2)) }, { huge: { ...large, contextTokens: 32_768 }, chat: { ...small, replicas: 9 } });
    expect(result.findings).toHaveLength(2);
    expect(text(result)).toMatch(/services\.huge does not fit 2x a100-80gb-pcie: each GPU would need .* GiB for weights.* Write contextTokens: 2048, or precision: int4; or give a server 2 more a100-80gb-pcie/);
    expect(text(result)).toMatch(/services\.chat\.replicas has no room: replica 3 of 9 needs 1x a100-80gb-pcie; free are gpu-1 0\. Write replicas: 2; or add 1 a100-80gb-pcie to one server/);
  });

  it("offer a shorter context where that is enough", () => {
    expect(text(plan({ "gpu-1": worker(1, a100(1)) }, { chat: { ...small, contextTokens: 131_072 } }))).toMatch(/Write kvCachePrecision|Write .*contextTokens: \d+/);
  });

  it("say where a standby has no server of its own", () => {
    const { gpus: _gpus, ...bare } = worker(2);
    expect(text(plan({ "gpu-1": worker(1, a100(4)), "cpu-1": bare }, { chat: { ...small, standbyReplicas: 1 } }))).toContain("services.chat.standbyReplicas has no room: replica 1 of 1 needs 1x a100-80gb-pcie on a server that runs no active replica");
  });

  it("name a hot tier that is missing or full, counting all models on it", () => {
    const { tiers: _tiers, ...noTier } = worker(1, a100(4));
    expect(text(plan({ "gpu-1": noTier }, { chat: small }))).toContain("services.chat.weights need a hot tier");
    const drives = { drives: { "nvme-SMALL_1": { kind: "nvme" as const, capacityGB: 20 } }, tiers: { hot: { level: "single" as const, drives: ["nvme-SMALL_1"] } } };
    const tight = { "gpu-1": worker(1, { ...a100(4), ...drives }) };
    expect(text(plan(tight, { chat: { ...small, replicas: 2 } }))).toBe("");
    expect(text(plan(tight, { chat: small, other: { ...small, model: "qwen3-8b" } }))).toMatch(/services\.chat\.weights take 16 GB on the hot tier, and the most that is free is 3 GB on gpu-1/);
  });

  it("ask for config.json of a model that is not in the catalog, and size by it", () => {
    const servers = { "gpu-1": worker(1, a100(4)) };
    expect(text(plan(servers, { own: { model: "./models/own", contextTokens: 4096 } }))).toContain("services.own.modelConfig is needed to size a model that is not in the catalog. Paste the config.json of ./models/own");
    const sized = plan(servers, { own: { model: "./models/own", contextTokens: 4096, modelConfig: configs["qwen3-4b"] } });
    expect(text(sized)).toBe("");
    expect(sized.services["own"]?.weightsGB).toBeCloseTo(8, 0);
    expect(text(plan(servers, { own: { model: "./models/own", modelConfig: { model_type: "mamba" } } }))).toContain("services.own.modelConfig.model_type is not an architecture");
  });

  it("say where a precision, a split or an engine cannot work", () => {
    const servers = { "gpu-1": worker(1, a100(4)) };
    expect(text(plan(servers, { encoder: { model: "bert-large", engine: "triton", precision: "fp8" } }))).toContain("services.encoder.precision does not run there");
    expect(text(plan(servers, { phi: { model: "phi-4", contextTokens: 8192, tensorParallel: 4 } }))).toContain("10 key-value heads neither divide by 4 nor into it");
    expect(text(plan(servers, { eye: { model: "vit-l-16", engine: "vllm" } }))).toContain("services.eye.engine serves text, but the model classifies images");
    expect(text(plan(servers, { chat: { ...small, contextTokens: 200_000 } }))).toContain("services.chat.contextTokens is more than Llama 3.1 8B takes");
    expect(plan(servers, { chat: { ...small, engine: "vllm", precision: "fp8" } }).services["chat"]?.notes.join()).toContain("weight-only");
  });

  it("refuse names that Kubernetes would", () => {
    const longName = `a${"b".repeat(45)}`;
    expect(text(plan({ "a-server-with-a-long-name": worker(1) }, { [longName]: small }))).toContain("makes a workload name of 72 characters");
    expect(text(plan({ "b-c": worker(1), "c": worker(2, a100(2)) }, { "a": { ...small, accelerators: ["h100-80gb-sxm5"] }, "a-b": { ...small, accelerators: ["a100-80gb-pcie"] } }))).toContain("makes a workload with the name of one of a");
  });

  it("say that training needs a cluster", () => {
    expect(text(plan({ "gpu-1": worker(1) }, {}, { cluster: { distribution: "none" }, training: { job: { servers: ["gpu-1"], command: ["train"] } } }))).toContain("training.job needs a cluster");
  });
});

describe("engine: auto", () => {
  const engineOf = (service: Parameters<typeof site>[1][string]) => {
    const { engine, engineReason } = plan({ "gpu-1": worker(1) }, { it: service }).services["it"] ?? {};
    return [engine, engineReason?.match(/guide 3\.2/)?.[0]];
  };

  it("follows the guide's table, and says so", () => {
    expect(engineOf(small)).toEqual(["vllm", "guide 3.2"]);
    expect(engineOf({ model: "vit-l-16", precision: "fp16" })).toEqual(["triton", "guide 3.2"]);
    expect(engineOf({ model: "bert-large", precision: "fp16" })).toEqual(["triton", "guide 3.2"]);
    expect(engineOf({ model: "bert-large", precision: "fp16", moreModels: { eye: { model: "vit-l-16" } } })).toEqual(["triton", "guide 3.2"]);
    expect(engineOf({ ...small, engine: "sglang" })).toEqual(["sglang", undefined]);
  });
});

describe("nodeCapacity", () => {
  it("cuts GPUs as the MIG guide's tables do", () => {
    const slices = (id: string, ...profiles: string[]): number[] => profiles.map((profile) => migSlices(gpu(id) as GpuFact, profile));
    expect(slices("a100-80gb-sxm4", "1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb", "1g.10gb+me")).toEqual([7, 4, 3, 2, 1, 1, 1]);
    expect(slices("h200-sxm", "1g.18gb", "1g.35gb", "3g.71gb", "7g.141gb")).toEqual([7, 4, 2, 1]);
    expect(slices("rtx-pro-6000-blackwell-server", "1g.24gb", "2g.48gb", "4g.96gb")).toEqual([4, 2, 1]);
  });

  it("leaves room for the system, the control plane and the cluster's own pods", () => {
    const environment = parsed(site({ "gpu-1": worker(1, { roles: ["worker", "control-plane"] }), "gpu-2": worker(2) }, {}));
    const [first, second] = Object.values(environment.servers).map((server) => nodeCapacity(server, environment));
    expect(first?.cpus).toBe(112);
    expect((first?.forWorkloads.cpus ?? 0) < (first?.allocatable.cpus ?? 0)).toBe(true);
    expect((first?.allocatable.cpus ?? 0) < (second?.allocatable.cpus ?? 0)).toBe(true);
  });
});

describe("a large site", () => {
  it("is placed without findings; bench/placement.ts measures 1,000 servers", () => {
    const environment = parsed(largeSite(120, 60));
    const result = planWorkloads(environment);
    expect(text(result)).toBe("");
    expect(oversubscribed(environment, result)).toEqual([]);
  });
});
