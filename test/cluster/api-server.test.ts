import { beforeAll, describe, expect, it } from "vitest";
import { planCluster } from "../../components/cluster/plan";
import type { KubernetesObject } from "../../components/cluster/object";
import { gpuRuntimeClass, priorityClasses, rdmaResource } from "../../components/cluster/names";
import { pinnedTo, restrictedContainer, restrictedPod, tolerationsFor, writableDirs } from "../../components/cluster/pod";
import type { Environment } from "../../components/environment";
import type { ControlPlane } from "../../rehearsal/control-plane/control-plane";
import { controlPlane, controlPlaneTimeout } from "../support/control-plane";
import { objectsOn, within } from "../support/objects";
import { cpuServer, gpuServer, parsed, planOf, stack, stackNames } from "./environments";

const start = controlPlane();
let plane: ControlPlane;
const { apply } = objectsOn(() => plane);
const until = within(20);

/** Whole GPUs, slices, an NPU, RDMA, taints and labels of its own, in one small site. */
const mixed = (gpuStack: "device-plugin" | "gpu-operator"): Environment =>
  parsed({
    site: { name: "mixed", racks: { "rack-a": {} }, mirror: { files: "http://mirror.example.org/files", images: "registry.example.org/copies" } },
    servers: {
      "ctrl-01": cpuServer("10.0.0.11", { roles: ["control-plane", "worker"] }),
      "gpu-01": gpuServer("10.0.0.21", { rack: { name: "rack-a", unit: 1 }, nics: { ens1: { speedGbps: 100, rdma: "roce" } }, labels: { "site.example/row": "7" } }),
      "gpu-02": gpuServer("10.0.0.22", { gpus: { model: "a100-80gb-pcie", count: 1, mig: "1g.10gb" }, taints: [{ key: "site.example/lab", value: "b", effect: "NoExecute" }] }),
      "npu-01": cpuServer("10.0.0.31", { npus: { resourceName: "vendor.example/npu", count: 8 } }),
    },
    cluster: { distribution: "k3s", controlPlane: ["ctrl-01"], gpuStack, timeSlicing: 4, quotas: { inference: { cpus: 64, memoryGiB: 256 } } },
  });
const plan = planOf([{}, { resource: "nvidia.com/mig-1g.10gb", servers: ["gpu-02"] }]);

interface Pod {
  metadata: { name: string; labels?: Record<string, string> };
  spec: { nodeName?: string };
}

const nodesOf = async (namespace: string, app: string, count: number): Promise<string[]> =>
  until(`${count} pods of ${app}`, async () => {
    const { items = [] } = (await plane.call<{ items: Pod[] }>("GET", `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(`app.kubernetes.io/name=${app}`)}`)) ?? {};
    const placed = items.flatMap(({ spec }) => spec.nodeName ?? []);
    return placed.length === count ? placed.sort() : undefined;
  });

const pod = (name: string, namespace: string, spec: object): KubernetesObject => ({ apiVersion: "v1", kind: "Pod", metadata: { name, namespace }, spec });

beforeAll(async () => {
  plane = await start();
  const cpu = { cpu: "32", memory: "256Gi" };
  await plane.addNode(
    { name: "ctrl-01", capacity: cpu },
    { name: "gpu-01", capacity: { ...cpu, "nvidia.com/gpu": "16", [rdmaResource]: "110" } },
    { name: "gpu-02", capacity: { ...cpu, "nvidia.com/mig-1g.10gb": "7" } },
    { name: "npu-01", capacity: { ...cpu, "vendor.example/npu": "8" } },
  );
  const { nodes, objects } = planCluster(mixed("device-plugin"), plan);
  for (const object of [...nodes, ...objects]) await apply(object);
}, controlPlaneTimeout);

