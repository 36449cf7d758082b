import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../components/cluster/object";
import { planCluster } from "../../../components/cluster/plan";
import { planWorkloads } from "../../../components/inference";
import { planModelStore } from "../../../components/inference/model-store";
import { planInferenceService } from "../../../components/inference/service-plan";
import { restartObjects } from "../../../components/monitoring/restart/restart";
import type { ControlPlane } from "../../../rehearsal/control-plane/control-plane";
import { nodeShape } from "../../../rehearsal/control-plane/nodes";
import { controlPlane, controlPlaneTimeout } from "../../support/control-plane";
import { objectsOn, within } from "../../support/objects";
import { monitoredSite } from "../environments";

const start = controlPlane();
let plane: ControlPlane;
const { apply } = objectsOn(() => plane);
const until = within(40);
const folder = mkdtempSync(join(tmpdir(), "rackwright-restart-"));
const script = join(__dirname, "../../../components/monitoring/restart/restart.py");

/** `assistant` and `writer` with two replicas, `solo` with one. */
const environment = monitoredSite((input) => {
  const service = { model: "qwen2.5-7b", contextTokens: 8192, engine: "vllm" as const };
  input.services = { assistant: { ...service, replicas: 2 }, writer: { ...service, replicas: 2 }, solo: service };
  input.monitoring = { ...input.monitoring, restartOnFragmentation: { enabled: true } };
});
const workloads = planWorkloads(environment);

interface Pod {
  metadata: { name: string; uid: string; labels: Record<string, string>; deletionTimestamp?: string };
  status?: { phase?: string; conditions?: { type: string; status: string }[] };
}

const isReady = ({ metadata, status }: Pod): boolean => metadata.deletionTimestamp === undefined && status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") === true;
const podsOf = async (service: string): Promise<Pod[]> => (await plane.call<{ items: Pod[] }>("GET", `/api/v1/namespaces/inference/pods?labelSelector=rackwright.dev/service%3D${service}`))?.items ?? [];
const readyPods = (service: string, count: number): Promise<Pod[]> =>
  until(`${count} ready pods of ${service}`, async () => {
    const pods = await podsOf(service);
    return pods.length === count && pods.every(isReady) ? pods.sort((a, b) => a.metadata.name.localeCompare(b.metadata.name)) : undefined;
  });
const uidsOf = (pods: readonly Pod[]): string[] => pods.map(({ metadata }) => metadata.uid).sort();

const memoryPath = "/api/v1/namespaces/monitoring/configmaps/fragmentation-restarts";
const remembered = async (): Promise<Record<string, string>> => (await plane.call<{ data?: Record<string, string> }>("GET", memoryPath))?.data ?? {};
const remember = (data: Record<string, string | null> | null): Promise<unknown> => plane.call("PATCH", memoryPath, { data }, "application/merge-patch+json");
/** What a disruption budget allows follows the pods a moment later. */
const allowed = (service: string, count: number): Promise<unknown> =>
  until(`${count} disruptions allowed for ${service}`, async () => {
    const budget = await plane.call<{ metadata: { generation: number }; status?: { disruptionsAllowed: number; observedGeneration?: number } }>("GET", `/apis/policy/v1/namespaces/inference/poddisruptionbudgets/${service}`);
    return budget?.status?.disruptionsAllowed === count && budget.status.observedGeneration === budget.metadata.generation ? true : undefined;
  });
const budget = (service: string, maxUnavailable: number): Promise<unknown> => plane.call("PATCH", `/apis/policy/v1/namespaces/inference/poddisruptionbudgets/${service}`, { spec: { maxUnavailable } }, "application/merge-patch+json");
const setReady = (name: string, ready: boolean): Promise<unknown> =>
  plane.call("PATCH", `/api/v1/namespaces/inference/pods/${name}/status`, { status: { conditions: [{ type: "Ready", status: ready ? "True" : "False" }] } }, "application/strategic-merge-patch+json");

