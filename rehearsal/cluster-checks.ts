import { labels, namespaces, type Namespace } from "../components/cluster/names";
import { podSecurity } from "../components/cluster/namespaces";
import type { WorkloadPlan } from "../components/inference/plan-types";
import type { ControlPlane } from "./control-plane/control-plane";
import { pause } from "./process";
import { must } from "./verdict";

/** An object that the engine made, by what finds it again. */
export interface MadeObject {
  apiVersion: string;
  kind: string;
  name: string;
  namespace?: string;
  /** As it was asked for, without secrets. */
  body: unknown;
}

interface Pod {
  metadata: { name: string; namespace: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: { nodeName?: string };
  status?: { phase?: string; conditions?: { type: string; status: string; message?: string }[] };
}

interface Node {
  metadata: { name: string; labels?: Record<string, string> };
  spec?: { taints?: { key: string; value?: string; effect: string }[] };
}

interface List<T> {
  items: T[];
}

/** The longest that the real scheduler may take, for pods that have to wait for volumes and for jobs before them. */
const placedWithinSeconds = 60;
const kubernetesOwn = new Set(["default", "kube-system", "kube-public", "kube-node-lease"]);

/** What a cluster rehearsal looks at, on the real API server. */
export class ClusterChecks {
  private readonly kinds = new Map<string, Promise<Map<string, string>>>();

  constructor(
    private readonly plane: Pick<ControlPlane, "call">,
    private readonly plan: WorkloadPlan,
    private readonly ownNamespaces: readonly Namespace[],
    private readonly signal?: AbortSignal,
    private readonly withinSeconds = placedWithinSeconds,
  ) {}

