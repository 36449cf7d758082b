import type { Environment } from "../environment/schema";
import { gpuRuntimeClass, priorityClasses } from "./names";
import type { KubernetesObject } from "./object";

/** Interactive requests push batch work aside; batch work waits its turn and pushes nothing. */
export function priorityObjects(): KubernetesObject[] {
  const priority = (name: string, value: number, preemptionPolicy: string, description: string): KubernetesObject => ({
    apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name }, value, preemptionPolicy, globalDefault: false, description,
  });
  return [
    priority(priorityClasses.interactive, 1_000_000, "PreemptLowerPriority", "Inference that somebody waits for. Takes accelerators from batch work."),
    priority(priorityClasses.batch, 1_000, "Never", "Batch inference and training. Waits for accelerators to be free."),
  ];
}

/** The runtime that brings GPUs into containers, where a server has NVIDIA GPUs: `nvidia` to k3s and to the container toolkit. */
export function runtimeClassObjects({ servers }: Environment): KubernetesObject[] {
  if (!Object.values(servers).some(({ gpus }) => gpus !== undefined)) return [];
  return [{ apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name: gpuRuntimeClass }, handler: "nvidia" }];
}