/** Prometheus as far as the restart asks it. */
let prometheus: Server;
let answer: { status: number; body: string };
const alertOf = (pod: string, labels: Record<string, string> = {}, change: object = {}): object => ({ labels: { alertname: "MemoryFragmentationHigh", namespace: "inference", severity: "warning", pod, ...labels }, annotations: {}, state: "firing", activeAt: "2026-01-01T00:00:00Z", value: "3.4e-01", ...change });
function fires(...alerts: object[]): void {
  answer = { status: 200, body: JSON.stringify({ status: "success", data: { alerts } }) };
}

interface Run {
  code: number | null;
  out: string[];
  err: string;
}

/** What the CronJob's pod runs, with the account's own token. */
function restart(more: { prometheus?: string; hours?: number } = {}): Promise<Run> {
  const { hostname, port } = new URL(plane.url);
  const url = more.prometheus ?? `http://127.0.0.1:${(prometheus.address() as AddressInfo).port}`;
  const args = ["-B", script, `--prometheus=${url}`, "--alert=MemoryFragmentationHigh", "--namespace=inference", "--memory=monitoring/fragmentation-restarts", `--at-most-every-hours=${more.hours ?? 6}`, `--service-account=${folder}`];
  const child = spawn("python3", args, { env: { PATH: process.env.PATH ?? "", KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port, http_proxy: "http://127.0.0.1:9" } });
  let out = "";
  let err = "";
  child.stdout.on("data", (data: Buffer) => (out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (err += data.toString()));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out: out.trim().split("\n"), err })));
}

/** A call with the account's own token. */
function asAccount(method: string, path: string, body?: object): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { "authorization": `Bearer ${readFileSync(join(folder, "token"), "utf8")}`, "content-type": "application/json" };
    request(`${plane.url}${path}`, { method, headers, ca: readFileSync(join(folder, "ca.crt")) }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk)).on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
    }).on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

beforeAll(async () => {
  plane = await start();
  const shapes = Object.keys(environment.servers).map((name) => nodeShape(environment, name));
  await plane.addNode(...shapes);
  const cluster = planCluster(environment, workloads);
  const services = Object.values(workloads.services).flatMap((service) => planInferenceService(environment, service));
  const key: KubernetesObject = { apiVersion: "v1", kind: "Secret", metadata: { name: "inference-api-key", namespace: "inference" } };
  for (const object of [...cluster.nodes, ...cluster.objects, key, ...planModelStore(environment, workloads).objects, ...services, ...restartObjects(environment)]) await apply(object);
  const made = await plane.call<{ status: { token: string } }>("POST", "/api/v1/namespaces/monitoring/serviceaccounts/fragmentation-restart/token", { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} });
  const { clusters } = JSON.parse(plane.kubeconfig) as { clusters: { cluster: { "certificate-authority-data": string } }[] };
  writeFileSync(join(folder, "token"), made?.status.token ?? "");
  writeFileSync(join(folder, "ca.crt"), Buffer.from(clusters[0]?.cluster["certificate-authority-data"] ?? "", "base64"));
  prometheus = createServer((request, response) => void response.writeHead(request.url === "/api/v1/alerts" ? answer.status : 404).end(answer.body)).listen(0, "127.0.0.1");
}, controlPlaneTimeout);

afterAll(() => {
  prometheus.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  fires();
  await remember(null);
  for (const [service, count] of [["assistant", 2], ["writer", 2], ["solo", 1]] as const) await readyPods(service, count);
  for (const service of ["assistant", "writer"]) {
    await budget(service, 1);
    await allowed(service, 1);
  }
}, 120_000);

