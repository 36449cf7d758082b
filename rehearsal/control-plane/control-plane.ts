import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { pause, RehearsalError } from "../process";
import { Egress } from "./egress";
import { nodeObject, type NodeShape } from "./node-object";
import { Part } from "./part";
import { controlPlaneModules, programs, type ProgramOptions } from "./programs";

export interface ControlPlaneOptions extends ProgramOptions {
  /** Folder for a folder of its own, which is gone when the control plane is. */
  workDir: string;
  /** How soon a dead node is noticed and left. @default Kubernetes' own: 50 s, 5 s, 300 s */
  grace?: { nodeMonitorGraceSeconds: number; nodeMonitorPeriodSeconds: number; tolerationSeconds: number };
  /** @default "10.43.0.0/16", k3s's own */
  serviceCidr?: string;
}

/** A real API server, controller manager and scheduler on loopback, with nodes whose kubelets are faked. */
export interface ControlPlane {
  readonly url: string;
  /** Of an administrator. Text. */
  readonly kubeconfig: string;
  /** The same as a file, for kubectl. Gone after {@link stop}. */
  readonly kubeconfigFile: string;
  /** Adds nodes and waits until they are Ready. Each is kept alive by one process of its own. */
  addNode: (...shapes: NodeShape[]) => Promise<void>;
  /** A node's crash: its heartbeats end at once and nothing is said to anybody. */
  killNode: (name: string) => Promise<void>;
  /** The crashed node boots again: its heartbeats go on. Waits until it is Ready. */
  reviveNode: (name: string) => Promise<void>;
  /** Starts one more process that ends with the control plane. */
  start: (name: string, command: string, args: readonly string[], env?: Readonly<Record<string, string>>) => void;
  /** Leads the API server to a port of this machine when it calls a host such as `10.43.0.7:443` in its cluster. */
  route: (host: string, port: number) => void;
  /** Memory of all processes, in MiB. */
  memoryMiB: () => number;
  /** One call to the API server as administrator. @throws Error with the server's answer unless it is a 2xx; 404 is undefined. */
  call: <T = unknown>(method: string, path: string, body?: unknown, contentType?: string) => Promise<T | undefined>;
  stop: () => Promise<void>;
}

const readyWithinSeconds = 60;

