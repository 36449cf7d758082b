import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { hostCommand, type HostStepArgs } from "../../servers/host-command";

export interface StandbyBalancerSpec {
  server: string;
  virtualAddress: string;
  port: number;
  priority: number;
  /** Names of the services that it passes requests on to. */
  services: string[];
}

/** HAProxy and keepalived on one server: one of those between which the virtual address moves (guide 5.2). */
export class StandbyBalancer extends pulumi.ComponentResource {
  readonly command: remote.Command;

  constructor(name: string, args: HostStepArgs<StandbyBalancerSpec>, options?: pulumi.ComponentResourceOptions) {
    super("rackwright:recovery:StandbyBalancer", name, { ...args.spec }, options);
    this.command = hostCommand(this, args);
    this.registerOutputs({ ...args.spec });
  }
}
