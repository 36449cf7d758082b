import { model as modelFact, type ModelFact, type Precision } from "../../catalog";
import type { InferenceServiceSpec } from "../../environment/schema";
import { folderOfModel, homeFolder, weightsFolder, type EngineInput } from "./engine";
import { entries, message, pbtxt, type PbMessage } from "./pbtxt";

type DynamicBatching = InferenceServiceSpec["dynamicBatching"];

/** One model of a Triton server. */
export interface TritonModel {
  /** Name in the repository and in requests. */
  name: string;
  /** Folder below the model store. */
  folder: string;
  precision: Precision;
  /** Absent for a model that is known by its folder alone. */
  fact?: ModelFact;
  /** The publisher's config.json. */
  config?: Readonly<Record<string, unknown>>;
  dynamicBatching?: NonNullable<DynamicBatching>;
  mostTogether: number;
}

/** The service's own model under the service's name, and the further ones under theirs. */
export function tritonModels({ service, workload }: EngineInput): TritonModel[] {
  const { spec, model, moreModels = {} } = service;
  const own: TritonModel = {
    name: service.name, folder: weightsFolder(service), precision: spec.precision, fact: model, mostTogether: batchLimit(spec.dynamicBatching, workload.sizing.concurrency),
    ...(spec.modelConfig === undefined ? {} : { config: spec.modelConfig }),
    ...(spec.dynamicBatching === undefined ? {} : { dynamicBatching: spec.dynamicBatching }),
  };
  const others = Object.entries(spec.moreModels).map(([name, entry]): TritonModel => {
    const fact = Object.hasOwn(moreModels, name) ? moreModels[name]?.model : modelFact(entry.model);
    return {
      name, folder: folderOfModel(entry.model), precision: entry.precision, mostTogether: batchLimit(entry.dynamicBatching, workload.sizing.concurrency),
      ...(fact === undefined ? {} : { fact }),
      ...(entry.modelConfig === undefined ? {} : { config: entry.modelConfig }),
      ...(entry.dynamicBatching === undefined ? {} : { dynamicBatching: entry.dynamicBatching }),
    };
  });
  return [own, ...others];
}

/** Triton refuses preferred sizes above the greatest batch. */
function batchLimit(batching: DynamicBatching, concurrency: number): number {
  return Math.max(concurrency, ...(batching?.preferredBatchSizes ?? []));
}

interface Tensor {
  name: string;
  type: "TYPE_FP32" | "TYPE_INT64";
  /** Without the batch; -1 where requests differ. */
  dims: readonly number[];
  /** Sizes between which TensorRT prepares its kernels. */
  smallest: readonly number[];
  largest: readonly number[];
}

interface Shape {
  inputs: readonly Tensor[];
  /** Absent where it depends on how the model was exported: Triton reads it from the file. */
  outputs?: readonly Pick<Tensor, "name" | "type" | "dims">[];
}

function whole(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : undefined;
}

/** Number of classes, as Hugging Face's config.json has it. */
function classes(config: TritonModel["config"]): number | undefined {
  const names = config?.id2label;
  return whole(config?.num_labels) ?? (typeof names === "object" && names !== null ? Object.keys(names).length : undefined);
}

/** Inputs and outputs under the names that the Optimum exporter gives them. Undefined where too little is known of the model. */
function shapeOf({ fact, config }: TritonModel): Shape | undefined {
  if (fact?.task === "image-classification") {
    const side = whole(config?.image_size) ?? 224;
    const image = [whole(config?.num_channels) ?? 3, side, side];
    return {
      inputs: [{ name: "pixel_values", type: "TYPE_FP32", dims: image, smallest: image, largest: image }],
      outputs: [{ name: "logits", type: "TYPE_FP32", dims: [classes(config) ?? fact.vocabularySize] }],
    };
  }
  if (fact?.task === "text-encoder") {
    const text = { type: "TYPE_INT64" as const, dims: [-1], smallest: [1], largest: [fact.contextTokens] };
    const labels = classes(config);
    return {
      inputs: ["input_ids", "attention_mask", "token_type_ids"].map((name) => ({ name, ...text })),
      ...(labels === undefined ? {} : { outputs: [{ name: "logits", type: "TYPE_FP32" as const, dims: [labels] }] }),
    };
  }
  return undefined;
}