/**
 * Starts a control plane; 3 to 4 s once its programs are built. Nothing but loopback is listened on.
 * @throws RehearsalError with the end of the log of the part that did not come up.
 * @example const plane = await startControlPlane({ workDir: ".rackwright" }); await plane.addNode(nodeShape(environment, "gpu-node-1"));
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { signal } = options;
  const program = await programs(controlPlaneModules, options);
  mkdirSync(options.workDir, { recursive: true });
  const folder = mkdtempSync(join(resolve(options.workDir), "control-plane-"));
  const parts: Part[] = [];
  const start = (name: string, command: string, args: readonly string[], env?: Readonly<Record<string, string>>): Part => {
    const part = new Part(name, command, args, folder, env);
    parts.push(part);
    return part;
  };
  const egress = await Egress.listen();
  const stop = async (): Promise<void> => {
    egress.close();
    // The store last: the others would wait for it.
    for (const part of parts.splice(0).reverse()) await part.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  const stopAtExit = (): void => {
    egress.close();
    for (const part of parts) part.killNow();
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", stopAtExit);
  try {
    const [etcdPort = 0, peerPort = 0, apiPort = 0, managerPort = 0, schedulerPort = 0] = await freePorts(5);
    const file = (name: string): string => join(folder, name);
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256", privateKeyEncoding: { type: "sec1", format: "pem" }, publicKeyEncoding: { type: "spki", format: "pem" } });
    writeFileSync(file("service-accounts.key"), privateKey, { mode: 0o600 });
    const token = randomBytes(24).toString("hex");
    writeFileSync(file("tokens.csv"), `${token},rehearsal,rehearsal,system:masters\n`, { mode: 0o600 });

    const cluster = { name: "cluster", connection: { proxyProtocol: "HTTPConnect", transport: { uds: { udsName: egress.socket } } } };
    writeFileSync(file("egress.json"), JSON.stringify({ apiVersion: "apiserver.k8s.io/v1beta1", kind: "EgressSelectorConfiguration", egressSelections: [cluster] }));

    const store = `http://127.0.0.1:${etcdPort}`;
    const peer = `http://127.0.0.1:${peerPort}`;
    const etcd = start("etcd", program.etcd, [
      "--name=rehearsal", `--data-dir=${file("etcd")}`, `--listen-client-urls=${store}`, `--advertise-client-urls=${store}`,
      `--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=rehearsal=${peer}`, "--unsafe-no-fsync", "--log-level=warn",
    ]);
    const api = start("kube-apiserver", program["kube-apiserver"], [
      `--etcd-servers=${store}`, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", `--secure-port=${apiPort}`, `--cert-dir=${file("certificates")}`,
      `--token-auth-file=${file("tokens.csv")}`, "--authorization-mode=Node,RBAC", "--anonymous-auth=false", "--allow-privileged=true",
      `--service-account-key-file=${file("service-accounts.key")}`, `--service-account-signing-key-file=${file("service-accounts.key")}`, "--service-account-issuer=https://kubernetes.default.svc",
      // The address of the API server inside the cluster would have to be one that pods can reach.
      "--endpoint-reconciler-type=none", `--service-cluster-ip-range=${options.serviceCidr ?? "10.43.0.0/16"}`, "--enable-admission-plugins=PodSecurity", "--profiling=false",
      `--egress-selector-config-file=${file("egress.json")}`, ...tolerations(options.grace),
    ]);

    const url = `https://127.0.0.1:${apiPort}`;
    const authority = await waitForAuthority(file("certificates/apiserver.crt"), [etcd, api], signal);
    const kubeconfig = kubeconfigOf({ url, authority, token });
    const kubeconfigFile = file("kubeconfig");
    writeFileSync(kubeconfigFile, kubeconfig, { mode: 0o600 });
    const client = new Client(url, authority, token);

    const controllers = [
      start("kube-controller-manager", program["kube-controller-manager"], [
        `--kubeconfig=${kubeconfigFile}`, "--bind-address=127.0.0.1", `--secure-port=${managerPort}`, `--cert-dir=${file("certificates-manager")}`, "--leader-elect=false", "--profiling=false",
        `--service-account-private-key-file=${file("service-accounts.key")}`, ...monitoring(options.grace),
        // A claim that is there before its volume is looked at again after this time: fifteen seconds, if nothing is said.
        "--pvclaimbinder-sync-period=1s",
      ]),
      start("kube-scheduler", program["kube-scheduler"], [`--kubeconfig=${kubeconfigFile}`, "--bind-address=127.0.0.1", `--secure-port=${schedulerPort}`, `--cert-dir=${file("certificates-scheduler")}`, "--leader-elect=false", "--profiling=false"]),
    ];
    await waitUntil(async () => (await client.call("GET", "/readyz")) !== undefined, { what: "The API server is not ready", parts: [etcd, api, ...controllers], signal });
    // Pods cannot be made before this account is there.
    await waitUntil(async () => (await client.call("GET", "/api/v1/namespaces/default/serviceaccounts/default")) !== undefined, { what: "The controller manager does nothing", parts: [etcd, api, ...controllers], signal });

    const nodes = new Map<string, Part>();
    const shapes = new Map<string, { address: string; network: string }>();
    const startKubelet = (name: string): void => {
      const { address, network } = shapes.get(name) ?? { address: "127.0.0.1", network: podNetwork(0) };
      nodes.set(name, start(`kwok-${name}`, program.kwok, [`--kubeconfig=${kubeconfigFile}`, `--config=${file("kwok.yaml")}`, `--manage-single-node=${name}`, "--node-lease-duration-seconds=4", `--cidr=${network}`, `--node-ip=${address}`]));
    };
    const ready = async (name: string): Promise<void> => {
      const part = nodes.get(name);
      await waitUntil(async () => isReady(await client.call<NodeStatus>("GET", `/api/v1/nodes/${name}`)), { what: `The node ${name} does not become Ready`, parts: part === undefined ? [] : [part], signal });
    };
    writeFileSync(file("kwok.yaml"), "");
    return {
      url,
      kubeconfig,
      kubeconfigFile,
      addNode: async (...added) => {
        for (const shape of added) {
          await client.call("POST", "/api/v1/nodes?fieldValidation=Strict", nodeObject(shape));
          shapes.set(shape.name, { address: shape.address ?? "127.0.0.1", network: podNetwork(shapes.size) });
          startKubelet(shape.name);
        }
        for (const { name } of added) await ready(name);
      },
      reviveNode: async (name) => {
        if (nodes.has(name) || !shapes.has(name)) throw new RehearsalError(`The control plane has no crashed node ${name}.`);
        startKubelet(name);
        await ready(name);
      },
      killNode: async (name) => {
        const part = nodes.get(name);
        if (part === undefined) throw new RehearsalError(`The control plane has no node ${name}.`);
        nodes.delete(name);
        await part.kill();
      },
      start: (name, command, args, env) => void start(name, command, args, env),
      route: (host, port) => egress.route(host, port),
      memoryMiB: () => Math.round(parts.reduce((sum, part) => sum + part.residentKiB(), 0) / 1024),
      call: (method, path, body, contentType) => client.call(method, path, body, contentType),
      stop: async () => {
        process.off("exit", stopAtExit);
        client.close();
        await stop();
      },
    };
  } catch (error) {
    process.off("exit", stopAtExit);
    await stop();
    throw error;
  }
}

interface NodeStatus {
  spec?: { taints?: { key: string }[] };
  status?: { conditions?: { type: string; status: string }[] };
}

/** Ready, and no longer tainted for having been otherwise. */
function isReady(node: NodeStatus | undefined): boolean {
  if (node?.spec?.taints?.some(({ key }) => key.startsWith("node.kubernetes.io/")) === true) return false;
  return node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

/** Addresses of one node's pods: no two nodes have the same, as with any network of a cluster. */
function podNetwork(node: number): string {
  return `10.42.${node % 256}.1/24`;
}

function tolerations(grace: ControlPlaneOptions["grace"]): string[] {
  return grace === undefined ? [] : [`--default-not-ready-toleration-seconds=${grace.tolerationSeconds}`, `--default-unreachable-toleration-seconds=${grace.tolerationSeconds}`];
}

function monitoring(grace: ControlPlaneOptions["grace"]): string[] {
  return grace === undefined ? [] : [`--node-monitor-grace-period=${grace.nodeMonitorGraceSeconds}s`, `--node-monitor-period=${grace.nodeMonitorPeriodSeconds}s`];
}

function kubeconfigOf({ url, authority, token }: { url: string; authority: string; token: string }): string {
  return `${JSON.stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "rehearsal", cluster: { server: url, "certificate-authority-data": Buffer.from(authority).toString("base64") } }],
      users: [{ name: "rehearsal", user: { token } }],
      contexts: [{ name: "rehearsal", context: { cluster: "rehearsal", user: "rehearsal" } }],
      "current-context": "rehearsal",
    },
    null,
    2,
  )}\n`;
}

/** The API server makes its own certificates on its first start; the file ends with the authority that signed. */
export async function waitForAuthority(file: string, parts: readonly Part[], signal: AbortSignal | undefined): Promise<string> {
  await waitUntil(() => Promise.resolve(existsSync(file) && readFileSync(file, "utf8").trimEnd().endsWith("-----END CERTIFICATE-----")), { what: "The API server made no certificate", parts, signal });
  return readFileSync(file, "utf8");
}

/** @throws RehearsalError with the last lines of the part that ended, or of the last one when the time is up. */
export async function waitUntil(ready: () => Promise<boolean>, { what, parts, signal }: { what: string; parts: readonly Part[]; signal: AbortSignal | undefined }): Promise<void> {
  const until = Date.now() + readyWithinSeconds * 1000;
  let last = "";
  while (Date.now() < until) {
    const dead = parts.find((part) => part.ended);
    if (dead !== undefined) throw new RehearsalError(`${dead.name} ended:\n${dead.lastLines()}`);
    try {
      if (await ready()) return;
    } catch (error) {
      last = error instanceof Error ? `: ${error.message}` : "";
    }
    await pause(50, signal);
  }
  throw new RehearsalError(`${what} after ${readyWithinSeconds} s${last}\n${parts.at(-1)?.lastLines() ?? ""}`);
}

/** Calls to one API server, as one user. */
export class Client {
  private readonly agent: Agent;

  constructor(
    private readonly url: string,
    authority: string,
    private readonly token: string,
  ) {
    this.agent = new Agent({ keepAlive: true, ca: authority, maxSockets: 8 });
  }

  call<T>(method: string, path: string, body?: unknown, contentType = "application/json"): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const outgoing = request(`${this.url}${path}`, { method, agent: this.agent, headers: { authorization: `Bearer ${this.token}`, accept: "application/json", "content-type": contentType } }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => {
          const status = response.statusCode ?? 0;
          if (status === 404) resolve(undefined);
          else if (status < 200 || status > 299) reject(new Error(`${method} ${path}: ${status}: ${messageOf(text)}`));
          else resolve((response.headers["content-type"]?.startsWith("application/json") === true ? JSON.parse(text) : text) as T);
        });
        response.on("error", reject);
      });
      outgoing.on("error", reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    return text;
  }
}

/** Ports that nothing listens on at this moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((settle, reject) => {
          const server = createServer();
          server.on("error", reject);
          server.listen(0, "127.0.0.1", () => settle(server));
        }),
    ),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
