import { beforeAll, describe, expect, it } from "vitest";
import { planCluster } from "../../../components/cluster/plan";
import { planModelStore } from "../../../components/inference/model-store";
import type { ControlPlane } from "../../../rehearsal/control-plane/control-plane";
import { controlPlane, controlPlaneTimeout } from "../../support/control-plane";
import { objectsOn, within } from "../../support/objects";
import { storeEnvironment, workloadsOn, type StoreInput } from "./workload-plans";

const start = controlPlane();
let plane: ControlPlane;
const { apply } = objectsOn(() => plane);
const until = within(30);

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

  it.each([
    ["fewer drives", (drives: string[]) => drives.slice(0, 1)],
    ["more drives", (drives: string[]) => [...drives, "nvme-SPARE_0001"]],
  ])("takes the volumes and the bound claims of a hot tier that was made again of %s", async (_what, other) => {
    const again = storeEnvironment({
      services,
      change: (servers) => {
        const { drives, tiers } = servers["gpu-1"] ?? {};
        const now = other(tiers?.hot?.drives ?? []);
        Object.assign(drives ?? {}, { "nvme-SPARE_0001": { kind: "nvme", capacityGB: 3840 } });
        Object.assign(tiers?.hot ?? {}, { drives: now, level: now.length === 1 ? "single" : "raid0" });
      },
    });
    const claims = planModelStore(again, workloadsOn(again)).objects.filter(({ kind, metadata }) => kind.startsWith("PersistentVolume") && metadata.name === "models-gpu-1");
    expect(claims.map(({ kind }) => kind)).toEqual(["PersistentVolume", "PersistentVolumeClaim"]);
    for (const object of claims) await apply(object, "&dryRun=All");
  });

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
