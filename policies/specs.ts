import type { Environment, Server } from "../components/environment/schema";

export type { GpuDriverSpec } from "../components/servers/gpu-driver";
export type { StorageTierSpec } from "../components/servers/storage-tier";

/**
 * What rules read: the plain, secret-free specs that the components pass to Pulumi.
 * Types only, so that the pack loads without any component.
 */
export const SERVER = "rackwright:servers:Server";
export const STORAGE_TIER = "rackwright:servers:StorageTier";
export const GPU_DRIVER = "rackwright:servers:GpuDriver";
export const SITE = "rackwright:site:Site";

export interface ServerSpec extends Server {
  name: string;
}

export interface SiteSpec extends Pick<Environment, "site" | "ssh" | "software" | "cluster" | "servers" | "training"> {
  name: string;
}

/** The remote resources of @pulumi/command, whoever registers them. */
export const REMOTE_COMMANDS = ["command:remote:Command", "command:remote:CopyToRemote"] as const;

interface ConnectionSpec {
  host: string;
  hostKey?: string;
  password?: string;
}

export interface RemoteCommandSpec {
  connection: ConnectionSpec & { proxy?: ConnectionSpec };
}
