import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../cluster/cluster";
import type { KubernetesObject } from "../cluster/object";
import { registerObject } from "../cluster/register";
import type { Environment } from "../environment/schema";
import type { ModelStore } from "./model-store";
import type { ServicePlan } from "./plan-types";
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
    const spec = summary(service);
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
function summary({ name, spec, engine, engineReason, workloads }: ServicePlan): Record<string, unknown> {
  return {
    name,
    service: spec,
    engine,
    engineReason,
    workloads: workloads.map(({ name: workload, role, replicas, servers, accelerator, devicesPerPod, sizing }) => ({
      name: workload, role, replicas, servers, accelerator, devicesPerPod, tensorParallel: sizing.tensorParallel, pipelineParallel: sizing.pipelineParallel,
    })),
  };
}