describe("the restart on fragmentation, on the real API server", () => {
  let before: Pod[];
  beforeEach(async () => {
    before = await podsOf("assistant");
    before.sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  });
  const nameOf = (index: number): string => before[index]?.metadata.name ?? "";

  it("evicts the pod that fires, which is replaced, and remembers it", async () => {
    fires(alertOf(nameOf(0)));
    const { code, out, err } = await restart();
    expect([code, err]).toEqual([0, ""]);
    expect(out).toEqual([`${nameOf(0)}: evicted, 34 % of its GPU memory was in pieces; assistant has other replicas that answer`]);
    const after = await until("the replacement", async () => {
      const pods = await podsOf("assistant");
      return pods.length === 2 && pods.every(isReady) && JSON.stringify(uidsOf(pods)) !== JSON.stringify(uidsOf(before)) ? pods : undefined;
    });
    expect(after.map(({ metadata }) => metadata.name)).toContain(nameOf(1));
    expect(after.map(({ metadata }) => metadata.name)).not.toContain(nameOf(0));
    const { assistant = "" } = await remembered();
    const entry = JSON.parse(assistant) as { at: string; pod: string };
    expect(entry.pod).toBe(nameOf(0));
    expect(Math.abs(Date.parse(entry.at) - Date.now())).toBeLessThan(60_000);
  }, 120_000);

  it("restarts one pod a run, the one that fires longest, and a service at most once in its time however often it runs", async () => {
    const writers = await podsOf("writer");
    const [writer = ""] = writers.map(({ metadata }) => metadata.name);
    fires(alertOf(nameOf(0)), alertOf(nameOf(1)), alertOf(writer, {}, { activeAt: "2025-12-31T00:00:00Z" }));
    expect((await restart()).out).toEqual([expect.stringContaining(`${writer}: evicted`)]);
    await readyPods("writer", 2);
    await allowed("writer", 1);
    fires(...(await podsOf("writer")).map(({ metadata }) => alertOf(metadata.name, {}, { activeAt: "2025-12-31T00:00:00Z" })), alertOf(nameOf(0)), alertOf(nameOf(1)));
    const second = await restart();
    expect(second.out).toEqual([expect.stringMatching(/left alone, writer was restarted at \S+Z, and is at most every 6 hours$/), expect.stringMatching(/left alone, writer was restarted/), expect.stringContaining(`${nameOf(0)}: evicted`)]);
    await readyPods("assistant", 2);
    await allowed("assistant", 1);
    const uids = uidsOf([...(await podsOf("assistant")), ...(await podsOf("writer"))]);
    fires(...[...(await podsOf("assistant")), ...(await podsOf("writer"))].map(({ metadata }) => alertOf(metadata.name)));
    for (let round = 0; round < 3; round++) {
      const { code, out } = await restart();
      expect(code).toBe(0);
      expect(out.every((line) => line.includes("left alone"))).toBe(true);
    }
    expect(uidsOf([...(await podsOf("assistant")), ...(await podsOf("writer"))])).toEqual(uids);
    // Once the time is over it may again.
    await remember({ assistant: JSON.stringify({ at: new Date(Date.now() - 6.01 * 3_600_000).toISOString().replace(/\.\d+/, ""), pod: "gone" }) });
    fires(...(await podsOf("assistant")).map(({ metadata }) => alertOf(metadata.name)));
    expect((await restart()).out.filter((line) => line.includes("evicted"))).toHaveLength(1);
  }, 180_000);

  it("leaves the only replica of a service alone, and says so", async () => {
    const [pod] = await podsOf("solo");
    fires(alertOf(pod?.metadata.name ?? ""));
    expect(await restart()).toEqual({ code: 0, err: "", out: [`${pod?.metadata.name ?? ""}: left alone, it is the only active replica of solo, which would not answer meanwhile. Restart it by hand when that is bearable`] });
    expect(uidsOf(await podsOf("solo"))).toEqual([pod?.metadata.uid]);
    expect(await remembered()).toEqual({});
  });

  it("counts no standby as a replica that answers, and restarts one where an active replica is ready", async () => {
    await plane.call("PATCH", `/api/v1/namespaces/inference/pods/${nameOf(1)}`, { metadata: { labels: { "rackwright.dev/role": "standby" } } }, "application/merge-patch+json");
    fires(alertOf(nameOf(0)));
    expect((await restart()).out).toEqual([expect.stringContaining("the only active replica of assistant")]);
    fires(alertOf(nameOf(1)));
    expect((await restart()).out).toEqual([expect.stringContaining(`${nameOf(1)}: evicted`)]);
  }, 120_000);

  it("waits while another replica is not ready", async () => {
    await budget("assistant", 2);
    await setReady(nameOf(1), false);
    fires(alertOf(nameOf(0)));
    const { out } = await restart();
    await setReady(nameOf(1), true);
    expect(out).toEqual([`${nameOf(0)}: left alone, ${nameOf(1)} of the same service is not ready`]);
    expect(uidsOf(await podsOf("assistant"))).toEqual(uidsOf(before));
  }, 120_000);

  it("takes a disruption budget's no for an answer, and does not count it as a restart", async () => {
    const earlier = JSON.stringify({ at: "2020-01-01T00:00:00Z", pod: "earlier" });
    await remember({ assistant: earlier });
    await budget("assistant", 0);
    await allowed("assistant", 0);
    fires(alertOf(nameOf(0)));
    expect(await restart()).toEqual({ code: 0, err: "", out: [`${nameOf(0)}: left alone, a disruption budget of assistant does not allow it now`] });
    expect(uidsOf(await podsOf("assistant"))).toEqual(uidsOf(before));
    expect(await remembered()).toEqual({ assistant: earlier });
  }, 120_000);

  it("goes by alerts that fire, of this name, for pods of services that are there", async () => {
    fires(
      alertOf(nameOf(0), {}, { state: "pending" }), alertOf(nameOf(0), { alertname: "GpuOutOfMemory" }), alertOf(nameOf(0), { namespace: "training" }),
      alertOf("assistant-long-gone"),
    );
    expect(await restart()).toEqual({ code: 0, err: "", out: ["assistant-long-gone: left alone, it is gone or ending"] });
    fires();
    expect((await restart()).out).toEqual(["MemoryFragmentationHigh does not fire: nothing to do"]);
    expect(uidsOf(await podsOf("assistant"))).toEqual(uidsOf(before));
  });

  it("takes a replica that spans servers as one", async () => {
    const pod = (name: string, group: string, component: string): KubernetesObject => ({
      apiVersion: "v1", kind: "Pod",
      metadata: { name, namespace: "inference", labels: { "rackwright.dev/service": "big", "rackwright.dev/role": "active", "app.kubernetes.io/component": component, "leaderworkerset.sigs.k8s.io/name": "big", "leaderworkerset.sigs.k8s.io/group-index": group } },
      spec: { serviceAccountName: "solo", securityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: "RuntimeDefault" } }, tolerations: [{ operator: "Exists" }], containers: [{ name: "engine", image: "engine", resources: { requests: { cpu: "1m", memory: "1Mi" }, limits: { cpu: "1m", memory: "1Mi" } }, securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } } }] },
    });
    await apply(pod("big-0", "0", "api"));
    await apply(pod("big-0-1", "0", "worker"));
    await readyPods("big", 2);
    fires(alertOf("big-0-1"));
    expect((await restart()).out).toEqual([expect.stringContaining("the only active replica of big")]);
    await apply(pod("big-1", "1", "api"));
    await readyPods("big", 3);
    expect((await restart()).out).toEqual([expect.stringContaining("big-0-1: evicted")]);
    for (const name of ["big-0", "big-1"]) await plane.call("DELETE", `/api/v1/namespaces/inference/pods/${name}`);
  }, 120_000);

  it.each<[string, () => string | undefined, RegExp]>([
    ["is not there", () => "http://127.0.0.1:1", /does not say what fires: .*refused/i],
    ["has an error", () => void (answer = { status: 503, body: "" }), /does not say what fires: HTTP Error 503/],
    ["says something else", () => void (answer = { status: 200, body: "<html>" }), /does not say what fires: Expecting value/],
    ["refuses", () => void (answer = { status: 200, body: JSON.stringify({ status: "error", error: "too busy" }) }), /does not say what fires: too busy/],
    ["has another format", () => void (answer = { status: 200, body: JSON.stringify({ status: "success", data: [] }) }), /does not say what fires: /],
  ])("ends with one clear line, and evicts nothing, when Prometheus %s", async (_what, prepare, words) => {
    fires(alertOf(nameOf(0)));
    const address = prepare();
    const { code, out, err } = await restart(address === undefined ? {} : { prometheus: address });
    expect([code, out]).toEqual([1, [""]]);
    expect(err).toMatch(/^rackwright: Prometheus at http:[^\n]*\n$/);
    expect(err).toMatch(words);
    expect(uidsOf(await podsOf("assistant"))).toEqual(uidsOf(before));
  });

  it("ends with one clear line when its memory cannot be read or the API server refuses", async () => {
    fires(alertOf(nameOf(0)));
    await remember({ assistant: "yesterday" });
    const unreadable = await restart();
    expect([unreadable.code, unreadable.err]).toEqual([1, "rackwright: the ConfigMap monitoring/fragmentation-restarts has something else than a time under assistant: yesterday. Delete the key.\n"]);
    const token = join(folder, "token");
    const good = await plane.call<{ status: { token: string } }>("POST", "/api/v1/namespaces/monitoring/serviceaccounts/fragmentation-restart/token", { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} });
    writeFileSync(token, "wrong");
    const refused = await restart();
    writeFileSync(token, good?.status.token ?? "");
    expect([refused.code, refused.err]).toEqual([1, "rackwright: the API server refused with 401: Unauthorized\n"]);
    expect(uidsOf(await podsOf("assistant"))).toEqual(uidsOf(before));
  });
});

