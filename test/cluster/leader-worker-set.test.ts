import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { leaderWorkerSetObjects } from "../../components/cluster/leader-worker-set";
import type { KubernetesObject } from "../../components/cluster/object";
import { planCluster } from "../../components/cluster/plan";
import { planMultiServerReplica } from "../../components/inference/multi-server";
import { planWorkloads } from "../../components/inference/placement";
import type { ControlPlane } from "../../rehearsal/control-plane/control-plane";
import { findGo } from "../../rehearsal/control-plane/go";
import { programs } from "../../rehearsal/control-plane/programs";
import { controlPlane, controlPlaneTimeout } from "../support/control-plane";
import { stack } from "./environments";

const start = controlPlane();
let plane: ControlPlane;
let controller: ChildProcess | undefined;
let log = "";
const folder = mkdtempSync(join(tmpdir(), "rackwright-lws-"));

/** Two replicas of 16 GPUs on four servers of eight. */
const environment = stack("large-cluster", (input) => {
  input.services = { foundation: { model: "llama-3.1-405b", engine: "vllm", precision: "bf16", contextTokens: 4096, concurrency: 2, replicas: 2, gpusPerReplica: 16, tensorParallel: 8, pipelineParallel: 2, accelerators: ["h100-80gb-sxm5"] } };
  input.training = {};
});
const plan = planWorkloads(environment);
const service = plan.services.foundation;
if (service === undefined) throw new Error("the service was not planned");
const replicas = service.workloads;
const objects = leaderWorkerSetObjects(environment, plan);

interface ResourceList {
  resources: { name: string; kind: string }[];
}

async function pathOf({ apiVersion, kind, metadata: { name, namespace } }: KubernetesObject): Promise<string> {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const found = await until(`${apiVersion} ${kind}`, async () => (await plane.call<ResourceList>("GET", root))?.resources.find((resource) => resource.kind === kind && !resource.name.includes("/")));
  return `${root}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${found.name}/${name}`;
}

async function apply(object: KubernetesObject, query = ""): Promise<unknown> {
  return plane.call("PATCH", `${await pathOf(object)}?fieldManager=test&fieldValidation=Strict&force=true${query}`, object, "application/apply-patch+yaml");
}

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined, seconds = 30): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let last = "";
  while (Date.now() < deadline) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      last = String(error);
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(`did not come about in ${seconds} s: ${what}. ${last}\n${log.slice(-3000)}`);
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => { done(typeof address === "object" && address !== null ? address.port : 0); });
    });
  });
}

/** The definition as the controller's own module has it. */
async function upstreamDefinition(): Promise<KubernetesObject> {
  const module = resolve(__dirname, "../../rehearsal/programs/lws");
  const version = /sigs\.k8s\.io\/lws (v\S+)/.exec(readFileSync(join(module, "go.mod"), "utf8"))?.[1] ?? "";
  const { Dir } = JSON.parse(execFileSync(await findGo({}), ["mod", "download", "-json", `sigs.k8s.io/lws@${version}`], { cwd: module, encoding: "utf8" })) as { Dir: string };
  return parse(readFileSync(join(Dir, "config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml"), "utf8")) as KubernetesObject;
}

const sets = replicas.flatMap((workload) => planMultiServerReplica(environment, service, workload)).filter(({ kind }) => kind === "LeaderWorkerSet");

/** The controller as a process of this machine with the rights of its own account, and a certificate for the loopback. */
async function startController(): Promise<{ authority: string; port: number }> {
  const { "lws-controller": program } = await programs(["lws"], { onProgress: (line) => process.stderr.write(`   ${line}\n`) });
  const [port, health, metrics] = [await freePort(), await freePort(), await freePort()];
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", join(folder, "tls.key"), "-out", join(folder, "tls.crt")], { stdio: "ignore" });
  const { status } = (await plane.call<{ status: { token: string } }>("POST", "/api/v1/namespaces/lws-system/serviceaccounts/lws-controller-manager/token", { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} })) ?? { status: { token: "" } };
  const kubeconfig = JSON.parse(plane.kubeconfig) as { users: { user: { token: string } }[] };
  for (const { user } of kubeconfig.users) user.token = status.token;
  writeFileSync(join(folder, "kubeconfig"), JSON.stringify(kubeconfig), { mode: 0o600 });
  writeFileSync(join(folder, "configuration.json"), JSON.stringify({
    apiVersion: "config.lws.x-k8s.io/v1alpha1", kind: "Configuration", leaderElection: { leaderElect: true }, internalCertManagement: { enable: false },
    webhook: { port, host: "127.0.0.1", certDir: folder }, health: { healthProbeBindAddress: `127.0.0.1:${health}` }, metrics: { bindAddress: `127.0.0.1:${metrics}` },
  }));
  controller = spawn(program, [`--config=${join(folder, "configuration.json")}`], { env: { ...process.env, KUBECONFIG: join(folder, "kubeconfig") }, stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [controller.stdout, controller.stderr]) stream?.on("data", (data: Buffer) => (log += data.toString()));
  return { authority: readFileSync(join(folder, "tls.crt")).toString("base64"), port };
}

