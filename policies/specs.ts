import type { Drive, Environment, Gpus, Server, Tier, TierName } from "../components/environment/schema";

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

export interface StorageTierSpec extends Pick<Tier, "level" | "chunkKiB"> {
  server: string;
  tier: TierName;
  drives: ({ id: string } & Drive)[];
}

export interface GpuDriverSpec {
  server: string;
  gpus: Gpus;
  /** `580`. */
  branch: string;
  /** `580.173.02`. */
  version: string;
  /** The fabric manager's version, or false where none is installed. */
  fabricManager: string | false;
  cudaToolkit: Environment["software"]["cudaToolkit"];
  persistenceDaemon: boolean;
  /** Engines of the services that may run on the server. */
  engines: string[];
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
