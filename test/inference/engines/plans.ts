import { parse } from "yaml";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { model as modelFact, modelCatalog, type EngineId, type ModelFact } from "../../../components/catalog";
import { environmentSchema, parseEnvironment, type Environment, type EnvironmentInput } from "../../../components/environment";
import type { InferenceServiceSpec } from "../../../components/environment/schema";
import type { ServicePlan, Workload } from "../../../components/inference/plan-types";
import { generatedEnvironment } from "../../support/environments";

const stacks = join(__dirname, "../../../stacks");

function environmentOf(input: EnvironmentInput): Environment {
  const parsed = parseEnvironment(input);
  if (!parsed.ok) throw new Error(`the environment is wrong: ${JSON.stringify(parsed.problems)}`);
  return parsed.environment;
}

/** All environments that the repository holds, by name. */
export function stackEnvironments(): Record<string, Environment> {
  const files = readdirSync(stacks).filter((file) => /^Pulumi\..+\.yaml$/.test(file));
  return Object.fromEntries(files.map((file) => {
    const content = parse(readFileSync(join(stacks, file), "utf8")) as { config: Record<string, EnvironmentInput> };
    return [file.replace(/^Pulumi\.|\.yaml$/g, ""), environmentOf(content.config["rackwright:environment"] as EnvironmentInput)];
  }));
}

/** Two servers of four A100 80 GB each, with a hot tier of two NVMe drives and images from a mirror. */
export function twoServers(services: EnvironmentInput["services"] = {}): Environment {
  const input = generatedEnvironment(2);
  const servers = Object.fromEntries(Object.entries(input.servers).map(([name, server], index) => [name, index === 0 ? { ...server, roles: ["worker" as const, "control-plane" as const] } : server]));
  return environmentOf({ ...input, servers, cluster: { distribution: "k3s", controlPlane: ["gpu-0001"] }, services });
}

type SpecInput = NonNullable<EnvironmentInput["services"]>[string];

/** A service's spec with every default filled in. */
export function specOf(input: SpecInput): InferenceServiceSpec {
  const spec = environmentSchema.shape.services.parse({ service: input }).service;
  if (spec === undefined) throw new Error("the service is gone");
  return spec;
}

const gib = 1024 ** 3;

/** A workload on `gpu-0001`, sized as a planner would size it. */
export function workloadOf(service: string, change: Partial<Workload> = {}, sizing: Partial<Workload["sizing"]> = {}): Workload {
  const base = { tensorParallel: 1, pipelineParallel: 1, ...sizing };
  return {
    name: `${service}-gpu-0001`, role: "active", replicas: 1, servers: ["gpu-0001"], accelerator: "a100-80gb-pcie", resource: "nvidia.com/gpu",
    devicesPerPod: base.tensorParallel * base.pipelineParallel, cpus: 6, memoryGiB: 24,
    ...change,
    sizing: {
      contextTokens: 8192, concurrency: 8, memoryUtilization: 0.92, reasons: [],
      memory: { usableBytes: 79 * gib, budgetBytes: 72 * gib, weightsBytes: 15 * gib, overheadBytes: 3 * gib, keyValueBytesPerToken: 57344, keyValueBytes: 4 * gib, keyValueTokens: 900_000, marginBytes: 50 * gib },
      ...base,
    },
  };
}

export function planOf(name: string, engine: EngineId, spec: SpecInput, workloads: Workload[] = [workloadOf(name)], fact?: ModelFact): ServicePlan {
  const known = fact ?? modelFact(spec.model);
  if (known === undefined) throw new Error(`${spec.model} is not in the catalog: give its facts`);
  return { name, spec: specOf({ engine, ...spec }), model: known, engine, engineReason: "as stated", notes: [], workloads };
}

const engineIds = ["vllm", "triton", "tensorrt-llm", "sglang", "deepspeed", "colossalai", "pytorch"] as const;
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });
const present = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T;

