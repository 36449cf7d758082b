import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Environment } from "../environment/schema";
import { hostCommand, type HostStepArgs } from "./host-command";

export type ObjectStoreSpec = { server: string } & NonNullable<Environment["site"]["objectStore"]>;

export interface ObjectStoreArgs extends HostStepArgs<ObjectStoreSpec> {
  accessKeyId?: pulumi.Input<string>;
  secretAccessKey?: pulumi.Input<string>;
}

/** The site's object store as a server's cold tier (guide 2.2). Its keys travel on standard input only. */
export class ObjectStore extends pulumi.ComponentResource {
  readonly command: remote.Command;

  constructor(name: string, args: ObjectStoreArgs, options?: pulumi.ComponentResourceOptions) {
    super("rackwright:servers:ObjectStore", name, { ...args.spec }, options);
    const { accessKeyId, secretAccessKey } = args;
    const stdin = accessKeyId === undefined || secretAccessKey === undefined ? undefined : pulumi.secret(pulumi.interpolate`${accessKeyId}\n${secretAccessKey}\n`);
    this.command = hostCommand(this, args, stdin);
    this.registerOutputs({ ...args.spec });
  }
}
