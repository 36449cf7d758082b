import fc from "fast-check";
import { gpu, gpuCatalog, modelCatalog, type GpuFact, type ModelFact } from "../../../components/catalog";
import { gibibyte, type DeviceShape, type ReplicaRequest } from "../../../components/inference/sizing";

export const anyModel: fc.Arbitrary<ModelFact> = fc.constantFrom(...Object.values<ModelFact>(modelCatalog));

export const anyRequest: fc.Arbitrary<ReplicaRequest> = fc.record({
  model: anyModel,
  precision: fc.constantFrom("fp32" as const, "bf16" as const, "fp8" as const, "int8" as const, "int4" as const),
  keyValuePrecision: fc.constantFrom("auto" as const, "fp8" as const),
  contextTokens: fc.integer({ min: 1, max: 131_072 }),
  concurrency: fc.integer({ min: 1, max: 256 }),
  engine: fc.constantFrom("vllm" as const, "sglang" as const, "tensorrt-llm" as const, "triton" as const, "pytorch" as const, "deepspeed" as const, "colossalai" as const),
});

export function shapeOf(accelerator: string, devicesPerServer: number): DeviceShape {
  const fact = gpu(accelerator) as GpuFact;
  const nvlinkDomain = fact.nvlink.kind === "nvswitch" ? devicesPerServer : fact.nvlink.kind === "bridge" ? Math.min(devicesPerServer, fact.nvlink.mostBridged) : 1;
  return { accelerator, gpu: fact, usableBytes: fact.usableMemoryGiB * gibibyte, devicesPerServer, nvlinkDomain, sharedBy: 1, mostPerReplica: devicesPerServer, pcieGeneration: fact.pcieGeneration };
}

export const anyShape: fc.Arbitrary<DeviceShape> = fc.record({ accelerator: fc.constantFrom(...Object.keys(gpuCatalog)), devices: fc.integer({ min: 1, max: 8 }) }).map(({ accelerator, devices }) => shapeOf(accelerator, devices));
