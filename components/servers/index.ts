export { BaseEnvironment, type BaseEnvironmentSpec } from "./base-environment";
export type { Credentials } from "./credentials";
export { GpuDriver, type GpuDriverSpec } from "./gpu-driver";
export { ObjectStore, type ObjectStoreSpec } from "./object-store";
export { commandLine, planServer, type Connection, type HostStep, type HostStepKind, type ServerPlan } from "./plan";
export { Server, type ServerArgs } from "./server";
export { StorageTier, type StorageTierSpec } from "./storage-tier";
export type { DriverPlan, PlannedPackage, SoftwarePlan } from "./software-plan";
export type { TierPlan } from "./tiers-plan";
