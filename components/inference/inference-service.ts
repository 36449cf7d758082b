import * as pulumi from "@pulumi/pulumi";
import { nodeCapacity } from "../cluster/capacity";
import type { Cluster } from "../cluster/cluster";
import type { KubernetesObject } from "../cluster/object";
import { registerObject } from "../cluster/register";
import type { Environment, InferenceServiceSpec as StatedService } from "../environment/schema";
import type { ModelStore } from "./model-store";
import type { MemoryBudget, ServicePlan, Workload } from "./plan-types";
import { planInferenceService } from "./service-plan";

export interface InferenceServiceArgs {
  environment: Environment;
  service: ServicePlan;
  cluster: Pick<Cluster, "provider" | "ready">;
  modelStore: Pick<ModelStore, "readyOn">;
}

/** A model that answers requests: its workloads, its address in the cluster, and what may reach it. */
export class InferenceService extends pulumi.ComponentResource {
  constructor(name: string, args: InferenceServiceArgs, options?: pulumi.ComponentResourceOptions) {
    const { environment, service, cluster, modelStore } = args;
    const spec = summary(environment, service);
    super("rackwright:inference:InferenceService", name, spec, options);
    const objects = planInferenceService(environment, service);
    const register = (object: KubernetesObject, dependsOn: pulumi.Resource[]): pulumi.Resource => registerObject(object, { parent: this, provider: cluster.provider, dependsOn });

    const made = objects.filter((object) => !runsPods(object)).map((object) => register(object, cluster.ready));
    const servers = [...new Set(service.workloads.flatMap((workload) => workload.servers))];
    for (const object of objects.filter(runsPods)) {
      const own = service.workloads.find(({ name: workload }) => workload === object.metadata.name)?.servers ?? servers;
      register(object, [...cluster.ready, ...made, ...own.flatMap((server) => modelStore.readyOn(service.name, server))]);
    }
    this.registerOutputs(spec);
  }
}

/** What starts pods waits for the weights; the rest, a Service or a policy, does not. */
function runsPods({ kind }: KubernetesObject): boolean {
  return kind === "Deployment" || kind === "LeaderWorkerSet" || kind === "StatefulSet";
}

/** What policies and reports read: plain, and without secrets. */
export interface InferenceServiceSpec {
  name: string;
  /** As the environment states it. */
  service: StatedService;
  model: { name: string; parametersBillion: number; attentionHeads: number; keyValueHeads: number; /** One latent head, which is not divided. */ latentCache: boolean };
  engine: string;
  engineReason: string;
  workloads: {
    name: string;
    role: Workload["role"];
    replicas: number;
    servers: string[];
    accelerator: string;
    devicesPerPod: number;
    tensorParallel: number;
    pipelineParallel: number;
    /** GPUs of its first server that NVLink joins; 1 where it joins none. */
    nvlinkDomain: number;
    memory: MemoryBudget;
  }[];
}

function summary(environment: Environment, { name, spec, model, engine, engineReason, workloads }: ServicePlan): InferenceServiceSpec & Record<string, unknown> {
  const { parametersBillion, attentionHeads, keyValueHeads, attention } = model;
  return {
    name,
    service: spec,
    model: { name: model.name, parametersBillion, attentionHeads, keyValueHeads, latentCache: attention.kind === "latent" },
    engine,
    engineReason,
    workloads: workloads.map((workload) => {
      const { role, replicas, servers, accelerator, devicesPerPod, sizing } = workload;
      const { tensorParallel, pipelineParallel, memory } = sizing;
      return { name: workload.name, role, replicas, servers, accelerator, devicesPerPod, tensorParallel, pipelineParallel, nvlinkDomain: nvlinkDomain(environment, workload), memory };
    }),
  };
}

function nvlinkDomain(environment: Environment, { servers: [first = ""], resource }: Workload): number {
  const server = environment.servers[first];
  return server === undefined ? 1 : (nodeCapacity(server, environment).devices.find((device) => device.resource === resource)?.nvlinkDomain ?? 1);
}
