import { beforeAll, describe, expect, it } from "vitest";
import { planCluster } from "../../components/cluster/plan";
import type { KubernetesObject } from "../../components/cluster/object";
import { planWorkloads } from "../../components/inference/placement";
import { planTrainingJob } from "../../components/training";
import type { ControlPlane } from "../../rehearsal/control-plane/control-plane";
import { stack } from "../cluster/environments";
import { controlPlane, controlPlaneTimeout } from "../support/control-plane";

const start = controlPlane();
let plane: ControlPlane;
const environment = stack("large-cluster", (input) => { input.services = {}; });
const plan = planWorkloads(environment);
const job = plan.training["domain-tuning"];
if (job === undefined) throw new Error("the job was not planned");
const objects = planTrainingJob(environment, job);

const plurals: Readonly<Record<string, string>> = { NetworkPolicy: "networkpolicies", PriorityClass: "priorityclasses", RuntimeClass: "runtimeclasses" };

async function apply(object: KubernetesObject): Promise<unknown> {
  const { apiVersion, kind, metadata: { name, namespace } } = object;
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const path = `${root}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${plurals[kind] ?? `${kind.toLowerCase()}s`}/${name}`;
  return plane.call("PATCH", `${path}?fieldManager=test&fieldValidation=Strict&force=true`, object, "application/apply-patch+yaml");
}

interface Pod {
  metadata: { labels: Record<string, string> };
  spec: { nodeName?: string; hostname: string };
}

beforeAll(async () => {
  plane = await start();
  const nodes = Object.entries(environment.servers).map(([name, { gpus }]) => ({ name, capacity: { cpu: "112", memory: "2000Gi", ...(gpus === undefined ? {} : { "nvidia.com/gpu": String(gpus.count), "rdma/hca": "100" }) } }));
  await plane.addNode(...nodes);
  const cluster = planCluster(environment, plan);
  const wanted = ["Node", "Namespace", "ServiceAccount", "PriorityClass", "RuntimeClass", "ResourceQuota", "LimitRange", "NetworkPolicy"];
  for (const object of [...cluster.nodes, ...cluster.objects].filter(({ kind, metadata }) => wanted.includes(kind) && [undefined, "training"].includes(metadata.namespace))) await apply(object);
}, controlPlaneTimeout);

describe("a training job on the real control plane", () => {
  it("is valid to the letter, admitted as restricted and within the quota, and each rank is placed on its server", async () => {
    for (const object of objects) await apply(object);
    const deadline = Date.now() + 30_000;
    let placed: Pod[] = [];
    while (placed.length < job.servers.length && Date.now() < deadline) {
      const { items = [] } = (await plane.call<{ items: Pod[] }>("GET", "/api/v1/namespaces/training/pods")) ?? {};
      placed = items.filter(({ spec }) => spec.nodeName !== undefined);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(placed.map(({ spec }) => [spec.hostname, spec.nodeName]).sort()).toEqual(job.servers.map((server, rank) => [`rank-${rank}`, server]));
  }, 60_000);

  it("can be applied again without a change, for it is what it was", async () => {
    for (const object of objects) await apply(object);
  }, 60_000);
});
