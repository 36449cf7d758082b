import type { Input } from "@pulumi/pulumi";
import type { types } from "@pulumi/command";
import type { Connection } from "./plan";

/** The secrets that reach servers and the cluster: never part of a spec, of a plan or of a log. */
export interface Credentials {
  /** @default - the SSH agent at SSH_AUTH_SOCK */
  sshPrivateKey?: Input<string>;
  /** Needed where the environment has an object store. */
  objectStoreAccessKeyId?: Input<string>;
  objectStoreSecretAccessKey?: Input<string>;
  /** Access to a cluster that exists already; k3s makes its own. */
  kubeconfig?: Input<string>;
  /** Key that clients of inference services send. Needed where there are services. */
  inferenceApiKey?: Input<string>;
  /** Of Grafana's account `admin`, set when it first starts. */
  grafanaAdminPassword?: Input<string>;
  /** Needed where alerts go out by a mail server that asks for a login. */
  smtpPassword?: Input<string>;
  /** Of the repositories that backups are in. Needed where there are backups; without it none can be read again. */
  backupPassword?: Input<string>;
  /** Address that alerts are posted to, where a receiver is a chat: whoever has it can post there. */
  alertChatUrl?: Input<string>;
}

/** Connection of `@pulumi/command`: host keys are always given, for without one the provider accepts any. */
export function remoteConnection(connection: Connection, credentials: Credentials): types.input.remote.ConnectionArgs {
  const { sshPrivateKey } = credentials;
  const authentication = { perDialTimeout: connection.dialTimeoutSeconds, ...(sshPrivateKey === undefined ? {} : { privateKey: sshPrivateKey }) };
  const { host, port, user, hostKey, bastion } = connection;
  return {
    host, port, user, hostKey, ...authentication,
    ...(bastion === undefined ? {} : { proxy: { host: bastion.host, port: bastion.port, user: bastion.user, hostKey: bastion.hostKey, ...authentication } }),
  };
}
