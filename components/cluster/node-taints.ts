import type { Environment, Server } from "../environment/schema";

export interface Taint {
  key: string;
  value?: string;
  effect: string;
}

/** NVIDIA's own convention: its plugins and operator tolerate it. */
export const gpuTaint = { key: "nvidia.com/gpu", value: "present", effect: "NoSchedule" } as const;

/**
 * Whether nodes with GPUs are kept free of pods that use none. Only where the cluster has a node without GPUs and without
 * taints of its own: the cluster's DNS and other parts tolerate nothing and must run somewhere.
 */
export function dedicatesGpuNodes(environment: Environment): boolean {
  return Object.values(environment.servers).some(({ gpus, taints }) => gpus === undefined && !taints.some(({ effect }) => effect !== "PreferNoSchedule"));
}

/** All taints of a server's node. */
export function taintsOf(environment: Environment, server: Server): Taint[] {
  const own = server.taints.map(({ key, value, effect }): Taint => ({ key, ...(value === undefined ? {} : { value }), effect }));
  return server.gpus !== undefined && dedicatesGpuNodes(environment) ? [{ ...gpuTaint }, ...own] : own;
}
