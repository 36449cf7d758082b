import { image } from "../catalog/images";
import type { Finding } from "../environment/problems";
import type { Environment } from "../environment/schema";
import type { WorkloadPlan } from "../inference/plan-types";
import { gpuResource, gpuRuntimeClass } from "./names";
import { gpuPresentLabel } from "./nodes";
import type { KubernetesObject } from "./object";
import { devicePluginPods } from "./plugin-pods";

export function usesMig({ servers }: Environment): boolean {
  return Object.values(servers).some(({ gpus }) => gpus?.mig !== undefined);
}

/** The plugin's own file format: `Config` of api/config/v1 in its source. */
export function devicePluginConfig(environment: Environment): Record<string, unknown> {
  const { timeSlicing } = environment.cluster;
  return {
    version: "v1",
    flags: { migStrategy: usesMig(environment) ? "mixed" : "none", failOnInitError: true, plugin: { deviceListStrategy: "envvar", deviceIDStrategy: "uuid" } },
    // Two shares may be of one card, so that a pod that asks for two would not get what it means.
    ...(timeSlicing === undefined || timeSlicing < 2 ? {} : { sharing: { timeSlicing: { failRequestsGreaterThanOne: true, resources: [{ name: gpuResource, replicas: timeSlicing }] } } }),
  };
}

/**
 * NVIDIA's device plugin, which offers GPUs and MIG slices to the scheduler. Feature discovery is not installed beside it:
 * by itself it only writes a file, and what it would find out the environment says already (see nodes.ts).
 */
export function devicePluginObjects(environment: Environment): KubernetesObject[] {
  if (!Object.values(environment.servers).some(({ gpus }) => gpus !== undefined)) return [];
  const mig = usesMig(environment);
  return devicePluginPods({
    name: "nvidia-device-plugin",
    image: image("nvidia-device-plugin", environment),
    config: { folder: "/config", file: "config.yaml", content: devicePluginConfig(environment) },
    nodeLabel: gpuPresentLabel,
    container: {
      command: ["nvidia-device-plugin"],
      env: [
        { name: "CONFIG_FILE", value: "/config/config.yaml" },
        { name: "NVIDIA_VISIBLE_DEVICES", value: "all" },
        { name: "NVIDIA_DRIVER_CAPABILITIES", value: "compute,utility" },
        ...(mig ? [{ name: "NVIDIA_MIG_MONITOR_DEVICES", value: "all" }] : []),
      ],
      securityContext: {
        // NVIDIA's chart adds the capability for MIG alone, whose devices are monitored through it.
        ...(mig ? { capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] } } : { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } }),
        readOnlyRootFilesystem: true,
      },
    },
    pod: { runtimeClassName: gpuRuntimeClass, securityContext: { seccompProfile: { type: "RuntimeDefault" } } },
  });
}

/** GPUs that no container could reach. */
export function* toolkitFindings({ software, servers }: Environment): Generator<Finding> {
  if (software.driver.containerToolkit || !Object.values(servers).some(({ gpus }) => gpus !== undefined)) return;
  yield { keys: ["software", "driver", "containerToolkit"], message: "is off, but the cluster's containers reach GPUs through it", value: false, fix: "Leave it out, or write true." };
}

/** A replica on several shares of time-sliced GPUs: the plugin refuses it. */
export function* timeSlicingFindings(environment: Environment, { services, training }: WorkloadPlan): Generator<Finding> {
  const { timeSlicing } = environment.cluster;
  if (timeSlicing === undefined || timeSlicing < 2) return;
  const several = [
    ...Object.values(services).filter(({ workloads }) => workloads.some(({ resource, devicesPerPod }) => resource === gpuResource && devicesPerPod > 1)).map(({ name: service }) => `services.${service}`),
    ...Object.values(training).filter(({ resource, devicesPerPod }) => resource === gpuResource && devicesPerPod > 1).map(({ name: job }) => `training.${job}`),
  ];
  if (several.length === 0) return;
  yield {
    keys: ["cluster", "timeSlicing"],
    message: `cannot be together with workloads on several GPUs (${several.join(", ")}): two shares may be of one card`,
    value: timeSlicing,
    fix: "Leave it out, or give each replica one GPU.",
  };
}
