import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { hostCommand, type HostStepArgs } from "./host-command";
import type { MigPlan } from "./mig-plan";

export interface MigLayoutSpec extends MigPlan {
  server: string;
}

/** The GPUs of one server cut into MIG instances, now and after every boot. */
export class MigLayout extends pulumi.ComponentResource {
  readonly command: remote.Command;

  constructor(name: string, args: HostStepArgs<MigLayoutSpec>, options?: pulumi.ComponentResourceOptions) {
    super("rackwright:servers:MigLayout", name, { ...args.spec }, options);
    this.command = hostCommand(this, args);
    this.registerOutputs({ ...args.spec });
  }
}
