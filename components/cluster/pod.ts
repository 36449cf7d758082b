import type { Environment } from "../environment/schema";
import { dedicatesGpuNodes, gpuTaint } from "./node-taints";
import { workloadUser } from "./names";

/** What the level `restricted` asks of a pod, and that no token of the API server is in it. Spread into a pod's `spec`. */
export function restrictedPod(): Record<string, unknown> {
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: workloadUser,
      runAsGroup: workloadUser,
      fsGroup: workloadUser,
      // A folder of models holds terabytes: its files change owner only where the folder itself has another one.
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}

/** What the level `restricted` asks of a container, with a file system that it cannot write to. Spread into a container. */
export function restrictedContainer(): Record<string, unknown> {
  return { securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true } };
}

export interface WritableDirs {
  volumes: { name: string; emptyDir: { medium?: "Memory"; sizeLimit?: string } }[];
  volumeMounts: { name: string; mountPath: string }[];
}

/**
 * Empty folders on a file system that is read-only otherwise.
 * @param dirs name of the volume to the folder, or to the folder and its bound.
 * @example writableDirs({ tmp: "/tmp", shm: { path: "/dev/shm", memoryGiB: 16 } })
 */
export function writableDirs(dirs: Readonly<Record<string, string | { path: string; memoryGiB: number }>>): WritableDirs {
  const entries = Object.entries(dirs);
  return {
    volumes: entries.map(([name, dir]) => ({ name, emptyDir: typeof dir === "string" ? {} : { medium: "Memory", sizeLimit: `${dir.memoryGiB}Gi` } })),
    volumeMounts: entries.map(([name, dir]) => ({ name, mountPath: typeof dir === "string" ? dir : dir.path })),
  };
}

export interface Toleration {
  key: string;
  operator: "Equal" | "Exists";
  value?: string;
  effect?: string;
}

/** What pods that are planned on these servers must tolerate: the taint of GPU nodes, and what the environment adds. */
export function tolerationsFor(environment: Environment, servers: readonly string[]): Toleration[] {
  const tolerations = new Map<string, Toleration>();
  for (const name of servers) {
    const server = Object.hasOwn(environment.servers, name) ? environment.servers[name] : undefined;
    if (server === undefined) continue;
    const own = server.taints.map(({ key, value, effect }): Toleration => ({ key, operator: "Equal", value: value ?? "", effect }));
    const gpu: Toleration[] = server.gpus !== undefined && dedicatesGpuNodes(environment) ? [{ key: gpuTaint.key, operator: "Exists", effect: gpuTaint.effect }] : [];
    for (const toleration of [...gpu, ...own]) tolerations.set(JSON.stringify(toleration), toleration);
  }
  return [...tolerations.values()];
}

/** Node affinity that leaves the scheduler no other node than these servers'. Spread into a pod's `spec`. */
export function pinnedTo(servers: readonly string[]): { affinity: { nodeAffinity: Record<string, unknown> } } {
  return {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [...servers] }] }],
        },
      },
    },
  };
}
