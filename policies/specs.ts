import type { Environment, Server } from "../components/environment/schema";

export type { InferenceServiceSpec } from "../components/inference/inference-service";
export type { GpuDriverSpec } from "../components/servers/gpu-driver";
export type { StorageTierSpec } from "../components/servers/storage-tier";

/**
 * What rules read: the plain, secret-free specs that the components pass to Pulumi.
 * Types only of components, so that the pack loads without any.
 */
export const SERVER = "rackwright:servers:Server";
export const STORAGE_TIER = "rackwright:servers:StorageTier";
export const GPU_DRIVER = "rackwright:servers:GpuDriver";
export const INFERENCE_SERVICE = "rackwright:inference:InferenceService";
export const SITE = "rackwright:site:Site";

export interface ServerSpec extends Server {
  name: string;
}

export interface SiteSpec extends Pick<Environment, "site" | "ssh" | "software" | "cluster" | "servers" | "services" | "training" | "monitoring" | "recovery"> {
  name: string;
}

/** The remote resources of @pulumi/command, whoever registers them. */
export const REMOTE_COMMANDS = ["command:remote:Command", "command:remote:CopyToRemote"] as const;

interface ConnectionSpec {
  host: string;
  hostKey?: string;
  password?: string;
}

export interface RemoteCommandSpec {
  connection: ConnectionSpec & { proxy?: ConnectionSpec };
}

/** Kubernetes objects that start pods, whoever registers them. */
export const POD_OWNERS = [
  "kubernetes:apps/v1:Deployment",
  "kubernetes:apps/v1:DaemonSet",
  "kubernetes:apps/v1:StatefulSet",
  "kubernetes:batch/v1:Job",
  "kubernetes:batch/v1:CronJob",
  "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet",
] as const;

export interface ContainerSpec {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value?: string }[];
}

interface PodTemplate {
  spec: { initContainers?: ContainerSpec[]; containers: ContainerSpec[] };
}

export interface PodOwnerSpec {
  spec: {
    template?: PodTemplate;
    jobTemplate?: { spec: { template: PodTemplate } };
    leaderWorkerTemplate?: { leaderTemplate?: PodTemplate; workerTemplate: PodTemplate };
  };
}

/** Every container that an object starts. */
export function containersOf({ spec }: PodOwnerSpec): ContainerSpec[] {
  const { template, jobTemplate, leaderWorkerTemplate } = spec;
  const templates = [template, jobTemplate?.spec.template, leaderWorkerTemplate?.leaderTemplate, leaderWorkerTemplate?.workerTemplate];
  return templates.flatMap((each) => (each === undefined ? [] : [...(each.spec.initContainers ?? []), ...each.spec.containers]));
}