interface Pod {
  metadata: { name: string; uid: string; deletionTimestamp?: string; labels: Record<string, string> };
  spec: { nodeName?: string; containers: { env: { name: string; value?: string }[] }[] };
  status?: { phase?: string };
}

const podsOf = async (set: string): Promise<Pod[]> => (await plane.call<{ items: Pod[] }>("GET", `/api/v1/namespaces/inference/pods?labelSelector=leaderworkerset.sigs.k8s.io/name=${set}`))?.items ?? [];
const placed = async (set: string, count: number): Promise<Pod[]> =>
  until(`${count} placed pods of ${set}`, async () => {
    const pods = await podsOf(set);
    return pods.length === count && pods.every(({ spec }) => spec.nodeName !== undefined) ? pods.sort((a, b) => a.metadata.name.localeCompare(b.metadata.name)) : undefined;
  });

beforeAll(async () => {
  plane = await start();
  const nodes = Object.entries(environment.servers).map(([name, { gpus }]) => ({ name, capacity: { cpu: "112", memory: "2000Gi", ...(gpus === undefined ? {} : { "nvidia.com/gpu": String(gpus.count), "rdma/hca": "100" }) } }));
  await plane.addNode(...nodes);
  const cluster = planCluster(environment, plan);
  for (const object of [...cluster.nodes, ...cluster.objects].filter(({ kind, metadata }) => ["Node", "Namespace", "PriorityClass", "RuntimeClass", "ServiceAccount"].includes(kind) && metadata.namespace !== "accelerators")) await apply(object);
}, controlPlaneTimeout);
afterAll(() => {
  controller?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

describe("replicas that span servers, on the real control plane", () => {
  it("are valid by the definition that the controller's own module has", async () => {
    await plane.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", await upstreamDefinition());
    expect(sets).toHaveLength(2);
    for (const set of sets) await until(`${set.metadata.name} is valid`, () => apply(set, "&dryRun=All"));
    const [first] = sets;
    const broken = { ...first, spec: { ...(first?.spec as object), sice: 2 } } as KubernetesObject;
    await expect(apply(broken, "&dryRun=All")).rejects.toThrow(/sice/);
    await plane.call("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/leaderworkersets.leaderworkerset.x-k8s.io");
    await until("the definition is gone", async () => ((await plane.call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/leaderworkersets.leaderworkerset.x-k8s.io")) === undefined ? true : undefined));
  });

  it("are made by the real controller with the rights that we give it, on the servers of the plan", async () => {
    for (const object of objects.filter(({ kind }) => !kind.endsWith("WebhookConfiguration"))) await apply(object);
    const { authority, port } = await startController();
    for (const object of objects.filter(({ kind }) => kind.endsWith("WebhookConfiguration"))) {
      const webhooks = (object.webhooks as { clientConfig: { service: { path: string } } }[]).map((hook) => ({ ...hook, clientConfig: { url: `https://127.0.0.1:${port}${hook.clientConfig.service.path}`, caBundle: authority } }));
      await apply({ ...object, webhooks });
    }
    await apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "foundation", namespace: "inference" } });
    for (const server of Object.keys(environment.servers)) {
      const capacity = { storage: "1Gi" };
      await apply({ apiVersion: "v1", kind: "PersistentVolume", metadata: { name: `models-${server}` }, spec: { capacity, accessModes: ["ReadWriteOnce"], storageClassName: "", claimRef: { namespace: "inference", name: `models-${server}` }, local: { path: "/srv/hot/models" }, nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [server] }] }] } } } });
      await apply({ apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: `models-${server}`, namespace: "inference" }, spec: { accessModes: ["ReadWriteOnce"], storageClassName: "", volumeName: `models-${server}`, resources: { requests: capacity } } });
    }
    for (const set of sets) await until(`${set.metadata.name} is taken`, () => apply(set), 60);
    for (const [index, set] of sets.entries()) {
      const [leader, worker] = await placed(set.metadata.name, 2);
      expect([leader?.spec.nodeName, worker?.spec.nodeName]).toEqual(replicas[index]?.servers);
      const variable = (pod: Pod | undefined, name: string): string | undefined => pod?.spec.containers[0]?.env.find((entry) => entry.name === name)?.value;
      expect([variable(leader, "LWS_WORKER_INDEX"), variable(worker, "LWS_WORKER_INDEX")]).toEqual(["0", "1"]);
      expect(variable(worker, "LWS_LEADER_ADDRESS")).toBe(`${set.metadata.name}-0.${set.metadata.name}.inference`);
      expect(leader?.metadata.labels["app.kubernetes.io/component"]).toBe("api");
      expect(worker?.metadata.labels["app.kubernetes.io/component"]).toBe("worker");
    }
    expect(log).not.toMatch(/is forbidden/);
  }, 180_000);

  it("start anew as a whole when one of their pods is lost, and leave the other replica alone", async () => {
    const [first = "", second = ""] = sets.map(({ metadata }) => metadata.name);
    const [before, other] = [await placed(first, 2), await placed(second, 2)];
    // A kubelet lets a pod end for some seconds; KWOK deletes it at once, and the controller may never see that it ends.
    const worker = `/api/v1/namespaces/inference/pods/${before[1]?.metadata.name ?? ""}`;
    const held = (finalizers: string[], beat = 0): Promise<unknown> => plane.call("PATCH", worker, { metadata: { finalizers, annotations: { beat: String(beat) } } }, "application/merge-patch+json");
    await held(["rackwright.dev/ends-slowly"]);
    await plane.call("DELETE", worker);
    await until("the leader is told to end", async () => {
      if (!(await podsOf(first)).some(({ metadata }) => metadata.uid === before[0]?.metadata.uid && metadata.deletionTimestamp === undefined)) return true;
      // A kubelet writes to a pod that ends, again and again, and each time the controller looks at it anew.
      await held(["rackwright.dev/ends-slowly"], Date.now());
      return undefined;
    }, 60);
    await held([]);
    const old = new Set(before.map(({ metadata }) => metadata.uid));
    await until("both pods are new", async () => ((await placed(first, 2)).every(({ metadata }) => !old.has(metadata.uid)) ? true : undefined), 60);
    expect((await placed(first, 2)).map(({ spec }) => spec.nodeName)).toEqual(replicas[0]?.servers);
    expect((await placed(second, 2)).map(({ metadata }) => metadata.uid)).toEqual(other.map(({ metadata }) => metadata.uid));
    expect(log).not.toMatch(/is forbidden/);
  }, 120_000);
});

