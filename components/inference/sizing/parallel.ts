import type { EngineId, ModelFact } from "../../catalog";
import type { Sizing } from "../plan-types";
import { batchedTokens, memoryBudget, utilizationOf } from "./memory";
import { splitReasons } from "./reasons";
import type { DeviceShape, ReplicaRequest, Split } from "./request";

/** Engines whose published servers cut a model into pipeline stages, and over servers (facts 7; SGLang: general knowledge). */
const pipelineEngines: readonly EngineId[] = ["vllm", "sglang", "tensorrt-llm"];
/** More stages than this answer one request too slowly to be worth planning. */
const mostServersOfAReplica = 16;

export function canPipeline(engine: EngineId): boolean {
  return pipelineEngines.includes(engine);
}

/** Why a model cannot be cut over this many GPUs by tensor parallelism; undefined where it can. */
export function tensorParallelFault(model: ModelFact, tensorParallel: number): string | undefined {
  const { attentionHeads, keyValueHeads, feedForwardSize, expertFeedForwardSize = feedForwardSize, attention } = model;
  if (attentionHeads % tensorParallel !== 0) return `${attentionHeads} attention heads do not divide by ${tensorParallel}`;
  const uncut = [feedForwardSize, expertFeedForwardSize].find((size) => size % tensorParallel !== 0);
  if (uncut !== undefined) return `a feed-forward size of ${uncut} does not divide by ${tensorParallel}`;
  if (attention.kind === "latent") return undefined;
  if (keyValueHeads % tensorParallel !== 0 && tensorParallel % keyValueHeads !== 0) return `${keyValueHeads} key-value heads neither divide by ${tensorParallel} nor into it`;
  return undefined;
}

/** Why a split cannot be carried out on servers of this shape, whatever the memory; undefined where it can. */
export function splitFault(request: ReplicaRequest, shape: DeviceShape, split: Split): string | undefined {
  const { tensorParallel, pipelineParallel, servers } = split;
  const fault = [request.model, ...(request.moreModels ?? []).map(({ model }) => model)].map((model) => tensorParallelFault(model, tensorParallel)).find((each) => each !== undefined);
  if (fault !== undefined) return fault;
  const gpus = tensorParallel * pipelineParallel;
  if (pipelineParallel > 1 && !canPipeline(request.engine)) return `${request.engine} cannot cut a model into pipeline stages`;
  if (pipelineParallel > request.model.layers) return `${pipelineParallel} pipeline stages are more than the ${request.model.layers} layers`;
  if (gpus > 1 && (request.moreModels ?? []).length > 0) return "several models in one server take one GPU each replica";
  if (gpus > shape.mostPerReplica * servers) return shape.sharedBy > 1 ? "GPUs shared by time-slicing cannot work together" : "MIG slices cannot work together";
  if (gpus / servers > shape.devicesPerServer) return `a server has ${shape.devicesPerServer}`;
  return undefined;
}

function divisorsUpTo(gpus: number): number[] {
  return Array.from({ length: gpus }, (_, index) => index + 1).filter((each) => gpus % each === 0);
}

/** Splits over `gpus` devices of each of so many servers that the user's own numbers allow; tensor parallelism stays in one server. */
function splitsOf(request: ReplicaRequest, servers: number, gpusPerServer: number): Split[] {
  const gpus = servers * gpusPerServer;
  if (request.gpus !== undefined && request.gpus !== gpus) return [];
  return divisorsUpTo(gpusPerServer)
    .map((tensorParallel) => ({ tensorParallel, pipelineParallel: gpus / tensorParallel, servers }))
    .filter(({ tensorParallel, pipelineParallel }) => (request.tensorParallel ?? tensorParallel) === tensorParallel && (request.pipelineParallel ?? pipelineParallel) === pipelineParallel);
}

/** Tensor parallelism over NVLink is best, the wider the better; over PCIe it is worst, and pipelines come before it (facts 7). */
function preference({ tensorParallel }: Split, { nvlinkDomain }: DeviceShape): number {
  return tensorParallel <= nvlinkDomain ? tensorParallel : -tensorParallel;
}

/** A replica settled on servers of one shape. */
export interface ReplicaChoice {
  split: Split;
  sizing: Sizing;
}

function toChoice(request: ReplicaRequest, shape: DeviceShape, split: Split): ReplicaChoice {
  const memory = memoryBudget(request, shape.usableBytes, split, shape.sharedBy);
  const text = request.model.task === "text-generation";
  return {
    split,
    sizing: {
      tensorParallel: split.tensorParallel,
      pipelineParallel: split.pipelineParallel,
      contextTokens: Math.min(request.contextTokens, request.model.contextTokens),
      concurrency: request.concurrency,
      memoryUtilization: utilizationOf(request, shape.sharedBy),
      ...(text ? { maxBatchedTokens: batchedTokens(request, request.model, shape.usableBytes) } : {}),
      memory,
      reasons: [],
    },
  };
}

