import { readFileSync } from "node:fs";
import { bytesPerParameter, engineRequirements, gpu, gpuCatalog, model, modelCatalog, suggest, type EngineId, type GpuFact, type ModelFact, type Precision } from "../../components/catalog";
import { formatProblems, toProblem } from "../../components/environment/problems";
import { gibibyte, modelFromConfig, type DeviceShape, type ReplicaRequest } from "../../components/inference/sizing";
import { CliError, exitCodes } from "../exit";

/** What the command line says, as text. */
export interface SizeOptions {
  gpus: string;
  servers?: string;
  nvlink?: string;
  precision?: string;
  kvPrecision?: string;
  context?: string;
  concurrency?: string;
  memoryUtilization?: string;
  tensorParallel?: string;
  pipelineParallel?: string;
  engine?: string;
  config?: string;
  json?: boolean;
}

/** What is to be sized. */
export interface SizeInput {
  request: ReplicaRequest;
  shape: DeviceShape;
  gpuId: string;
  servers: number;
  /** What was assumed because nothing was said: "8192 tokens of context". */
  assumed: string[];
  notes: string[];
}

const defaultContext = 8192;
const defaultConcurrency = 8;
const mostGpusPerServer = 16;
const mostServers = 16;

function bad(message: string): CliError {
  return new CliError(message, exitCodes.badInput);
}

function whole(flag: string, text: string, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > most) throw bad(`--${flag} must be a whole number from 1 to ${most}, got ${JSON.stringify(text)}`);
  return value;
}

function oneOf<T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === text);
  if (found !== undefined) return found;
  const near = suggest(text, allowed);
  throw bad(`--${flag} must be one of ${allowed.join(", ")}, got ${JSON.stringify(text)}${near === undefined ? "" : `. Did you mean ${near}?`}`);
}

const simplified = (text: string): string => text.toLowerCase().replace(/nvidia|geforce|[^a-z0-9]/g, "");

/** GPUs whose id or name contains all that was written, whatever stands between the words. */
function matching(written: string): string[] {
  const words = written.toLowerCase().split(/[^a-z0-9]+/).filter((word) => word !== "" && word !== "nvidia" && word !== "geforce");
  return Object.entries(gpuCatalog)
    .filter(([id, { name }]) => {
      const known = simplified(`${id} ${name}`);
      return words.every((word) => known.includes(word)) && words.length > 0;
    })
    .map(([id]) => id);
}

/** Boards with NVSwitch first: servers with several such GPUs are sold with them. Then the shorter id. */
function preferred(ids: readonly string[]): string | undefined {
  const rank = (id: string): number => (gpu(id)?.nvlink.kind === "nvswitch" ? 0 : 1);
  return [...ids].sort((a, b) => rank(a) - rank(b) || a.length - b.length || (a < b ? -1 : 1))[0];
}

function findGpu(written: string): { id: string; fact: GpuFact; note?: string } {
  const exact = gpu(written.toLowerCase());
  if (exact !== undefined) return { id: written.toLowerCase(), fact: exact };
  const found = matching(written);
  const id = preferred(found);
  const fact = id === undefined ? undefined : gpu(id);
  if (id === undefined || fact === undefined) {
    const near = suggest(written, Object.keys(gpuCatalog));
    throw bad(`--gpus: ${JSON.stringify(written)} is not a GPU of the catalog. ${near === undefined ? `Known are ${Object.keys(gpuCatalog).join(", ")}.` : `Did you mean ${near}?`}`);
  }
  const others = found.filter((each) => each !== id);
  const why = fact.nvlink.kind === "nvswitch" ? "boards with NVSwitch come first" : "the shortest name comes first";
  return { id, fact, ...(others.length === 0 ? {} : { note: `${written} is taken as ${id}: ${why}; write ${others.join(" or ")} for ${others.length === 1 ? "the other" : "another"}` }) };
}

function parseGpus(text: string): { count: number; written: string } {
  const match = /^\s*(?:(\d+)\s*[xX×*]\s*)?(\S.*?)\s*$/.exec(text);
  if (match?.[2] === undefined) throw bad(`--gpus must be a number and a GPU such as 4xA100-80GB, got ${JSON.stringify(text)}`);
  return { count: match[1] === undefined ? 1 : whole("gpus", match[1], mostGpusPerServer), written: match[2] };
}

