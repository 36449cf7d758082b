import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { startControlPlane } from "../../../rehearsal/control-plane/control-plane";
import { controlPlane, controlPlaneTimeout } from "../../support/control-plane";

interface Pod {
  metadata: { name: string };
  spec: { nodeName?: string };
  status?: { phase?: string; conditions?: { type: string; status: string; message?: string }[] };
}

const pods = "/api/v1/namespaces/default/pods?fieldValidation=Strict";

function pod(name: string, spec: Record<string, unknown> = {}): Record<string, unknown> {
  return { apiVersion: "v1", kind: "Pod", metadata: { name }, spec: { containers: [{ name: "main", image: "registry.invalid/x:1", ...spec }] } };
}

const plane = controlPlane({ grace: { nodeMonitorGraceSeconds: 8, nodeMonitorPeriodSeconds: 1, tolerationSeconds: 1 } });

async function until<T>(look: () => Promise<T | undefined>, seconds = 20): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > end) throw new Error(`not seen within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function settledPod(name: string): Promise<Pod> {
  const { call } = await plane();
  return until(async () => {
    const seen = await call<Pod>("GET", `/api/v1/namespaces/default/pods/${name}`);
    const settled = seen?.status?.phase === "Running" || seen?.status?.conditions?.some(({ type, status }) => type === "PodScheduled" && status === "False") === true;
    return settled ? seen : undefined;
  });
}

describe("a control plane on loopback", () => {
  beforeAll(async () => {
    const { addNode } = await plane();
    await addNode(
      { name: "cpu-1", capacity: { cpu: "8", memory: "32Gi" } },
      { name: "gpu-1", capacity: { cpu: "64", memory: "512Gi", "nvidia.com/gpu": "2" }, labels: { "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB" }, taints: [{ key: "nvidia.com/gpu", value: "present", effect: "NoSchedule" }] },
    );
  }, controlPlaneTimeout);

  it("is the Kubernetes that the components are written for", async () => {
    const version = await (await plane()).call<{ gitVersion: string }>("GET", "/version");
    expect(version?.gitVersion).toBe("v1.35.4");
  });

  it("refuses a field that does not exist", async () => {
    const { call } = await plane();
    await expect(call("POST", pods, pod("misspelled", { imagePullPolice: "Never" }))).rejects.toThrow(/unknown field "spec.containers\[0\].imagePullPolice"/);
  });

  it("refuses a pod below the security level of its namespace", async () => {
    const { call } = await plane();
    await call("POST", "/api/v1/namespaces?fieldValidation=Strict", { apiVersion: "v1", kind: "Namespace", metadata: { name: "closed", labels: { "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "v1.35" } } });
    await until(() => call("GET", "/api/v1/namespaces/closed/serviceaccounts/default"));
    await expect(call("POST", "/api/v1/namespaces/closed/pods", pod("open"))).rejects.toThrow(/violates PodSecurity "restricted:v1.35"/);
  });

  it("places pods by extended resources and taints, and leaves what fits nowhere pending", async () => {
    const { call } = await plane();
    const gpus = (count: number): Record<string, unknown> => ({ resources: { limits: { "nvidia.com/gpu": String(count) } } });
    const tolerant = (name: string, count: number): Record<string, unknown> => {
      const made = pod(name, gpus(count)) as { spec: Record<string, unknown> };
      made.spec["tolerations"] = [{ key: "nvidia.com/gpu", operator: "Exists" }];
      return made;
    };
    await call("POST", pods, tolerant("two-gpus", 2));
    await call("POST", pods, pod("no-gpu"));
    await call("POST", pods, pod("intolerant", gpus(1)));
    expect((await settledPod("two-gpus")).spec.nodeName).toBe("gpu-1");
    expect((await settledPod("no-gpu")).spec.nodeName).toBe("cpu-1");
    const pending = await settledPod("intolerant");
    expect(pending.spec.nodeName).toBeUndefined();
    expect(pending.status?.conditions?.find(({ type }) => type === "PodScheduled")?.message).toMatch(/Insufficient nvidia.com\/gpu|untolerated taint/);
    await call("POST", pods, tolerant("third-gpu", 1));
    expect((await settledPod("third-gpu")).status?.conditions?.find(({ type }) => type === "PodScheduled")?.message).toMatch(/Insufficient nvidia.com\/gpu/);
  });

  it("completes the pods of jobs", async () => {
    const { call } = await plane();
    await call("POST", "/apis/batch/v1/namespaces/default/jobs?fieldValidation=Strict", { apiVersion: "batch/v1", kind: "Job", metadata: { name: "layout" }, spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "main", image: "registry.invalid/x:1" }] } } } });
    await until(async () => ((await call<{ status?: { succeeded?: number } }>("GET", "/apis/batch/v1/namespaces/default/jobs/layout"))?.status?.succeeded === 1 ? true : undefined));
  });

  it("notices a node that crashes, and moves its pods elsewhere", async () => {
    const { addNode, killNode, call } = await plane();
    await addNode({ name: "spare-1", capacity: { cpu: "200", memory: "32Gi" } }, { name: "spare-2", capacity: { cpu: "200", memory: "32Gi" } });
    const labels = { app: "moves" };
    const requests = { cpu: "150" };
    await call("POST", "/apis/apps/v1/namespaces/default/deployments?fieldValidation=Strict", { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "moves" }, spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name: "main", image: "registry.invalid/x:1", resources: { requests } }] } } } });
    const running = async (except?: string): Promise<string | undefined> =>
      (await call<{ items: Pod[] }>("GET", "/api/v1/namespaces/default/pods?labelSelector=app%3Dmoves"))?.items.find(({ spec, status }) => status?.phase === "Running" && spec.nodeName !== except)?.spec.nodeName;
    const before = await until(() => running());
    await killNode(before);
    expect(await until(() => running(before), 40)).not.toBe(before);
  });
});

describe("starting and stopping", () => {
  it("is ready within 5 s, has its own folder and leaves nothing behind", async () => {
    const started = Date.now();
    const own = await startControlPlane({ workDir: ".rackwright" });
    const seconds = (Date.now() - started) / 1000;
    const folder = dirname(own.kubeconfigFile);
    expect(existsSync(folder)).toBe(true);
    process.stderr.write(`   ready in ${seconds.toFixed(1)} s with ${own.memoryMiB()} MiB\n`);
    await own.stop();
    expect(existsSync(folder)).toBe(false);
    await expect(own.call("GET", "/readyz")).rejects.toThrow();
  }, controlPlaneTimeout);

  it("stops where it is told to while it starts, and leaves nothing behind", async () => {
    const before = readdirSync(".rackwright").length;
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 700);
    await expect(startControlPlane({ workDir: ".rackwright", signal: stop.signal })).rejects.toThrow("The rehearsal was stopped.");
    expect(readdirSync(".rackwright")).toHaveLength(before);
  });
});
