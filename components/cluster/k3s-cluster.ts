import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { remoteConnection, type Credentials } from "../servers/credentials";
import { apiAddressOf, k3sKubeconfigFile, reachedFromElsewhere } from "../servers/k3s-plan";
import { shellCommand } from "../servers/shell";
import type { Environment } from "../environment/schema";
import type { Server } from "../servers";
import { K3sNode } from "./k3s-node";

export interface K3sClusterArgs {
  environment: Environment;
  credentials: Credentials;
  servers: ReadonlyMap<string, Server>;
}

/** What a k3s cluster gives once its servers have joined. */
export interface K3sCluster {
  kubeconfig: pulumi.Output<string>;
  /** The last command on each server: the node is there when it is done. */
  joined: Map<string, remote.Command>;
}

const tokenFile = "/var/lib/rancher/k3s/server/node-token";

/**
 * Installs k3s on all servers: the first makes the cluster and the token; the rest of the control plane joins one by one,
 * for etcd takes one new member at a time and an upgrade stops one at a time; then all agents.
 */
export function k3sCluster(parent: pulumi.ComponentResource, { environment, credentials, servers }: K3sClusterArgs): K3sCluster {
  const { controlPlane } = environment.cluster;
  const [firstName = ""] = controlPlane;
  const first = servers.get(firstName);
  const address = apiAddressOf(environment);
  if (first === undefined || address === undefined) throw new Error(`the control plane's first server ${JSON.stringify(firstName)} is not there`);
  const joined = new Map<string, remote.Command>();
  const join = (name: string, token?: pulumi.Input<string>): void => {
    const server = servers.get(name);
    const k3s = server?.plan.k3s;
    if (server === undefined || k3s === undefined) return;
    for (const step of server.plan.clusterSteps) {
      const before = k3s.after === undefined ? undefined : joined.get(k3s.after);
      const node = new K3sNode(step.name, {
        spec: { ...k3s, server: name },
        step,
        user: server.plan.connection.user,
        connection: remoteConnection(server.plan.connection, credentials),
        dependsOn: [...server.commands, ...(before === undefined ? [] : [before])],
        ...(token === undefined ? {} : { token }),
      }, { parent });
      joined.set(name, node.command);
    }
  };
  const read = (name: string, file: string, dependsOn: pulumi.Resource[]): pulumi.Output<string> => {
    const { connection } = first.plan;
    const create = shellCommand([...(connection.user === "root" ? [] : ["sudo", "-n"]), "cat", file]);
    // Read again after an upgrade, which may have made new certificates. Its output is never logged.
    const triggers = [first.plan.k3s?.version ?? ""];
    const command = new remote.Command(name, { connection: remoteConnection(connection, credentials), create, triggers, addPreviousOutputInEnv: false, logging: remote.Logging.None }, { parent, dependsOn, additionalSecretOutputs: ["stdout"] });
    return pulumi.secret(command.stdout);
  };

  join(firstName);
  const made = [...joined.values()];
  const others = [...controlPlane.slice(1), ...[...servers.keys()].filter((name) => !controlPlane.includes(name))];
  if (others.length > 0) {
    const token = read(`${firstName}-k3s-token`, tokenFile, made).apply((text) => text.trim());
    for (const name of others) join(name, token);
  }
  const kubeconfig = read(`${firstName}-kubeconfig`, k3sKubeconfigFile, made);
  return { kubeconfig: kubeconfig.apply((text) => reachedFromElsewhere(text, address)), joined };
}