describe("the controller's objects", () => {
  it("are there only where a replica spans servers", () => {
    expect(leaderWorkerSetObjects(environment, { ...plan, services: {} })).toEqual([]);
    expect(objects[0]?.kind).toBe("CustomResourceDefinition");
    // Objects are made in this order, and the controller waits for the webhooks: it puts its authority into them.
    expect(objects.at(-1)?.kind).toBe("Deployment");
  });

  it("reach no secret outside their namespace and no right to make LeaderWorkerSets", () => {
    const rules = objects.filter(({ kind }) => kind === "ClusterRole").flatMap(({ rules: all }) => all as { resources: string[]; verbs: string[] }[]);
    expect(rules.some(({ resources }) => resources.includes("secrets"))).toBe(false);
    expect(rules.filter(({ resources }) => resources.includes("leaderworkersets")).flatMap(({ verbs }) => verbs)).not.toContain("create");
    expect(rules.some(({ verbs, resources }) => verbs.includes("*") || resources.includes("*"))).toBe(false);
  });

  it("keep pods of other workloads out of its webhook", () => {
    for (const { webhooks } of objects.filter(({ kind }) => kind === "MutatingWebhookConfiguration")) {
      const ofPods = (webhooks as { name: string; objectSelector?: unknown }[]).find(({ name }) => name === "mpod.kb.io");
      expect(ofPods?.objectSelector).toEqual({ matchExpressions: [{ key: "leaderworkerset.sigs.k8s.io/name", operator: "Exists" }] });
    }
  });
});
