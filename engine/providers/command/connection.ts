/** One end of an SSH connection, in the words of `@pulumi/command`'s `connection` property. */
export interface SshEndpoint {
  host: string;
  /** @default 22 */
  port?: number;
  /** @default "root" */
  user?: string;
  password?: string;
  /** PEM or OpenSSH text of a private key. Tried before the password. */
  privateKey?: string;
  privateKeyPassword?: string;
  /** @default the environment variable SSH_AUTH_SOCK */
  agentSocketPath?: string;
  /**
   * Failed dials that are forgiven; -1 forgives any number.
   * @default 10
   */
  dialErrorLimit?: number;
  /**
   * Seconds for one dial, from the first packet to a completed login; 0 is no limit.
   * @default 15
   */
  perDialTimeout?: number;
  /** The host's public key as an authorized-keys line. Where it is absent the host is not checked, as with Pulumi's own provider. */
  hostKey?: string;
}

export interface SshConnectionSettings extends SshEndpoint {
  /** The bastion through which `host` is reached. */
  proxy?: SshEndpoint;
}

export const CONNECTION_DEFAULTS = { port: 22, user: "root", dialErrorLimit: 10, perDialTimeout: 15 } as const;

export function portOf(endpoint: SshEndpoint): number {
  return endpoint.port ?? CONNECTION_DEFAULTS.port;
}

/** `host:port`, with brackets around an IPv6 address. */
export function addressOf(endpoint: SshEndpoint): string {
  const host = endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host;
  return `${host}:${String(portOf(endpoint))}`;
}