describe("the real API server", () => {
  it("takes every object of a mixed site with strict validation, and its nodes their labels and taints", async () => {
    const node = await plane.call<{ metadata: { labels: Record<string, string> }; spec: { taints: unknown[] } }>("GET", "/api/v1/nodes/gpu-02");
    expect(node?.metadata.labels).toMatchObject({ "nvidia.com/gpu.present": "true", "kubernetes.io/hostname": "gpu-02", "rackwright.dev/gpu": "a100-80gb-pcie" });
    expect(node?.spec.taints).toEqual([{ key: "nvidia.com/gpu", value: "present", effect: "NoSchedule" }, { key: "site.example/lab", value: "b", effect: "NoExecute" }]);
  });

  it.each(stackNames)("takes every object of %s with strict validation", async (name) => {
    const { nodes, objects } = planCluster(stack(name), planOf());
    // The operator's kinds are not there until they are made for good.
    for (const object of objects.filter(({ kind }) => kind === "CustomResourceDefinition")) await apply(object);
    for (const object of [...nodes, ...objects]) await apply(object, "&dryRun=All");
  });

  it("refuses what strict validation is for", async () => {
    const [namespace] = planCluster(mixed("device-plugin"), plan).objects;
    await expect(apply({ ...(namespace as KubernetesObject), spek: {} }, "&dryRun=All")).rejects.toThrow(/spek/);
  });

  it("admits device plugins in their namespace and runs them on the nodes that have the hardware, whatever the taints", async () => {
    expect(await nodesOf("accelerators", "nvidia-device-plugin", 2)).toEqual(["gpu-01", "gpu-02"]);
    expect(await nodesOf("accelerators", "rdma-device-plugin", 1)).toEqual(["gpu-01"]);
  });

  it("takes the operator and its orders, and admits the operator's pod", async () => {
    for (const object of planCluster(mixed("gpu-operator"), plan).objects) await apply(object);
    expect(await nodesOf("accelerators", "gpu-operator", 1)).toHaveLength(1);
  });
});

describe("workloads in the real cluster", () => {
  const environment = mixed("device-plugin");
  const { volumes, volumeMounts } = writableDirs({ tmp: "/tmp", shm: { path: "/dev/shm", memoryGiB: 2 } });
  const workload = (servers: string[], resources: Record<string, string>, more: object = {}): object => ({
    ...restrictedPod(), ...pinnedTo(servers), volumes, priorityClassName: priorityClasses.batch, tolerations: tolerationsFor(environment, servers), terminationGracePeriodSeconds: 0,
    containers: [{ name: "main", image: "registry.example.org/main:1", ...restrictedContainer(), volumeMounts, resources: { requests: { cpu: "1", memory: "1Gi", ...resources }, limits: { memory: "1Gi", ...resources } } }],
    ...more,
  });
  const placed = (name: string, namespace = "inference"): Promise<string> =>
    until(`a place for ${name}`, async () => (await plane.call<Pod>("GET", `/api/v1/namespaces/${namespace}/pods/${name}`))?.spec.nodeName);

  it("made with the shared helpers satisfy the level restricted, and go where they are pinned, past taints", async () => {
    await apply(pod("whole", "inference", { ...workload(["gpu-01"], { "nvidia.com/gpu": "1" }), runtimeClassName: gpuRuntimeClass }));
    await apply(pod("slice", "inference", workload(["gpu-02"], { "nvidia.com/mig-1g.10gb": "1" })));
    expect([await placed("whole"), await placed("slice")]).toEqual(["gpu-01", "gpu-02"]);
  });

  it("that nobody planned get no accelerator", async () => {
    const surplus = pod("surplus", "inference", workload(["npu-01"], { "vendor.example/npu": "1" }));
    await expect(apply(surplus)).rejects.toThrow(/exceeded quota: accelerators, requested: requests.vendor.example\/npu=1, used: requests.vendor.example\/npu=0, limited: requests.vendor.example\/npu=0/);
  });

  it("that ask for more than the level restricted gives are refused", async () => {
    const { containers } = workload(["ctrl-01"], {}) as { containers: object[] };
    const privileged = workload(["ctrl-01"], {}, { containers: containers.map((container) => ({ ...container, securityContext: { privileged: true } })) });
    await expect(apply(pod("privileged", "training", privileged))).rejects.toThrow(/violates PodSecurity "restricted:v1.35"/);
    await expect(apply(pod("folder", "training", workload(["ctrl-01"], {}, { volumes: [...volumes, { name: "host", hostPath: { path: "/srv" } }] })))).rejects.toThrow(/hostPath/);
  });

  it("that are interactive push batch work aside when both want the same accelerators", async () => {
    const training = (name: string, priorityClassName: string): KubernetesObject => pod(name, "default", workload(["npu-01"], { "vendor.example/npu": "8" }, { priorityClassName }));
    await apply(training("nightly", priorityClasses.batch));
    expect(await placed("nightly", "default")).toBe("npu-01");
    await apply(training("later", priorityClasses.batch));
    await apply(training("asked", priorityClasses.interactive));
    expect(await placed("asked", "default")).toBe("npu-01");
    expect(await plane.call("GET", "/api/v1/namespaces/default/pods/nightly")).toBeUndefined();
    expect((await plane.call<Pod>("GET", "/api/v1/namespaces/default/pods/later"))?.spec.nodeName).toBeUndefined();
  });
});
