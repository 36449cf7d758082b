import type { Environment } from "../components/environment";
import { ApiConflict, type ApiCall } from "../components/recovery/fence/node";
import { k3sKubeconfigFile, reachedFromElsewhere } from "../components/servers/k3s-plan";
import { planServer } from "../components/servers/plan";
import { shellCommand } from "../components/servers/shell";
import { ConnectionError, openConnection } from "../engine/providers/command/ssh";
import { ApiError, explain, Unreachable } from "../engine/providers/kubernetes/api-error";
import { Client } from "../engine/providers/kubernetes/client";
import { Connection } from "../engine/providers/kubernetes/connection";
import { activeContext, BadKubeconfig, readKubeconfig } from "../engine/providers/kubernetes/kubeconfig";
import type { PropertyMap } from "../engine/values";
import { sshSettings } from "./hosts";

const answersWithinSeconds = 10;

export interface ClusterAccessOptions {
  environment: Environment;
  /** Server whose control plane, where it has one, is not asked. */
  without?: string | undefined;
  /** Of the environment, decrypted. */
  secrets: Readonly<Record<string, string>>;
  /** In place of what the environment says. */
  kubeconfigFile?: string | undefined;
}

/**
 * Calls to the environment's API server. It is found at the first call, and looked for again as long as it is not: a cluster
 * that lost a server may be away for a while.
 */
export function clusterAccess(options: ClusterAccessOptions): { call: ApiCall; close: () => void } {
  let client: Client | undefined;
  const call: ApiCall = async <T>(method: "GET" | "PATCH", path: string, body?: unknown, contentType?: string): Promise<T | undefined> => {
    try {
      client ??= await open(options);
      const signal = new AbortController().signal;
      const text = await client.text({ method, path, ...(body === undefined ? {} : { body: body as PropertyMap }), ...(contentType === undefined ? {} : { contentType }), signal, retries: 1 });
      return JSON.parse(text) as T;
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return undefined;
      if (error instanceof ApiError && error.code === 409) throw new ApiConflict(error.message);
      if (error instanceof ApiError || error instanceof Unreachable) throw new Error(sentence(explain(error)));
      if (error instanceof BadKubeconfig) throw new Error(sentence(error.message));
      throw error;
    }
  };
  return { call, close: () => client?.connection.close() };
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

async function open(options: ClusterAccessOptions): Promise<Client> {
  const config = readKubeconfig(...(await kubeconfigOf(options)));
  const active = activeContext(config, {});
  if (active === undefined) throw new BadKubeconfig("the kubeconfig names no current context that it has");
  return new Client(await Connection.open(config, active), answersWithinSeconds);
}

/** The kubeconfig, and what to call it in a message. */
async function kubeconfigOf({ environment, secrets, kubeconfigFile, without }: ClusterAccessOptions): Promise<[string, string]> {
  if (kubeconfigFile !== undefined) return [kubeconfigFile, kubeconfigFile];
  const { distribution, controlPlane } = environment.cluster;
  if (distribution === "existing") {
    const kubeconfig = secrets["rackwright:kubeconfig"];
    if (kubeconfig === undefined) throw new BadKubeconfig("the secret rackwright:kubeconfig is missing");
    return [kubeconfig, "the secret rackwright:kubeconfig"];
  }
  const others = controlPlane.filter((name) => name !== without);
  if (others.length === 0) throw new Unreachable(`${controlPlane.join(", ")} is the only control-plane server: the cluster's API is down with it`);
  const silent: string[] = [];
  for (const server of others) {
    try {
      return [await readFromServer(environment, server, secrets["rackwright:sshPrivateKey"]), `${k3sKubeconfigFile} of ${server}`];
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      silent.push(`${server}: ${error.message}`);
    }
  }
  throw new Unreachable(`no control-plane server answers over SSH (${silent.join("; ")})`);
}

async function readFromServer(environment: Environment, server: string, privateKey: string | undefined): Promise<string> {
  const { connection } = planServer(environment, server);
  const ssh = await openConnection(sshSettings(connection, privateKey), {});
  try {
    const { code, stdout, stderr } = await ssh.exec(shellCommand([...(connection.user === "root" ? [] : ["sudo", "-n"]), "cat", k3sKubeconfigFile]));
    if (code !== 0) throw new Unreachable(`${k3sKubeconfigFile} cannot be read on ${server}: ${stderr.trim().split("\n").at(-1) ?? ""}`);
    // Without an address that is shared, this server's own: the first one's, which all others use, may be down.
    return reachedFromElsewhere(stdout, environment.cluster.apiAddress ?? connection.host);
  } finally {
    ssh.close();
  }
}
