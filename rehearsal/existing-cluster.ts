import { activeContext, BadKubeconfig, readKubeconfig } from "../engine/providers/kubernetes/kubeconfig";
import { ApiError, Unreachable } from "../engine/providers/kubernetes/api-error";
import { Client } from "../engine/providers/kubernetes/client";
import { Connection } from "../engine/providers/kubernetes/connection";
import type { PropertyMap } from "../engine/values";
import type { Environment } from "../components/environment/schema";
import { ClusterChecks, type MadeObject } from "./cluster-checks";
import type { ControlPlane } from "./control-plane/control-plane";
import { RehearsalError } from "./process";
import { Checks, type Verdict } from "./verdict";

const answersWithinSeconds = 30;
/** Of a namespace that every cluster has. */
const elsewhere = "default";

export interface ExistingClusterOptions {
  /** Of the environment. */
  name: string;
  kubeconfigFile: string;
  /** What the program makes in the cluster. */
  objects: () => Promise<readonly MadeObject[]>;
  onProgress?: (line: string) => void;
  signal?: AbortSignal;
}

/**
 * Lets a cluster that exists judge every object of an environment, by dry runs alone: nothing is created, changed or deleted,
 * for nobody but its owner knows what a pod that is placed there would push aside.
 * @throws RehearsalError for a kubeconfig that leads nowhere.
 */
export async function rehearseOnExistingCluster(environment: Environment, options: ExistingClusterOptions): Promise<Verdict> {
  const started = Date.now();
  const checks = new Checks((line) => options.onProgress?.(line), options.signal);
  const plane = await open(options);
  const { gitVersion } = (await plane.call<{ gitVersion: string }>("GET", "/version")) ?? { gitVersion: "of an unknown version" };
  const look = new ClusterChecks(plane, { services: {}, training: {}, findings: [] }, [], options.signal);
  const { known, unknown } = await sorted(plane, await options.objects());
  await checks.make(`every object is accepted with strict field validation by Kubernetes ${gitVersion}`, () => look.accepted(known));
  return {
    environment: options.name,
    ok: checks.ok,
    servers: Object.keys(environment.servers),
    leftOut: [],
    checks: checks.list,
    notMade: [],
    standIns: [
      { what: `dry runs on the cluster of ${options.kubeconfigFile}`, standsInFor: "making the objects: nothing was created, so that no pod was admitted or placed" },
      ...(unknown.length === 0 ? [] : [{ what: "nothing", standsInFor: `objects of kinds that the environment itself brings: ${[...new Set(unknown.map(({ kind }) => kind))].join(", ")}` }]),
    ],
    seconds: Math.round((Date.now() - started) / 1000),
  };
}

type Judge = Pick<ControlPlane, "call">;

async function open({ kubeconfigFile, signal }: ExistingClusterOptions): Promise<Judge> {
  try {
    const config = readKubeconfig(kubeconfigFile, kubeconfigFile);
    const active = activeContext(config, {});
    if (active === undefined) throw new RehearsalError(`${kubeconfigFile} names no current context that it has: choose one with kubectl config use-context.`, "unreachable");
    const client = new Client(await Connection.open(config, active), answersWithinSeconds);
    const until = signal ?? new AbortController().signal;
    const call = async (method: string, path: string, body?: unknown, contentType?: string): Promise<unknown> => {
      if (method !== "GET" && !path.includes("dryRun=All")) throw new Error(`${method} ${path} would change the cluster`);
      try {
        return JSON.parse(await client.text({ method: method as "GET", path, ...(body === undefined ? {} : { body: body as PropertyMap }), ...(contentType === undefined ? {} : { contentType }), signal: until, retries: 1 })) as unknown;
      } catch (error) {
        if (error instanceof ApiError && error.code === 404 && method === "GET") return undefined;
        throw error;
      }
    };
    await call("GET", "/version");
    return { call: call as ControlPlane["call"] };
  } catch (error) {
    if (error instanceof BadKubeconfig || error instanceof Unreachable || error instanceof ApiError) throw new RehearsalError(`The cluster of ${kubeconfigFile} cannot be asked: ${error.message}`, "unreachable");
    throw error;
  }
}

/** What the cluster can judge: of kinds that it knows, and in a namespace that is there in place of those that are not. */
async function sorted(plane: Judge, objects: readonly MadeObject[]): Promise<{ known: MadeObject[]; unknown: MadeObject[] }> {
  const groups = new Map<string, Set<string>>();
  const there = new Map<string, boolean>();
  const known: MadeObject[] = [];
  const unknown: MadeObject[] = [];
  for (const object of objects) {
    const root = object.apiVersion.includes("/") ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`;
    const kinds = groups.get(root) ?? new Set((await plane.call<{ resources: { kind: string }[] }>("GET", root))?.resources.map(({ kind }) => kind) ?? []);
    groups.set(root, kinds);
    if (!kinds.has(object.kind)) unknown.push(object);
    else known.push(await inNamespaceThatIs(plane, object, there));
  }
  return { known, unknown };
}

async function inNamespaceThatIs(plane: Judge, object: MadeObject, there: Map<string, boolean>): Promise<MadeObject> {
  const { namespace } = object;
  if (namespace === undefined) return object;
  const exists = there.get(namespace) ?? (await plane.call("GET", `/api/v1/namespaces/${namespace}`)) !== undefined;
  there.set(namespace, exists);
  if (exists) return object;
  const body = object.body as { metadata: object };
  return { ...object, namespace: elsewhere, body: { ...body, metadata: { ...body.metadata, namespace: elsewhere } } };
}
