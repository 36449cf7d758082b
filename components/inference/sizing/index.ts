export { smallestChanges, type Change } from "./changes";
export { budgetBytes, engineMemory, type EngineMemory } from "./engine-memory";
export { keyValueBytesPerGpu, keyValueBytesPerTokenPerGpu, keyValueBytesPerValue } from "./key-value";
export { memoryBudget, utilizationOf, type Parallelism } from "./memory";
export { overheadParts, type OverheadInput, type OverheadParts } from "./overhead";
export { canPipeline, chooseParallel, closestChoice, splitFault, tensorParallelFault, type ReplicaChoice } from "./parallel";
export type { DeviceShape, ReplicaRequest, Split } from "./request";
export { gibibyte, gibText, gigabyte } from "./units";
export { weightFormat, weightsBytes, weightsBytesPerGpu, type WeightFormat } from "./weights";