function readConfigFile(file: string): ModelFact {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw bad(`--config: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`);
  }
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    throw bad(`--config: ${file} is not JSON`);
  }
  if (typeof config !== "object" || config === null || Array.isArray(config)) throw bad(`--config: ${file} holds no JSON object`);
  const read = modelFromConfig(config as Record<string, unknown>);
  if (!read.ok) throw bad(formatProblems(file, read.findings.map(toProblem)));
  return read.model;
}

function findModel(id: string | undefined, config: string | undefined): ModelFact {
  if (config !== undefined) {
    const read = readConfigFile(config);
    return { ...read, name: id ?? `${read.name} of ${config}` };
  }
  if (id === undefined) throw bad("Name a model, or give its config.json with --config.");
  const known = model(id.toLowerCase());
  if (known !== undefined) return known;
  const near = suggest(id, Object.keys(modelCatalog));
  throw bad(`${JSON.stringify(id)} is not a model of the catalog. ${near === undefined ? "" : `Did you mean ${near}? `}For any other, give its config.json with --config.`);
}

function nvlinkDomain(fact: GpuFact, count: number, text: string | undefined): number {
  const kind = text === undefined ? fact.nvlink.kind : oneOf("nvlink", text, ["none", "bridge", "nvswitch"]);
  if (text !== undefined && kind !== "none" && kind !== fact.nvlink.kind) throw bad(`--nvlink ${kind}: ${fact.name} has ${fact.nvlink.kind === "none" ? "no NVLink" : `NVLink by ${fact.nvlink.kind}`}`);
  if (kind === "nvswitch") return count;
  return kind === "bridge" ? Math.min(count, fact.nvlink.mostBridged) : 1;
}

function utilizationOf(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > 0 && value <= 1)) throw bad(`--memory-utilization must be above 0 and at most 1, got ${JSON.stringify(text)}`);
  return value;
}

/** Reads the command line; anything wrong ends with exit code 2 and what to write instead. */
export function readSizeInput(modelId: string | undefined, options: SizeOptions): SizeInput {
  const fact = findModel(modelId, options.config);
  const { count, written } = parseGpus(options.gpus);
  const found = findGpu(written);
  const published = fact.publishedPrecision;
  const precision = options.precision === undefined ? (published === "mxfp4" ? "bf16" : published) : oneOf("precision", options.precision, Object.keys(bytesPerParameter) as Precision[]);
  const engine = options.engine === undefined ? (fact.task === "text-generation" ? "vllm" : "triton") : oneOf("engine", options.engine, Object.keys(engineRequirements) as EngineId[]);
  const contextTokens = options.context === undefined ? Math.min(defaultContext, fact.contextTokens) : whole("context", options.context, fact.contextTokens);
  const concurrency = options.concurrency === undefined ? defaultConcurrency : whole("concurrency", options.concurrency, 100_000);
  const assumed = [
    ...(options.precision === undefined ? [`weights as published (${published})`] : []),
    ...(options.context === undefined ? [`${contextTokens} tokens of context`] : []),
    ...(options.concurrency === undefined ? [`${concurrency} requests at once`] : []),
  ];
  return {
    request: {
      model: fact, precision, keyValuePrecision: options.kvPrecision === undefined ? "auto" : oneOf("kv-precision", options.kvPrecision, ["auto", "fp8"]), contextTokens, concurrency, engine,
      ...(options.memoryUtilization === undefined ? {} : { memoryUtilization: utilizationOf(options.memoryUtilization) }),
      ...(options.tensorParallel === undefined ? {} : { tensorParallel: whole("tensor-parallel", options.tensorParallel, 1024) }),
      ...(options.pipelineParallel === undefined ? {} : { pipelineParallel: whole("pipeline-parallel", options.pipelineParallel, 1024) }),
    },
    shape: {
      accelerator: found.id, gpu: found.fact, usableBytes: found.fact.usableMemoryGiB * gibibyte, devicesPerServer: count,
      nvlinkDomain: nvlinkDomain(found.fact, count, options.nvlink), sharedBy: 1, mostPerReplica: count, pcieGeneration: found.fact.pcieGeneration,
    },
    gpuId: found.id,
    servers: options.servers === undefined ? 1 : whole("servers", options.servers, mostServers),
    assumed,
    notes: found.note === undefined ? [] : [found.note],
  };
}