  /** Each object is sent once more, for validation only: every field must be one that the API server knows. */
  async accepted(objects: readonly MadeObject[]): Promise<string> {
    must(objects.length > 0, "nothing was made in the cluster");
    const refused: string[] = [];
    for (const object of objects) {
      try {
        await this.plane.call("PATCH", `${await this.pathOf(object)}?dryRun=All&fieldValidation=Strict&fieldManager=rehearsal&force=true`, object.body, "application/apply-patch+yaml");
      } catch (error) {
        refused.push(`${nameOf(object)}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    must(refused.length === 0, refused.join("\n"));
    const kinds = new Map<string, number>();
    for (const { kind } of objects) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    return [...kinds].map(([kind, count]) => `${count} ${kind}`).join(", ");
  }

  /** Every namespace states a level, and every pod of it has passed it. */
  async podSecurity(): Promise<string> {
    const items = (await this.plane.call<List<{ metadata: { name: string; labels?: Record<string, string> } }>>("GET", "/api/v1/namespaces"))?.items ?? [];
    const levels = items.filter(({ metadata }) => !kubernetesOwn.has(metadata.name)).map(({ metadata }) => {
      const level = metadata.labels?.["pod-security.kubernetes.io/enforce"];
      const wanted = Object.hasOwn(podSecurity, metadata.name) ? podSecurity[metadata.name as Namespace] : "restricted";
      must(level === wanted, `the namespace ${metadata.name} enforces ${level ?? "no level"} instead of ${wanted}`);
      return { namespace: metadata.name, level };
    });
    must(levels.length > 0, "there is no namespace but Kubernetes' own");
    const events = (await this.plane.call<List<{ reason?: string; message?: string; involvedObject?: { namespace?: string; name?: string } }>>("GET", "/api/v1/events?limit=5000"))?.items ?? [];
    const refused = events.filter(({ message }) => message?.includes("violates PodSecurity") === true);
    must(refused.length === 0, refused.map(({ involvedObject, message }) => `${involvedObject?.namespace ?? ""}/${involvedObject?.name ?? ""}: ${message ?? ""}`).join("\n"));
    const pods = await this.pods();
    return levels.map(({ namespace, level }) => `${namespace} ${level}, ${pods.filter(({ metadata }) => metadata.namespace === namespace).length} pods`).join("; ");
  }

  /** Nothing waits for a node, and what was placed runs or has run. */
  async settled(): Promise<string> {
    const until = Date.now() + this.withinSeconds * 1000;
    for (;;) {
      const items = await this.pods();
      const waiting = items.filter(({ status }) => status?.phase !== "Running" && status?.phase !== "Succeeded");
      if (waiting.length === 0) return `${items.length} pods: ${items.filter(({ status }) => status?.phase === "Running").length} run, the rest has succeeded`;
      const told = waiting.map(({ metadata, status }) => `${metadata.namespace}/${metadata.name} is ${status?.phase ?? "new"}: ${status?.conditions?.find(({ type, status: is }) => type === "PodScheduled" && is === "False")?.message ?? "no reason given"}`);
      must(Date.now() < until, told.join("\n"));
      await pause(250, this.signal);
    }
  }

  /** Every pod of every service and training job is on the server that the planner said, and none is missing. */
  async placement(): Promise<string> {
    const until = Date.now() + this.withinSeconds * 1000;
    for (;;) {
      const items = await this.pods();
      const expected = this.expectedPlaces();
      const wrong = [...expected].flatMap(([workload, servers]) => {
        const actual = items.filter((pod) => workloadOf(pod) === workload && pod.spec.nodeName !== undefined).map(({ spec }) => spec.nodeName ?? "");
        const [wanted, got] = [[...servers].sort().join(", "), actual.sort().join(", ")];
        return wanted === got ? [] : [`${workload}: planned on ${wanted}, placed on ${got || "no server"}`];
      });
      if (wrong.length === 0) {
        return [...expected].map(([workload, servers]) => `${workload} on ${[...new Set(servers)].join(" and ")}`).join("; ") || "no service and no training job is there";
      }
      must(Date.now() < until, wrong.join("\n"));
      await pause(250, this.signal);
    }
  }

  /** No pod reaches anything that is not stated. */
  async closed(): Promise<string> {
    const open: string[] = [];
    for (const namespace of this.ownNamespaces) {
      const items = (await this.plane.call<List<{ spec?: { podSelector?: object; policyTypes?: string[]; ingress?: unknown[]; egress?: unknown[] } }>>("GET", `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`))?.items ?? [];
      const denies = items.some(({ spec }) => Object.keys(spec?.podSelector ?? {}).length === 0 && spec?.policyTypes?.includes("Ingress") === true && spec.policyTypes.includes("Egress") && (spec.ingress ?? []).length === 0 && (spec.egress ?? []).length === 0);
      if (!denies) open.push(namespace);
    }
    must(open.length === 0, `no policy denies everything by default in ${open.join(", ")}`);
    return this.ownNamespaces.join(", ");
  }

  /** Labels and taints of all nodes, to compare; not those that Kubernetes copies from others. */
  async nodes(): Promise<string> {
    const items = (await this.plane.call<List<Node>>("GET", "/api/v1/nodes"))?.items ?? [];
    return JSON.stringify(items.map(({ metadata, spec }) => ({ name: metadata.name, labels: Object.entries(metadata.labels ?? {}).filter(([key]) => !key.startsWith("beta.kubernetes.io/")).sort(), taints: (spec?.taints ?? []).map(({ key, value, effect }) => `${key}=${value ?? ""}:${effect}`).sort() })).sort((a, b) => (a.name < b.name ? -1 : 1)));
  }

  /** None of the objects is there any more, and no pod, and nodes are as they were. */
  async gone(objects: readonly MadeObject[], nodesBefore: string): Promise<string> {
    const until = Date.now() + this.withinSeconds * 1000;
    for (;;) {
      const left: string[] = [];
      for (const object of objects) {
        const path = await this.pathOf(object).catch(() => undefined);
        // A node belongs to its server, and each namespace has an account of this name as long as it is there.
        if (path === undefined || object.kind === "Node" || object.kind === "NodePatch") continue;
        if ((await this.plane.call("GET", path)) !== undefined) left.push(nameOf(object));
      }
      const items = await this.pods();
      left.push(...items.map(({ metadata }) => `Pod ${metadata.namespace}/${metadata.name}`));
      if (left.length === 0) break;
      must(Date.now() < until, `still there: ${left.join(", ")}`);
      await pause(250, this.signal);
    }
    const nodesAfter = await this.nodes();
    must(nodesAfter === nodesBefore, `labels or taints of nodes differ from before:\nbefore ${nodesBefore}\nafter  ${nodesAfter}`);
    return `${objects.length} objects are gone; nodes have the labels and taints that they had before`;
  }

  private expectedPlaces(): Map<string, string[]> {
    const services = Object.values(this.plan.services).flatMap(({ workloads }) =>
      workloads.map(({ name, servers, replicas }): [string, string[]] => [`${namespaces.inference}/${name}`, servers.flatMap((server) => Array.from({ length: replicas }, () => server))]),
    );
    const training = Object.values(this.plan.training).map(({ name, servers }): [string, string[]] => [`${namespaces.training}/${name}`, [...servers]]);
    return new Map([...services, ...training]);
  }

  private async pods(): Promise<Pod[]> {
    return (await this.plane.call<List<Pod>>("GET", "/api/v1/pods?limit=5000"))?.items ?? [];
  }

  /** Path of an object in the API. @throws Error where the API server does not know the kind. */
  private async pathOf({ apiVersion, kind, name, namespace }: MadeObject): Promise<string> {
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    let known = this.kinds.get(root);
    if (known === undefined) {
      known = this.plane.call<{ resources: { name: string; kind: string }[] }>("GET", root).then((found) => new Map((found?.resources ?? []).filter((resource) => !resource.name.includes("/")).map((resource) => [resource.kind, resource.name])));
      this.kinds.set(root, known);
    }
    const plural = (await known).get(kind.replace(/^NodePatch$/, "Node"));
    must(plural !== undefined, `the API server knows no ${apiVersion} ${kind}`);
    return `${root}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${plural}/${name}`;
  }
}

function nameOf({ kind, name, namespace }: MadeObject): string {
  return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

/** Namespace and name of the workload that a pod is of: all pods of an inference workload are an instance of it. */
function workloadOf({ metadata }: Pod): string | undefined {
  const own = metadata.labels ?? {};
  if (metadata.namespace === namespaces.training) return own[labels.service] === undefined ? undefined : `${metadata.namespace}/${own[labels.service] ?? ""}`;
  return own["app.kubernetes.io/instance"] === undefined ? undefined : `${metadata.namespace}/${own["app.kubernetes.io/instance"]}`;
}
