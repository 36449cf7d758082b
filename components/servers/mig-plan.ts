import { gpu } from "../catalog";
import { migSlices } from "../cluster/capacity";
import type { Environment, Server } from "../environment/schema";

/** Slices of one MIG profile on each GPU of a server, made on the host. */
export interface MigPlan {
  profile: string;
  gpuCount: number;
  instancesPerGpu: number;
}

/** What is partitioned on the host: nothing where the GPU Operator's MIG manager does it, or where the GPU has no MIG. */
export function planMig({ cluster }: Environment, { gpus }: Server): MigPlan | undefined {
  if (gpus?.mig === undefined || (cluster.distribution !== "none" && cluster.gpuStack === "gpu-operator")) return undefined;
  const fact = gpu(gpus.model);
  const instancesPerGpu = fact === undefined ? 0 : migSlices(fact, gpus.mig);
  return instancesPerGpu === 0 ? undefined : { profile: gpus.mig, gpuCount: gpus.count, instancesPerGpu };
}
