import { modelsMount, type EngineInput } from "./engine";
import { entries, message, pbtxt, type PbMessage } from "./pbtxt";
import type { TritonModel } from "./triton-model";

/** Whether the folder holds an engine that `trtllm-build` made: its config.json says how it was built. */
export function isBuiltEngine({ config }: Pick<TritonModel, "config">): boolean {
  return config !== undefined && Object.hasOwn(config, "build_config");
}

const scalar = (name: string, type: string, optional: boolean): PbMessage =>
  message({ name, data_type: { enum: type }, dims: [1], reshape: message({ shape: undefined }), optional: optional ? true : undefined });

/** `config.pbtxt` of Triton's tensorrtllm backend: tokens in, tokens out, batched in flight. */
export function builtEngineConfig(model: TritonModel, { workload }: EngineInput): string {
  const parameters = {
    gpt_model_type: "inflight_fused_batching",
    gpt_model_path: `${modelsMount}/${model.folder}`,
    batch_scheduler_policy: "guaranteed_no_evict",
    kv_cache_free_gpu_mem_fraction: String(workload.sizing.memoryUtilization),
  };
  return pbtxt(message({
    name: model.name,
    backend: "tensorrtllm",
    max_batch_size: model.mostTogether,
    model_transaction_policy: message({ decoupled: true }),
    dynamic_batching: message({
      preferred_batch_size: [model.mostTogether],
      max_queue_delay_microseconds: model.dynamicBatching?.maxQueueDelayMicroseconds ?? 0,
    }),
    input: [
      message({ name: "input_ids", data_type: { enum: "TYPE_INT32" }, dims: [-1], allow_ragged_batch: true }),
      scalar("input_lengths", "TYPE_INT32", false),
      scalar("request_output_len", "TYPE_INT32", false),
      scalar("end_id", "TYPE_INT32", true),
      scalar("pad_id", "TYPE_INT32", true),
      scalar("temperature", "TYPE_FP32", true),
      scalar("runtime_top_k", "TYPE_INT32", true),
      scalar("runtime_top_p", "TYPE_FP32", true),
      scalar("seed", "TYPE_UINT64", true),
      scalar("streaming", "TYPE_BOOL", true),
    ],
    output: [
      message({ name: "output_ids", data_type: { enum: "TYPE_INT32" }, dims: [-1, -1] }),
      message({ name: "sequence_length", data_type: { enum: "TYPE_INT32" }, dims: [-1] }),
    ],
    // The backend itself takes the GPU that the engine was built for.
    instance_group: [message({ count: 1, kind: { enum: "KIND_CPU" } })],
    parameters: entries(Object.fromEntries(Object.entries(parameters).map(([key, value]) => [key, message({ string_value: value })]))),
  }));
}
