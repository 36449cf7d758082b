import { gpuSupport } from "../../components/inference/placement";
import { chooseParallel, closestChoice, naturalChoices, prefillTokensPerSecond, roofline, smallestChanges, splitFault, type Change, type ReplicaChoice, type ReplicaRequest } from "../../components/inference/sizing";
import { exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { renderSize } from "../render/size";
import type { Terminal } from "../terminal";
import { readSizeInput, type SizeInput, type SizeOptions } from "./size-input";

/** What `rackwright size` found; `--json` prints it. */
export interface SizeResult {
  fits: boolean;
  model: string;
  gpu: string;
  /** In one server. */
  gpus: number;
  servers: number;
  engine: string;
  precision: string;
  /** How the replica is cut: where nothing fits, the way that comes nearest. Absent where no way is allowed. */
  choice?: ReplicaChoice;
  prefillTokensPerSecond?: number;
  /** Why no way is allowed, or why the engine cannot run it. */
  fault?: string;
  /** Flags that would make it fit, the least first. */
  changes: string[];
  notes: string[];
  assumed: string[];
}

const flags: Readonly<Record<Change["field"], string>> = {
  gpusPerReplica: "--gpus", kvCachePrecision: "--kv-precision", memoryUtilization: "--memory-utilization", contextTokens: "--context", concurrency: "--concurrency", precision: "--precision",
};
const mostGpus = 16;
const mostChanges = 3;

function flagOf({ field, value }: Change): string {
  return field === "gpusPerReplica" ? "without --tensor-parallel and --pipeline-parallel" : `${flags[field]} ${value}`;
}

/** The least GPUs in one server, or servers, that would hold it. */
function moreHardware({ request, shape, servers, gpuId }: SizeInput): string[] {
  for (let count = shape.devicesPerServer + 1; count <= mostGpus; count++) {
    const larger = { ...shape, devicesPerServer: count, mostPerReplica: count, nvlinkDomain: shape.nvlinkDomain === shape.devicesPerServer ? Math.max(count, shape.nvlinkDomain) : shape.nvlinkDomain };
    if (chooseParallel(request, larger, servers) !== undefined) return [`--gpus ${count}x${gpuId}`];
  }
  for (let count = servers + 1; count <= mostGpus; count++) if (chooseParallel(request, shape, count) !== undefined) return [`--servers ${count}`];
  return [];
}

function statedFault({ request, shape, servers }: SizeInput): string {
  const tensorParallel = request.tensorParallel ?? 1;
  const pipelineParallel = request.pipelineParallel ?? 1;
  return splitFault(request, shape, { tensorParallel, pipelineParallel, servers }) ?? `no way to cut it over ${servers * shape.devicesPerServer} GPUs is allowed`;
}

function withEstimate(choice: ReplicaChoice, { request, shape }: SizeInput): ReplicaChoice {
  const links = { nvlink: choice.split.tensorParallel <= shape.nvlinkDomain, pcieGeneration: shape.pcieGeneration };
  return { ...choice, sizing: { ...choice.sizing, estimate: roofline(request, shape.gpu, choice.split, links) } };
}

/** The ways to cut a replica over the given GPUs, for comparing them with the one that {@link sizeModel} took; those that fit with an estimate. */
export function sizeWays(input: SizeInput): ReplicaChoice[] {
  return naturalChoices(input.request, input.shape, input.servers).map((choice) => (choice.sizing.memory.marginBytes < 0 ? choice : withEstimate(choice, input)));
}

/** Sizes one replica on GPUs of one kind. */
export function sizeModel(input: SizeInput): SizeResult {
  const { request, shape, servers, gpuId } = input;
  const support = gpuSupport(request.engine, shape.gpu, request.precision);
  const base = {
    model: request.model.name, gpu: gpuId, gpus: shape.devicesPerServer, servers, engine: request.engine, precision: request.precision,
    notes: [...input.notes, ...(support.note === undefined ? [] : [support.note])], assumed: input.assumed,
  };
  const fit = support.fault === undefined ? chooseParallel(request, shape, servers) : undefined;
  if (fit !== undefined) {
    const { tensorParallel, pipelineParallel } = fit.split;
    return { ...base, fits: true, choice: withEstimate(fit, input), prefillTokensPerSecond: prefillTokensPerSecond(request, shape.gpu, tensorParallel, pipelineParallel), changes: [] };
  }
  const supported = (changed: ReplicaRequest): number | undefined => {
    if (gpuSupport(changed.engine, shape.gpu, changed.precision).fault !== undefined) return undefined;
    const choice = chooseParallel(changed, shape, servers);
    return choice === undefined ? undefined : choice.split.tensorParallel * choice.split.pipelineParallel;
  };
  const closest = closestChoice(request, shape, servers);
  const changes = [...smallestChanges(request, supported).slice(0, mostChanges).map(flagOf), ...(support.fault === undefined ? moreHardware(input) : [])];
  const fault = support.fault ?? (closest === undefined ? statedFault(input) : undefined);
  return { ...base, fits: false, ...(closest === undefined ? {} : { choice: closest }), ...(fault === undefined ? {} : { fault }), changes };
}

/** `rackwright size`: 0 it fits, 1 it does not, 2 bad input. */
export function size(terminal: Terminal, modelId: string | undefined, options: SizeOptions): Promise<ExitCode> {
  const input = readSizeInput(modelId, options);
  const result = sizeModel(input);
  terminal.out(options.json === true ? `${JSON.stringify(result, null, 2)}\n` : renderSize(result, sizeWays(input), input, terminal));
  return Promise.resolve(result.fits ? exitCodes.well : exitCodes.finding);
}