const workspaceBytes = 1024 ** 3;
const modes: Partial<Record<Precision, string>> = { fp32: "FP32", fp16: "FP16", int8: "INT8" };

/** Whether TensorRT carries the model out: it has the precision, and the shapes that it must prepare for are known. */
export function usesTensorRt(model: TritonModel, onGpu: boolean): boolean {
  return onGpu && modes[model.precision] !== undefined && shapeOf(model) !== undefined;
}

/** TensorRT where there is a GPU: without bounds it would build anew, for minutes, for every new length of a text. */
function accelerator(model: TritonModel, shape: Shape | undefined, onGpu: boolean): PbMessage | undefined {
  if (!onGpu) return message({ execution_accelerators: message({ cpu_execution_accelerator: [message({ name: "openvino" })] }) });
  const mode = modes[model.precision];
  if (mode === undefined || shape === undefined) return undefined;
  const profile = (batch: number, size: (tensor: Tensor) => readonly number[]): string => shape.inputs.map((tensor) => `${tensor.name}:${[batch, ...size(tensor)].join("x")}`).join(",");
  const parameters = {
    precision_mode: mode,
    max_workspace_size_bytes: String(workspaceBytes),
    trt_engine_cache_enable: "1",
    trt_engine_cache_path: `${homeFolder}/cache/tensorrt`,
    trt_profile_min_shapes: profile(1, (tensor) => tensor.smallest),
    trt_profile_opt_shapes: profile(usualBatch(model), (tensor) => tensor.largest),
    trt_profile_max_shapes: profile(model.mostTogether, (tensor) => tensor.largest),
  };
  return message({ execution_accelerators: message({ gpu_execution_accelerator: [message({ name: "tensorrt", parameters: entries(parameters) })] }) });
}

/** The batch that kernels are tuned for: the largest that the scheduler is told to prefer. */
function usualBatch({ dynamicBatching, mostTogether }: TritonModel): number {
  const preferred = dynamicBatching?.preferredBatchSizes ?? [];
  return preferred.length === 0 ? mostTogether : Math.max(...preferred);
}

function batcher({ dynamicBatching, mostTogether }: TritonModel): PbMessage | undefined {
  if (dynamicBatching === undefined) return mostTogether > 1 ? message({}) : undefined;
  const { preferredBatchSizes, maxQueueDelayMicroseconds } = dynamicBatching;
  return message({
    preferred_batch_size: preferredBatchSizes.length === 0 ? undefined : [...new Set(preferredBatchSizes)].sort((a, b) => a - b),
    max_queue_delay_microseconds: maxQueueDelayMicroseconds,
  });
}

/** Requests of zeros before the server says that it is ready: engines are built and memory is taken by then. */
function warmUps(model: TritonModel, shape: Shape): PbMessage[] {
  const batches = [...new Set([1, ...(model.dynamicBatching?.preferredBatchSizes ?? []), model.mostTogether])].sort((a, b) => a - b);
  return batches.map((batch) =>
    message({
      name: `batch-${batch}`,
      batch_size: batch,
      inputs: entries(Object.fromEntries(shape.inputs.map(({ name, type, largest }) => [name, message({ data_type: { enum: type }, dims: largest, zero_data: true })]))),
    }));
}

/** `config.pbtxt` of a model that ONNX Runtime carries out, from `<folder>/model.onnx`. */
export function onnxConfig(model: TritonModel, gpus: number): string {
  const shape = shapeOf(model);
  const tensor = ({ name, type, dims }: Pick<Tensor, "name" | "type" | "dims">): PbMessage => message({ name, data_type: { enum: type }, dims });
  const group = gpus === 0
    ? message({ count: 1, kind: { enum: "KIND_CPU" } })
    : message({ count: 1, kind: { enum: "KIND_GPU" }, gpus: Array.from({ length: gpus }, (_, index) => index) });
  return pbtxt(message({
    name: model.name,
    backend: "onnxruntime",
    max_batch_size: model.mostTogether,
    default_model_filename: "model.onnx",
    input: shape?.inputs.map(tensor),
    output: shape?.outputs?.map(tensor),
    instance_group: [group],
    dynamic_batching: batcher(model),
    optimization: accelerator(model, shape, gpus > 0),
    model_warmup: shape === undefined ? undefined : warmUps(model, shape),
  }));
}
