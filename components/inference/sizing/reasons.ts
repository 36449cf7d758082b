import type { ReplicaChoice } from "./parallel";
import type { DeviceShape, ReplicaRequest } from "./request";
import { gibText } from "./units";

/** From here on the guide asks for tensor and pipeline parallelism together (guide 4.2). */
const guideBothFromBillion = 70;

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

function sizeReason({ split, sizing: { memory } }: ReplicaChoice, request: ReplicaRequest, tooSmall: ReplicaChoice | undefined): string {
  const gpus = split.tensorParallel * split.pipelineParallel;
  if (request.gpus !== undefined || request.tensorParallel !== undefined || request.pipelineParallel !== undefined) return `${plural(gpus, "GPU")} a replica, as stated`;
  if (tooSmall === undefined) return `${plural(gpus, "GPU")}: ${gibText(memory.weightsBytes)} of weights, ${gibText(memory.keyValueBytes)} of cache and ${gibText(memory.overheadBytes)} of overhead fit`;
  const fewer = tooSmall.split.tensorParallel * tooSmall.split.pipelineParallel;
  return `${plural(gpus, "GPU")}: on ${fewer} every GPU would be short of ${gibText(-tooSmall.sizing.memory.marginBytes)}`;
}

function linkReason({ split: { tensorParallel, pipelineParallel, servers } }: ReplicaChoice, shape: DeviceShape): string | undefined {
  if (tensorParallel * pipelineParallel === 1) return undefined;
  if (servers > 1) return `tensor parallel ${tensorParallel} inside each server, ${plural(pipelineParallel, "pipeline stage")} over ${servers} servers: only activations cross the network (facts 7)`;
  if (tensorParallel > shape.nvlinkDomain) {
    const link = shape.nvlinkDomain > 1 ? `NVLink joins ${shape.nvlinkDomain} of these GPUs` : "these GPUs have no NVLink between them";
    return `tensor parallel ${tensorParallel} goes over PCIe ${shape.pcieGeneration}.0, for ${link}: every layer waits for it twice (facts 7)`;
  }
  if (tensorParallel === 1) return `${plural(pipelineParallel, "pipeline stage")}: without NVLink a pipeline passes less between GPUs than tensor parallelism (facts 7)`;
  if (pipelineParallel > 1) return `tensor parallel ${tensorParallel} inside one NVLink domain, ${plural(pipelineParallel, "pipeline stage")} between domains (facts 7)`;
  return `tensor parallel ${tensorParallel} inside one NVLink domain (facts 7)`;
}

function guideReason({ split: { tensorParallel, pipelineParallel } }: ReplicaChoice, { model }: ReplicaRequest): string | undefined {
  if (model.parametersBillion < guideBothFromBillion || tensorParallel * pipelineParallel === 1) return undefined;
  if (tensorParallel > 1 && pipelineParallel > 1) return "70 billion parameters and more: tensor and pipeline parallelism together (guide 4.2)";
  if (pipelineParallel > 1) return undefined;
  return "guide 4.2 pairs tensor with pipeline parallelism from 70 billion parameters; where one NVLink domain holds the model, tensor parallelism alone answers sooner, for no stage waits for another";
}

function headReason({ split: { tensorParallel } }: ReplicaChoice, { model }: ReplicaRequest): string | undefined {
  if (model.attention.kind === "latent" && tensorParallel > 1) return "every GPU holds the whole latent cache: tensor parallelism does not divide it (facts 4)";
  if (model.attention.kind === "no-cache" || tensorParallel <= model.keyValueHeads) return undefined;
  return `${model.keyValueHeads} key-value heads on ${tensorParallel} GPUs are copied: the cache of a token stops shrinking (facts 4)`;
}

function stageReason({ split: { pipelineParallel } }: ReplicaChoice, { model }: ReplicaRequest): string | undefined {
  if (model.layers % pipelineParallel === 0) return undefined;
  return `${model.layers} layers on ${pipelineParallel} stages: the fullest holds ${Math.ceil(model.layers / pipelineParallel)}`;
}

/** 4-bit weights come in groups of this many, and no group is cut (facts 4). */
const quantisationGroup = 128;

function groupReason({ split: { tensorParallel } }: ReplicaChoice, { model, precision }: ReplicaRequest): string | undefined {
  if (precision !== "int4" || (model.feedForwardSize / tensorParallel) % quantisationGroup === 0) return undefined;
  return `a feed-forward share of ${model.feedForwardSize / tensorParallel} is no multiple of the groups of ${quantisationGroup} that 4-bit weights come in: take a checkpoint that its publisher padded`;
}

/** One sentence a choice, for the plan. */
export function splitReasons(request: ReplicaRequest, shape: DeviceShape, choice: ReplicaChoice, tooSmall: ReplicaChoice | undefined): string[] {
  return [
    sizeReason(choice, request, tooSmall), linkReason(choice, shape), guideReason(choice, request), headReason(choice, request), stageReason(choice, request), groupReason(choice, request),
  ].filter((reason) => reason !== undefined);
}
