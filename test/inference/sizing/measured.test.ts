import { describe, expect, it } from "vitest";
import { gpuCatalog, modelCatalog } from "../../../components/catalog";
import { keyValueBytesPerTokenPerGpu } from "../../../components/inference/sizing/key-value";
import { overheadParts } from "../../../components/inference/sizing/overhead";
import { weightsBytes } from "../../../components/inference/sizing/weights";

/** What `python3 bench/gpu-memory.py` printed on an H200 (driver 580.159.04, PyTorch 2.11.0, transformers 5.17.0): 8192 tokens in bf16. */
const usableBytes = 150_109_880_320;
const outsideOfPyTorchBytes = 728_760_320;
const measured = [
  { model: "llama-3.1-8b", weights: 16_060_524_032, keyValuePerToken: 131_072, activations: 974_209_024 },
  { model: "qwen2.5-7b", weights: 15_276_322_816, keyValuePerToken: 57_408, activations: 1_167_147_008 },
  { model: "qwen2.5-32b", weights: 65_529_850_880, keyValuePerToken: 262_144, activations: 1_695_629_312 },
] as const;

const percent = (planned: number, seen: number): number => (100 * (planned - seen)) / seen;

describe("what models take of a real H200", () => {
  it("has the memory that the catalog says, and less than 1 % more", () => {
    const planned = gpuCatalog["h200-sxm"].usableMemoryGiB * 1024 ** 3;
    expect(percent(planned, usableBytes)).toBeLessThanOrEqual(0);
    expect(percent(planned, usableBytes)).toBeGreaterThan(-1);
  });

  it.each(measured)("is planned for $model: weights and cache within 0.3 %, activations up to 12 % above", ({ model: id, weights, keyValuePerToken, activations }) => {
    const model = modelCatalog[id];
    expect(Math.abs(percent(weightsBytes(model, "bf16"), weights))).toBeLessThan(0.3);
    expect(Math.abs(percent(keyValueBytesPerTokenPerGpu(model, 2, 1, 1), keyValuePerToken))).toBeLessThan(0.3);
    const parts = overheadParts({ model, engine: "pytorch", precision: "bf16", tensorParallel: 1, pipelineParallel: 1, concurrency: 1, batchedTokens: 8192 });
    expect(percent(parts.activationBytes, activations)).toBeGreaterThanOrEqual(0);
    expect(percent(parts.activationBytes, activations)).toBeLessThan(12);
    expect(Math.abs(percent(parts.activationBytes + parts.runtimeBytes, activations + outsideOfPyTorchBytes))).toBeLessThan(7);
  });
});
