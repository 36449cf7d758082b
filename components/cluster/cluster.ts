import * as pulumi from "@pulumi/pulumi";
import type * as Kubernetes from "@pulumi/kubernetes";
import type { Environment } from "../environment/schema";
import type { WorkloadPlan } from "../inference/plan-types";
import type { Credentials, Server } from "../servers";
import { planCluster } from "./plan";
import { registerObject } from "./register";
import { kubernetes } from "./sdk";

export interface ClusterArgs {
  environment: Environment;
  plan: WorkloadPlan;
  credentials: Credentials;
  /** By name. Their steps are done before they join. */
  servers: ReadonlyMap<string, Server>;
}

/** The Kubernetes cluster of a site: servers joined to it, accelerators offered, namespaces closed but for what is stated. */
export class Cluster extends pulumi.ComponentResource {
  /** Of every object that goes to the cluster. */
  readonly provider: Kubernetes.Provider;
  /** What objects in the cluster's namespaces depend on. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, args: ClusterArgs, options?: pulumi.ComponentResourceOptions) {
    const { environment, plan, credentials } = args;
    const spec = { name, ...environment.cluster };
    super("rackwright:cluster:Cluster", name, spec, options);
    this.provider = new (kubernetes().Provider)("cluster", { kubeconfig: credentials.kubeconfig ?? "", enableServerSideApply: true }, { parent: this });
    this.ready = planCluster(environment, plan).objects.map((object) => registerObject(object, { parent: this, provider: this.provider }));
    this.registerOutputs(spec);
  }
}