describe("what the account of the restart may do", () => {
  const rulesIn = async (namespace: string): Promise<string[]> => {
    const review = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectRulesReview", spec: { namespace } };
    const answered = await asAccount("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review);
    const { status } = JSON.parse(answered.body) as { status: { resourceRules: { verbs: string[]; apiGroups: string[]; resources: string[]; resourceNames?: string[] }[] } };
    // What everybody may do who is known at all: ask about oneself.
    return status.resourceRules.filter(({ resources }) => !resources.some((each) => each.startsWith("selfsubject"))).map(({ verbs, resources, resourceNames = [] }) => `${verbs.join(",")} ${[...resources, ...resourceNames].join(" ")}`).sort();
  };

  it("is no more than it needs", async () => {
    expect(await rulesIn("inference")).toEqual(["create pods/eviction", "list pods"]);
    expect(await rulesIn("monitoring")).toEqual(["get,patch configmaps fragmentation-restarts"]);
    for (const namespace of ["training", "kube-system", "accelerators", "exporters"]) expect(await rulesIn(namespace), namespace).toEqual([]);
  });

  it.each([
    ["DELETE", "/api/v1/namespaces/inference/pods/NAME"],
    ["DELETE", "/api/v1/namespaces/inference/pods"],
    ["GET", "/api/v1/namespaces/inference/secrets"],
    ["GET", "/api/v1/namespaces/inference/secrets/inference-api-key"],
    ["GET", "/api/v1/namespaces/monitoring/secrets"],
    ["GET", "/api/v1/namespaces/monitoring/configmaps"],
    ["GET", "/api/v1/namespaces/kube-system/pods"],
    ["GET", "/api/v1/nodes"],
    ["POST", "/api/v1/namespaces/training/pods/any/eviction"],
  ])("does not include %s %s", async (method, path) => {
    const [pod] = await podsOf("assistant");
    const body = method === "POST" ? { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "any", namespace: "training" } } : undefined;
    expect((await asAccount(method, path.replace("NAME", pod?.metadata.name ?? ""), body)).status).toBe(403);
  });

  it("is held by a pod that the level restricted admits", async () => {
    const job = restartObjects(environment).find(({ kind }) => kind === "CronJob");
    const { jobTemplate } = job?.["spec"] as { jobTemplate: { spec: { template: { metadata: object; spec: object } } } };
    const { template } = jobTemplate.spec;
    await apply({ apiVersion: "v1", kind: "Pod", metadata: { name: "one-run", namespace: "monitoring", ...template.metadata }, spec: template.spec }, "&dryRun=All");
    await expect(apply({ apiVersion: "v1", kind: "Pod", metadata: { name: "one-run", namespace: "monitoring" }, spec: { ...template.spec, hostNetwork: true } }, "&dryRun=All")).rejects.toThrow(/violates PodSecurity/);
  });
});
