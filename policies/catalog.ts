import { cpu, cudaToolkits, driverBranches, engineRequirements, gpu, type CpuFact, type CudaToolkit, type DriverBranch, type EngineRequirement, type GpuFact } from "../components/catalog";

/** A spec names hardware or software that the catalog does not have, so that a rule cannot judge it. */
export class NotInCatalogError extends Error {
  constructor(kind: string, readonly id: string) {
    super(`the catalog has no ${kind} ${id}`);
  }
}

function found<T>(fact: T | undefined, kind: string, id: string): T {
  if (fact === undefined) throw new NotInCatalogError(kind, id);
  return fact;
}

const entry = <T>(table: Readonly<Record<string, T>>, id: string): T | undefined => (Object.hasOwn(table, id) ? table[id] : undefined);

export const gpuFact = (id: string): GpuFact => found(gpu(id), "GPU", id);
export const cpuFact = (id: string): CpuFact => found(cpu(id), "CPU", id);
export const toolkitFact = (id: string): CudaToolkit => found(entry<CudaToolkit>(cudaToolkits, id), "CUDA toolkit", id);
export const branchFact = (id: string): DriverBranch => found(entry<DriverBranch>(driverBranches, id), "driver branch", id);
export const engineFact = (id: string): EngineRequirement => found(entry<EngineRequirement>(engineRequirements, id), "engine", id);
