export type { MemoryBudget, ServicePlan, Sizing, ThroughputEstimate, TrainingPlan, Workload, WorkloadPlan } from "./plan-types";
export { chooseEngine, modelFolder, planWorkloads } from "./placement";
export { chooseParallel, memoryBudget, modelFromConfig, smallestChanges, weightsBytes, type DeviceShape, type ReplicaRequest } from "./sizing";
