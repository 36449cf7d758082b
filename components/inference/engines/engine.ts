import type { ImageId } from "../../catalog/images";
import { inferenceApiKeySecret } from "../../cluster/names";
import type { Environment } from "../../environment/schema";
import type { ServicePlan, Workload } from "../plan-types";

/** Place of a pod in a replica that spans servers. Values may be references such as `$(LWS_WORKER_INDEX)`. */
export interface Member {
  leads: boolean;
  /** Server that the pod runs on and whose model folder it reads. */
  server: string;
  /** Rank among the replica's pods; the leader's is 0. */
  rank: string;
  /** Host name or address of the leader's pod. */
  leaderAddress: string;
  /** Pods of the replica. */
  pods: number;
  /** native: the engine's own processes find each other. ray: a Ray cluster that runs already starts them. */
  through: "native" | "ray";
}

export interface EngineInput {
  environment: Environment;
  service: ServicePlan;
  workload: Workload;
  /** @default - the replica is one pod */
  member?: Member;
}

export interface EnvironmentVariable {
  name: string;
  value?: string;
  valueFrom?: Record<string, unknown>;
}

/** A file that the engine reads, from a ConfigMap. */
export interface MountedFile {
  /** Where the container finds it. */
  path: string;
  content: string;
}

/** A folder of the model store at another place than below `/models`. */
export interface MountedFolder {
  path: string;
  /** Below the model folder of the server's hot tier. */
  folder: string;
}

/** What an engine runs for one pod: plain data, without what all pods have in common. */
export interface EngineProgram {
  image: ImageId;
  command: string[];
  args: string[];
  env: EnvironmentVariable[];
  files: MountedFile[];
  folders: MountedFolder[];
  /** Name to number. `http` answers requests and probes; `metrics` is there where metrics have a port of their own. */
  ports: Readonly<Record<string, number>>;
  health: { ready: string; alive: string };
  /** Path of Prometheus metrics; absent where the engine has none. */
  metricsPath?: string;
  /** Paths that clients outside the cluster may reach: all else is without a key or for operators. */
  publicPaths: string[];
  /** From the process's start to its first answer, without reading weights: compilation, graphs, warm-up. */
  preparationSeconds: number;
  /** Time that requests in flight are given when the pod ends. */
  drainSeconds: number;
  /** What was chosen that the environment does not say, and what of it the engine does otherwise. */
  notes: string[];
}

export type Engine = (input: EngineInput) => EngineProgram;

/** Where engines answer. One number for all, so that policies and gateways need not know the engine. */
export const apiPort = 8000;

/** Of metrics, where an engine keeps them apart from requests. */
export const metricsPort = 8002;

/** Mount of the server's model folder, and the only folder besides that an engine may write to. */
export const modelsMount = "/models";
export const homeFolder = "/home/engine";

/** An environment variable with the key that clients send: a reference, never the key. */
export function apiKeyVariable(name: string): EnvironmentVariable {
  return { name, valueFrom: { secretKeyRef: { ...inferenceApiKeySecret } } };
}

/** Folder of a service's weights below the model store and below the hot tier's model folder. */
export function weightsFolder({ spec }: Pick<ServicePlan, "spec">): string {
  return spec.weights.folder ?? folderOfModel(spec.model);
}

/** `./own/model` and `/own/model` are folders of the store; a catalog id is one as well. */
export function folderOfModel(model: string): string {
  return model.replace(/^\.?\/+/, "").replace(/\/+$/, "");
}

/** What the engine is given as its model: a folder, or a name at the publisher's where the environment allows that. */
export function modelArgument(service: ServicePlan): string {
  return service.spec.weights.from === "hub" ? weightsFolder(service) : `${modelsMount}/${weightsFolder(service)}`;
}

export function runsOnCpu({ accelerator }: Workload): boolean {
  return accelerator === "cpu";
}

/** An NPU is named by its Kubernetes resource, which has a slash. */
export function runsOnNpu({ accelerator }: Workload): boolean {
  return accelerator.includes("/");
}
