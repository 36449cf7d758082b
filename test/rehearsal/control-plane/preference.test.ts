import { beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../components/cluster/object";
import { namespacesOf } from "../../../components/cluster/namespaces";
import { planCluster } from "../../../components/cluster/plan";
import { planModelStore } from "../../../components/inference/model-store/plan";
import { planInferenceService } from "../../../components/inference/service-plan";
import { planWorkloads } from "../../../components/inference";
import { ClusterChecks } from "../../../rehearsal/cluster-checks";
import type { ControlPlane } from "../../../rehearsal/control-plane/control-plane";
import { nodeShape } from "../../../rehearsal/control-plane/nodes";
import { cpuServer, gpuServer, parsed } from "../../cluster/environments";
import { controlPlane, controlPlaneTimeout } from "../../support/control-plane";

const drives = (serial: string) => ({
  drives: { [`nvme-SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R${serial}A`]: { kind: "nvme" as const, capacityGB: 3840 } },
  tiers: { hot: { level: "single" as const, drives: [`nvme-SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R${serial}A`] } },
});
const preference = { model: "llama-3.1-8b", engine: "vllm" as const, precision: "bf16" as const, contextTokens: 4096, concurrency: 2, gpusPerReplica: 1 };

/** One A100, one L40S and no more: three services that would all rather have the A100. */
const environment = parsed({
  site: { name: "mixed", mirror: { files: "http://mirror.example.org/files", images: "registry.example.org/copies" }, objectStore: { endpoint: "https://s3.example.org", bucket: "models" } },
  servers: {
    "ctrl-01": cpuServer("10.0.0.11", { roles: ["control-plane"] }),
    "a-01": gpuServer("10.0.0.21", { gpus: { model: "a100-80gb-pcie", count: 1 }, ...drives("1") }),
    "b-01": gpuServer("10.0.0.22", { gpus: { model: "l40s", count: 1 }, ...drives("2") }),
    "cpu-01": cpuServer("10.0.0.31", { ...drives("3") }),
  },
  cluster: { distribution: "k3s", controlPlane: ["ctrl-01"] },
  services: {
    first: { ...preference, accelerators: ["a100-80gb-pcie", "l40s", "cpu"] },
    second: { ...preference, accelerators: ["a100-80gb-pcie", "l40s", "cpu"] },
    third: { model: "vit-l-16", engine: "triton", precision: "fp32", accelerators: ["a100-80gb-pcie", "l40s", "cpu"] },
  },
});
const plan = planWorkloads(environment);
const kinds = new Map<string, Map<string, string>>();
const start = controlPlane();
let plane: ControlPlane;

async function apply(object: KubernetesObject): Promise<void> {
  const { apiVersion, kind, metadata: { name, namespace } } = object;
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  if (!kinds.has(root)) {
    const list = await plane.call<{ resources: { name: string; kind: string }[] }>("GET", root);
    kinds.set(root, new Map(list?.resources.filter((each) => !each.name.includes("/")).map((each) => [each.kind, each.name])));
  }
  await plane.call("PATCH", `${root}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${kinds.get(root)?.get(kind) ?? kind}/${name}?fieldManager=test&fieldValidation=Strict&force=true`, object, "application/apply-patch+yaml");
}

describe("services that name an order of preference", () => {
  it("are planned on the first that is free: the A100, then the L40S, then no GPU", () => {
    expect(plan.findings).toEqual([]);
    const places = Object.fromEntries(Object.entries(plan.services).map(([name, { workloads }]) => [name, workloads.map(({ servers, accelerator }) => [servers, accelerator])]));
    expect(places["first"]).toEqual([[["a-01"], "a100-80gb-pcie"]]);
    expect(places["second"]).toEqual([[["b-01"], "l40s"]]);
    expect(places["third"]?.map(([, accelerator]) => accelerator)).toEqual(["cpu"]);
  });

  describe("on the real scheduler", () => {
    beforeAll(async () => {
      plane = await start();
      await plane.addNode(...Object.keys(environment.servers).map((name) => nodeShape(environment, name)));
      const cluster = planCluster(environment, plan);
      const store = planModelStore(environment, plan);
      const secret = (name: string): KubernetesObject => ({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "inference" }, type: "Opaque" });
      for (const object of [
        ...cluster.nodes, ...cluster.objects, secret("inference-api-key"), secret("model-store"), ...store.objects,
        ...Object.values(plan.services).flatMap((service) => planInferenceService(environment, service)),
      ]) await apply(object);
    }, controlPlaneTimeout);

    it("are placed where they were planned, and nothing waits", async () => {
      const look = new ClusterChecks(plane, plan, namespacesOf(environment));
      expect(await look.placement()).toContain("inference/second-b-01 on b-01");
      expect(await look.settled()).toMatch(/pods/);
      expect(await look.podSecurity()).toContain("inference restricted");
      expect(await look.closed()).toContain("inference");
    }, 90_000);

    it("are found out where they are not: a plan with two of them exchanged", async () => {
      const exchanged = structuredClone(plan);
      for (const [name, server] of [["first", "b-01"], ["second", "a-01"]] as const) for (const workload of exchanged.services[name]?.workloads ?? []) workload.servers = [server];
      await expect(new ClusterChecks(plane, exchanged, namespacesOf(environment), undefined, 1).placement()).rejects.toThrow("inference/first-a-01: planned on b-01, placed on a-01");
    });

    it("are found out where one more asks for a GPU than there are", async () => {
      await plane.call("POST", "/api/v1/namespaces/default/pods", { apiVersion: "v1", kind: "Pod", metadata: { name: "unplanned" }, spec: { tolerations: [{ operator: "Exists" }], containers: [{ name: "main", image: "x", resources: { limits: { "nvidia.com/gpu": "1" } } }] } });
      await expect(new ClusterChecks(plane, plan, namespacesOf(environment), undefined, 1).settled()).rejects.toThrow(/default\/unplanned is Pending: .*Insufficient nvidia.com\/gpu/);
    });

    it("are found out where a namespace is open, or of another level", async () => {
      const look = new ClusterChecks(plane, plan, namespacesOf(environment));
      await plane.call("DELETE", "/apis/networking.k8s.io/v1/namespaces/training/networkpolicies/default-deny");
      await expect(look.closed()).rejects.toThrow("no policy denies everything by default in training");
      await plane.call("PATCH", "/api/v1/namespaces/inference", { metadata: { labels: { "pod-security.kubernetes.io/enforce": "baseline" } } }, "application/merge-patch+json");
      await expect(look.podSecurity()).rejects.toThrow("the namespace inference enforces baseline instead of restricted");
    });

    it("are refused where a field does not exist", async () => {
      const look = new ClusterChecks(plane, plan, namespacesOf(environment));
      const object = { apiVersion: "v1", kind: "ConfigMap", name: "x", namespace: "inference" };
      await expect(look.accepted([{ ...object, body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" }, dta: {} } }])).rejects.toThrow(/ConfigMap inference\/x: .*dta/);
      await expect(look.accepted([])).rejects.toThrow("nothing was made in the cluster");
    });

    it("leave nothing, or are named", async () => {
      const look = new ClusterChecks(plane, plan, namespacesOf(environment), undefined, 1);
      await expect(look.gone([{ apiVersion: "v1", kind: "Secret", name: "inference-api-key", namespace: "inference", body: {} }], await look.nodes())).rejects.toThrow("Secret inference/inference-api-key");
    });
  });
});
