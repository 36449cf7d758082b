import { cpuCatalog, type CpuFact } from "./cpus";
import { gpuCatalog, type GpuFact } from "./gpus";
import { modelCatalog, type ModelFact } from "./models";

export { cpuCatalog, pcieLanes, type CpuFact, type CpuId } from "./cpus";
export {
  compareVersions, cudaToolkits, driverBranches, driverRunsCuda, firstCudaOfComputeCapability, minimumDriverOfCudaMajor, minimumDriverOfGpu,
  type CudaToolkit, type CudaToolkitId, type DriverBranch, type DriverBranchId,
} from "./drivers";
export { engineRequirements, type EngineId, type EngineRequirement } from "./engines";
export { gpuCatalog, hasComputeCapability, type GpuFact, type GpuId, type MigSupport, type Nvlink } from "./gpus";
export { imageLifecycles, kubernetesReleases, operatingSystems, type ImageLifecycle, type Lifecycle } from "./lifecycle";
export { bytesPerParameter, keyValueBytesPerToken, modelCatalog, weightsGB, type Attention, type ModelFact, type ModelId, type Precision } from "./models";
export { suggest } from "./suggest";
export { versions, type PinnedPackage, type VersionId } from "./versions";

function lookUp<T>(catalog: Readonly<Record<string, T>>, id: string): T | undefined {
  return Object.hasOwn(catalog, id) ? catalog[id] : undefined;
}

/** The GPU with this catalog id; undefined where there is none. */
export function gpu(id: string): GpuFact | undefined {
  return lookUp<GpuFact>(gpuCatalog, id);
}

/** The CPU with this catalog id; undefined where there is none. */
export function cpu(id: string): CpuFact | undefined {
  return lookUp<CpuFact>(cpuCatalog, id);
}

/** The model with this catalog id; undefined where there is none, as for the path of a model folder. */
export function model(id: string): ModelFact | undefined {
  return lookUp<ModelFact>(modelCatalog, id);
}
