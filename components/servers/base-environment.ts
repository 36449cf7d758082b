import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Environment } from "../environment/schema";
import { hostCommand, type HostStepArgs } from "./host-command";
import type { PlannedPackage, SoftwarePlan } from "./software-plan";

export interface BaseEnvironmentSpec extends Pick<SoftwarePlan, "repositories" | "rdma"> {
  server: string;
  os: Environment["software"]["os"];
  cudaToolkit: Environment["software"]["cudaToolkit"];
  packages: PlannedPackage[];
}

/** Package sources, base packages, CUDA paths and RDMA settings of one server (guide 3.1). */
export class BaseEnvironment extends pulumi.ComponentResource {
  readonly command: remote.Command;

  constructor(name: string, args: HostStepArgs<BaseEnvironmentSpec>, options?: pulumi.ComponentResourceOptions) {
    super("rackwright:servers:BaseEnvironment", name, { ...args.spec }, options);
    this.command = hostCommand(this, args);
    this.registerOutputs({ ...args.spec });
  }
}
