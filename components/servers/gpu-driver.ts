import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Environment, Gpus } from "../environment/schema";
import { hostCommand, type HostStepArgs } from "./host-command";
import type { DriverPlan } from "./software-plan";

export interface GpuDriverSpec extends Omit<DriverPlan, "gpuCount" | "gpuName"> {
  server: string;
  gpus: Gpus;
  cudaToolkit: Environment["software"]["cudaToolkit"];
}

/** The NVIDIA driver of one server: one pinned and held version, open kernel modules (facts 3). */
export class GpuDriver extends pulumi.ComponentResource {
  readonly command: remote.Command;

  constructor(name: string, args: HostStepArgs<GpuDriverSpec>, options?: pulumi.ComponentResourceOptions) {
    super("rackwright:servers:GpuDriver", name, { ...args.spec }, options);
    this.command = hostCommand(this, args);
    this.registerOutputs({ ...args.spec });
  }
}
