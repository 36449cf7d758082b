import * as pulumi from "@pulumi/pulumi";
import { registerObject } from "../cluster/register";
import type { Cluster } from "../cluster/cluster";
import type { Environment } from "../environment/schema";
import type { TrainingPlan } from "../inference/plan-types";
import { planTrainingJob } from "./plan";

export interface TrainingJobArgs {
  environment: Environment;
  /** Of this job, from the plan of the whole site. */
  job: TrainingPlan;
  cluster: Cluster;
}

/** One training job: its launcher on each of its servers, which start together and go on from their newest common checkpoint. */
export class TrainingJob extends pulumi.ComponentResource {
  constructor(name: string, { environment, job, cluster }: TrainingJobArgs, options?: pulumi.ComponentResourceOptions) {
    const spec = { ...environment.training[job.name], ...job };
    super("rackwright:training:TrainingJob", name, spec, options);
    const common = { parent: this, provider: cluster.provider };
    const made: pulumi.Resource[] = [];
    for (const object of planTrainingJob(environment, job)) made.push(registerObject(object, { ...common, dependsOn: object.kind === "Job" ? [...cluster.ready, ...made] : [...cluster.ready] }));
    this.registerOutputs(spec);
  }
}
