import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Drive, TierName } from "../environment/schema";
import { hostCommand, type HostStepArgs } from "./host-command";
import type { TierPlan } from "./tiers-plan";

export interface StorageTierSpec extends Omit<TierPlan, "drives"> {
  server: string;
  tier: TierName;
  drives: ({ id: string } & Drive)[];
}

/** One tier of a server's storage: an array or a drive with XFS, mounted by UUID (guide 2.2). */
export class StorageTier extends pulumi.ComponentResource {
  readonly command: remote.Command;

  constructor(name: string, args: HostStepArgs<StorageTierSpec>, options?: pulumi.ComponentResourceOptions) {
    super("rackwright:servers:StorageTier", name, { ...args.spec }, options);
    this.command = hostCommand(this, args);
    this.registerOutputs({ ...args.spec });
  }
}