/** Every engine with models, precisions, splits and accelerators of all kinds: also those that a planner would not put together. */
export const arbitraryPlan: fc.Arbitrary<ServicePlan> = fc
  .record({
    engine: fc.constantFrom<EngineId>(...engineIds),
    model: fc.constantFrom(...Object.keys(modelCatalog)),
    more: fc.uniqueArray(fc.constantFrom("vit-l-16", "bert-large"), { maxLength: 2 }),
    precision: fc.constantFrom("fp32", "bf16", "fp16", "fp8", "int8", "int4"),
    kvCachePrecision: fc.constantFrom("auto", "fp8"),
    loadFormat: fc.constantFrom("auto", "safetensors", "fastsafetensors", "runai-streamer"),
    from: fc.constantFrom("store", "hub"),
    sizeGB: maybe(fc.integer({ min: 1, max: 2000 })),
    concurrency: fc.integer({ min: 1, max: 512 }),
    contextTokens: fc.integer({ min: 1, max: 131_072 }),
    tensorParallel: fc.constantFrom(1, 2, 4, 8),
    pipelineParallel: fc.constantFrom(1, 2),
    accelerator: fc.constantFrom("a100-80gb-pcie", "l40s", "a40", "cpu", "vendor.example/npu"),
    memoryGiB: fc.integer({ min: 6, max: 1500 }),
    replicas: fc.integer({ min: 1, max: 4 }),
    standby: fc.boolean(),
    batching: maybe(fc.record({ maxQueueDelayMicroseconds: fc.integer({ min: 0, max: 100_000 }), preferredBatchSizes: fc.array(fc.integer({ min: 1, max: 128 }), { maxLength: 5 }) })),
    hostname: maybe(fc.constant("models.corp.example")),
    priority: fc.constantFrom("interactive", "batch"),
    built: fc.boolean(),
    speed: maybe(fc.double({ min: 1, max: 300, noNaN: true })),
    maxBatchedTokens: maybe(fc.integer({ min: 512, max: 65_536 })),
  })
  .map((drawn): ServicePlan => {
    const cpu = drawn.accelerator === "cpu";
    const npu = drawn.accelerator.includes("/");
    const spec = present({
      model: drawn.model, engine: drawn.engine, precision: drawn.precision, kvCachePrecision: drawn.kvCachePrecision, concurrency: drawn.concurrency, dynamicBatching: drawn.batching, hostname: drawn.hostname, priority: drawn.priority,
      weights: present({ loadFormat: drawn.loadFormat, from: drawn.from, sizeGB: drawn.sizeGB, folder: drawn.from === "hub" ? "owner/name" : undefined }),
      modelConfig: drawn.built ? { build_config: {} } : undefined,
      moreModels: drawn.engine === "triton" ? Object.fromEntries(drawn.more.map((id) => [`more-${id}`, { model: id, ...(drawn.batching === undefined ? {} : { dynamicBatching: drawn.batching }) }])) : {},
    }) as SpecInput;
    const sizing = present({
      tensorParallel: cpu ? 1 : drawn.tensorParallel, pipelineParallel: cpu ? 1 : drawn.pipelineParallel, contextTokens: drawn.contextTokens, concurrency: drawn.concurrency, maxBatchedTokens: drawn.maxBatchedTokens,
      estimate: drawn.speed === undefined ? undefined : { tokensPerSecondPerRequest: drawn.speed, tokensPerSecond: drawn.speed, boundBy: "memory bandwidth", assumptions: [] },
    });
    const { resource: _resource, ...plain } = workloadOf("service", { accelerator: drawn.accelerator, memoryGiB: drawn.memoryGiB, replicas: drawn.replicas }, sizing);
    const workload: Workload = cpu ? { ...plain, devicesPerPod: 0 } : { ...plain, resource: npu ? drawn.accelerator : "nvidia.com/gpu" };
    const standby: Workload[] = drawn.standby ? [{ ...workload, name: "service-gpu-0002-standby", role: "standby", replicas: 1, servers: ["gpu-0002"] }] : [];
    return planOf("service", drawn.engine, spec, [workload, ...standby]);
  });
