import { histogram, samplesOf, type Sample } from "./exposition";
import { valueAt, type AllocatorState, type EngineState } from "./state";

const sample = samplesOf("engine");

function vllm(engine: EngineState, now: number): Sample[] {
  const labels = { model_name: engine.model, engine: "0" };
  const answered = valueAt(engine.answered, now);
  return [
    sample("vllm:num_requests_running", labels, engine.running),
    sample("vllm:num_requests_waiting", labels, engine.waiting),
    sample("vllm:kv_cache_usage_perc", labels, engine.cacheUsed),
    sample("vllm:num_preemptions_total", labels, valueAt(engine.preemptions, now)),
    sample("vllm:prompt_tokens_total", labels, valueAt(engine.promptTokens, now)),
    sample("vllm:generation_tokens_total", labels, valueAt(engine.generatedTokens, now)),
    sample("vllm:request_success_total", { ...labels, finished_reason: "stop" }, answered),
    sample("vllm:request_success_total", { ...labels, finished_reason: "error" }, valueAt(engine.failed, now)),
    ...histogram("vllm:time_to_first_token_seconds", labels, answered, engine.firstTokenSeconds),
    ...histogram("vllm:inter_token_latency_seconds", labels, valueAt(engine.generatedTokens, now), engine.betweenTokensSeconds),
    ...histogram("vllm:e2e_request_latency_seconds", labels, answered, engine.answerSeconds),
    ...histogram("vllm:request_queue_time_seconds", labels, answered, engine.queueSeconds),
  ];
}

function sglang(engine: EngineState, now: number): Sample[] {
  const labels = { model_name: engine.model };
  return [
    sample("sglang:num_running_reqs", labels, engine.running),
    sample("sglang:num_queue_reqs", labels, engine.waiting),
    sample("sglang:token_usage", labels, engine.cacheUsed),
    sample("sglang:generation_tokens_total", labels, valueAt(engine.generatedTokens, now)),
  ];
}

function triton(engine: EngineState, now: number): Sample[] {
  const labels = { model: engine.model, version: "1" };
  const answered = valueAt(engine.answered, now);
  return [
    sample("nv_inference_request_success", labels, answered),
    sample("nv_inference_request_failure", { ...labels, reason: "OTHER" }, valueAt(engine.failed, now)),
    sample("nv_inference_pending_request_count", labels, engine.waiting),
    // Requests in flight are seconds of requests a second.
    sample("nv_inference_request_duration_us", labels, answered * engine.answerSeconds * 1e6),
    sample("nv_inference_queue_duration_us", labels, answered * engine.queueSeconds * 1e6),
    sample("nv_inference_count", labels, answered),
    sample("nv_inference_exec_count", labels, answered / 8),
  ];
}

function ours(engine: EngineState, now: number): Sample[] {
  return [
    sample("engine_requests_in_flight", {}, engine.running + engine.waiting),
    sample("engine_requests_total", { outcome: "answered" }, valueAt(engine.answered, now)),
    sample("engine_requests_total", { outcome: "failed" }, valueAt(engine.failed, now)),
    sample("engine_busy_seconds_total", {}, valueAt(engine.answered, now) * engine.answerSeconds),
  ];
}

/** What an inference engine says of itself. TensorRT-LLM says nothing that Prometheus could read (facts 5). */
export function engineSamples(engine: EngineState, now: number): Sample[] {
  switch (engine.engine) {
    case "vllm":
      return vllm(engine, now);
    case "sglang":
      return sglang(engine, now);
    case "triton":
      return triton(engine, now);
    case "tensorrt-llm":
      return [];
    default:
      return ours(engine, now);
  }
}

/** What the exporter in an engine's process says of torch's allocator. */
export function allocatorSamples({ reservedBytes, allocatedBytes, fragmentation, retries, outOfMemory }: AllocatorState, uuid: string, now: number): Sample[] {
  const said = samplesOf("allocator");
  const labels = { process: "1", device: "0", uuid };
  return [
    said("rackwright_torch_reserved_bytes", labels, reservedBytes),
    said("rackwright_torch_allocated_bytes", labels, allocatedBytes),
    said("rackwright_torch_inactive_split_bytes", labels, reservedBytes * fragmentation),
    said("rackwright_torch_allocation_retries_total", labels, valueAt(retries, now)),
    said("rackwright_torch_out_of_memory_total", labels, valueAt(outOfMemory, now)),
  ];
}