function bestOf(choices: readonly ReplicaChoice[], shape: DeviceShape): ReplicaChoice | undefined {
  const order = (a: ReplicaChoice, b: ReplicaChoice): number =>
    preference(b.split, shape) - preference(a.split, shape) || b.sizing.memory.marginBytes - a.sizing.memory.marginBytes;
  return [...choices].sort(order)[0];
}

/** Every way to spread a replica, fewest servers first, then fewest GPUs: every server more is one more that can fail. */
function sizes(shape: DeviceShape, mostServers: number): { servers: number; gpusPerServer: number }[] {
  const all = [];
  for (let servers = 1; servers <= Math.min(mostServers, mostServersOfAReplica); servers++) {
    for (let gpusPerServer = 1; gpusPerServer <= shape.devicesPerServer; gpusPerServer++) all.push({ servers, gpusPerServer });
  }
  return all;
}

/** Tensor parallelism as wide as NVLink reaches, pipeline stages for the rest: what every other split is a compromise on. */
function isNatural({ tensorParallel, pipelineParallel, servers }: Split, { nvlinkDomain }: DeviceShape): boolean {
  return tensorParallel === Math.min((tensorParallel * pipelineParallel) / servers, nvlinkDomain);
}

const gpusOf = ({ split }: ReplicaChoice): number => split.tensorParallel * split.pipelineParallel;

/**
 * Spreads a replica over GPUs of one kind: one server where one is enough, tensor parallelism as wide as NVLink reaches and
 * pipeline stages beyond it, and of those the fewest GPUs that hold it. Other splits only where no such one does.
 * @param mostServers of this shape that a replica may span.
 * @returns undefined where it fits no way that is allowed; {@link closestChoice} says how much is missing.
 */
export function chooseParallel(request: ReplicaRequest, shape: DeviceShape, mostServers: number): ReplicaChoice | undefined {
  const tooSmall: ReplicaChoice[] = [];
  let compromise: ReplicaChoice | undefined;
  const settled = (choice: ReplicaChoice): ReplicaChoice => {
    const below = tooSmall.filter((each) => gpusOf(each) < gpusOf(choice)).sort((a, b) => gpusOf(b) - gpusOf(a))[0];
    return { ...choice, sizing: { ...choice.sizing, reasons: splitReasons(request, shape, choice, below) } };
  };
  for (const { servers, gpusPerServer } of sizes(shape, mostServers)) {
    if (compromise !== undefined && servers > compromise.split.servers) break;
    const choices = splitsOf(request, servers, gpusPerServer).filter((split) => splitFault(request, shape, split) === undefined).map((split) => toChoice(request, shape, split));
    const fitting = choices.filter(({ sizing }) => sizing.memory.marginBytes >= 0);
    const natural = fitting.find(({ split }) => isNatural(split, shape));
    if (natural !== undefined) return settled(natural);
    compromise ??= bestOf(fitting, shape);
    const best = bestOf(choices, shape);
    if (fitting.length === 0 && best !== undefined) tooSmall.push(best);
  }
  return compromise === undefined ? undefined : settled(compromise);
}

/**
 * Ways to spread a replica that are no compromise, whether it fits or not, the fewest GPUs first and each number of GPUs
 * once: for comparing them.
 */
export function naturalChoices(request: ReplicaRequest, shape: DeviceShape, mostServers: number): ReplicaChoice[] {
  const byGpus = new Map<number, ReplicaChoice>();
  for (const { servers, gpusPerServer } of sizes(shape, mostServers)) {
    const natural = splitsOf(request, servers, gpusPerServer).find((split) => isNatural(split, shape) && splitFault(request, shape, split) === undefined);
    if (natural !== undefined && !byGpus.has(servers * gpusPerServer)) byGpus.set(servers * gpusPerServer, toChoice(request, shape, natural));
  }
  return [...byGpus.values()].sort((a, b) => gpusOf(a) - gpusOf(b));
}

/** The allowed split that comes nearest to fitting, and by how much it does not; undefined where no split is allowed. */
export function closestChoice(request: ReplicaRequest, shape: DeviceShape, mostServers: number): ReplicaChoice | undefined {
  let closest: ReplicaChoice | undefined;
  for (const { servers, gpusPerServer } of sizes(shape, mostServers)) {
    for (const split of splitsOf(request, servers, gpusPerServer)) {
      if (splitFault(request, shape, split) !== undefined) continue;
      const choice = toChoice(request, shape, split);
      if (closest === undefined || choice.sizing.memory.marginBytes > closest.sizing.memory.marginBytes) closest = choice;
    }
  }
  return closest;
}
