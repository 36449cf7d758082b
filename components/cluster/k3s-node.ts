import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { hostCommand, type HostStepArgs } from "../servers/host-command";
import type { K3sPlan } from "../servers/k3s-plan";

export interface K3sNodeSpec extends K3sPlan {
  server: string;
}

export interface K3sNodeArgs extends HostStepArgs<K3sNodeSpec> {
  /** For servers that join. Travels on standard input only. */
  token?: pulumi.Input<string>;
}

/** One server as a node of a k3s cluster. */
export class K3sNode extends pulumi.ComponentResource {
  readonly command: remote.Command;

  constructor(name: string, args: K3sNodeArgs, options?: pulumi.ComponentResourceOptions) {
    super("rackwright:cluster:K3sNode", name, { ...args.spec }, options);
    const { token } = args;
    this.command = hostCommand(this, args, token === undefined ? undefined : pulumi.secret(pulumi.interpolate`${token}\n`));
    this.registerOutputs({ ...args.spec });
  }
}
