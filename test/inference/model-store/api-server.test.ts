import { beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../components/cluster";
import { planCluster } from "../../../components/cluster/plan";
import { planModelStore } from "../../../components/inference/model-store";
import type { ControlPlane } from "../../../rehearsal/control-plane/control-plane";
import { controlPlane, controlPlaneTimeout } from "../../support/control-plane";
import { storeEnvironment, workloadsOn, type StoreInput } from "./workload-plans";

const start = controlPlane();
let plane: ControlPlane;

const plurals: Readonly<Record<string, string>> = { NetworkPolicy: "networkpolicies", PriorityClass: "priorityclasses", RuntimeClass: "runtimeclasses" };

function apply(object: KubernetesObject, query = ""): Promise<unknown> {
  const { apiVersion, kind, metadata: { name, namespace } } = object;
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const plural = plurals[kind] ?? `${kind.toLowerCase()}s`;
  return plane.call("PATCH", `${root}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${plural}/${name}?fieldManager=test&fieldValidation=Strict&force=true${query}`, object, "application/apply-patch+yaml");
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (let left = 120; left > 0; left--) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`${what} did not come about in 30 s`);
}

const services = { chat: { model: "qwen2.5-7b" }, search: { model: "./own/embedder" } };
const folders = storeEnvironment({ services });

beforeAll(async () => {
  plane = await start();
  const capacity = { cpu: "32", memory: "256Gi", "nvidia.com/gpu": "4" };
  await plane.addNode({ name: "gpu-1", capacity }, { name: "gpu-2", capacity });
  const { nodes, objects } = planCluster(folders, workloadsOn(folders));
  for (const object of [...nodes, ...objects]) await apply(object);
  for (const object of planModelStore(folders, workloadsOn(folders)).objects) await apply(object);
}, controlPlaneTimeout);

describe("the model store in a real cluster", () => {
  it("has every claim bound to its own volume", async () => {
    for (const server of ["gpu-1", "gpu-2"]) {
      for (const name of [`models-${server}`, `model-store-${server}`]) {
        await until(`the claim ${name}`, async () => {
          const claim = await plane.call<{ spec: { volumeName: string }; status: { phase: string } }>("GET", `/api/v1/namespaces/inference/persistentvolumeclaims/${name}`);
          return claim?.status.phase === "Bound" && claim.spec.volumeName === name ? true : undefined;
        });
      }
    }
  }, 60_000);

  it("has its layout's pods admitted as restricted and placed on the servers whose folders they fill", async () => {
    const placed = await until("a pod on each server", async () => {
      const { items = [] } = (await plane.call<{ items: { metadata: { labels: Record<string, string> }; spec: { nodeName?: string } }[] }>("GET", "/api/v1/namespaces/inference/pods?labelSelector=app.kubernetes.io/name%3Dmodel-layout")) ?? {};
      const nodes = items.flatMap(({ metadata, spec }) => (spec.nodeName === undefined ? [] : [`${metadata.labels["rackwright.dev/server"] ?? ""} on ${spec.nodeName}`]));
      return nodes.length === 2 ? nodes.sort() : undefined;
    });
    expect(placed).toEqual(["gpu-1 on gpu-1", "gpu-2 on gpu-2"]);
  }, 60_000);

  it.each<[string, StoreInput["site"]]>([
    ["an object store", { objectStore: { endpoint: "https://192.0.2.7:9000", bucket: "weights" } }],
    ["NFS", { modelStore: { kind: "nfs", server: "192.0.2.8", path: "/export/models" } }],
  ])("takes every object of a site with %s with strict validation", async (_what, site) => {
    const environment = storeEnvironment({ services, site });
    for (const object of planModelStore(environment, workloadsOn(environment)).objects.filter(({ kind }) => kind !== "PersistentVolume" && kind !== "PersistentVolumeClaim")) await apply(object, "&dryRun=All");
    for (const object of planModelStore(environment, workloadsOn(environment)).objects.filter(({ metadata }) => metadata.name === "model-store")) await apply(object, "&dryRun=All");
  });
});
