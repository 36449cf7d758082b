import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../components/cluster/object";
import { planCluster } from "../../components/cluster/plan";
import { planModelStore } from "../../components/inference/model-store";
import { planWorkloads } from "../../components/inference/placement";
import { planInferenceService } from "../../components/inference/service-plan";
import type { ControlPlane } from "../../rehearsal/control-plane/control-plane";
import { nodeShape } from "../../rehearsal/control-plane/nodes";
import { controlPlane, controlPlaneTimeout } from "../support/control-plane";
import { arbitraryPlan, stackEnvironments, twoServers } from "./engines/plans";

const start = controlPlane();
let plane: ControlPlane;
const stacks = stackEnvironments();
const placed = "sme-production";

const folders: Readonly<Record<string, string>> = {
  "v1/Namespace": "/api/v1/namespaces", "scheduling.k8s.io/v1/PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses", "node.k8s.io/v1/RuntimeClass": "/apis/node.k8s.io/v1/runtimeclasses",
  "v1/PersistentVolume": "/api/v1/persistentvolumes", "v1/Pod": "/api/v1/namespaces/inference/pods", "v1/PersistentVolumeClaim": "/api/v1/namespaces/inference/persistentvolumeclaims",
  "v1/ServiceAccount": "/api/v1/namespaces/inference/serviceaccounts", "v1/ConfigMap": "/api/v1/namespaces/inference/configmaps", "v1/Service": "/api/v1/namespaces/inference/services",
  "apps/v1/Deployment": "/apis/apps/v1/namespaces/inference/deployments", "networking.k8s.io/v1/Ingress": "/apis/networking.k8s.io/v1/namespaces/inference/ingresses",
  "networking.k8s.io/v1/NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/inference/networkpolicies", "policy/v1/PodDisruptionBudget": "/apis/policy/v1/namespaces/inference/poddisruptionbudgets",
};

/** Server-side apply with strict validation of fields, as the provider does it. */
async function apply(object: KubernetesObject, query = ""): Promise<unknown> {
  const folder = folders[`${object.apiVersion}/${object.kind}`];
  if (folder === undefined) throw new Error(`no folder for ${object.apiVersion} ${object.kind}`);
  return plane.call("PATCH", `${folder}/${object.metadata.name}?fieldManager=rackwright-test&fieldValidation=Strict&force=true${query}`, object, "application/apply-patch+yaml");
}

/** The pods that Deployments would make: their admission is the namespace's own, which a Deployment alone does not show. */
function podsOf(objects: readonly KubernetesObject[]): KubernetesObject[] {
  return objects.filter(({ kind }) => kind === "Deployment").map(({ metadata, spec }): KubernetesObject => {
    const { template } = spec as { template: { metadata: object; spec: object } };
    return { apiVersion: "v1", kind: "Pod", metadata: { name: metadata.name, namespace: "inference", ...template.metadata }, spec: template.spec };
  });
}

async function accept(objects: readonly KubernetesObject[]): Promise<void> {
  for (const object of [...objects, ...podsOf(objects)]) await apply(object, "&dryRun=All");
}

beforeAll(async () => {
  plane = await start();
  const environment = stacks[placed] ?? twoServers();
  const kinds = ["Namespace", "PriorityClass", "RuntimeClass"];
  for (const object of planCluster(environment, planWorkloads(environment)).objects.filter(({ kind }) => kinds.includes(kind))) await apply(object);
  await plane.addNode(...Object.keys(environment.servers).map((name) => nodeShape(environment, name)));
  for (const name of ["service", ...Object.values(stacks).flatMap(({ services }) => Object.keys(services))]) {
    await apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace: "inference" } });
  }
}, controlPlaneTimeout);

describe("the real API server", () => {
  it.each(Object.keys(stacks))("takes every object of the services of %s with strict validation, and admits their pods", async (name) => {
    const environment = stacks[name] ?? twoServers();
    const { services } = planWorkloads(environment);
    expect(Object.keys(services)).toEqual(Object.keys(environment.services).sort());
    for (const service of Object.values(services)) await accept(planInferenceService(environment, service));
  });

  it("takes whatever a plan of any engine asks for", async () => {
    const environment = twoServers();
    for (const service of fc.sample(arbitraryPlan, { numRuns: 80, seed: 11 })) await accept(planInferenceService(environment, service));
  });

  it("refuses what strict validation and the level restricted are for", async () => {
    const [service] = fc.sample(arbitraryPlan, { numRuns: 1, seed: 3 });
    if (service === undefined) throw new Error("nothing was drawn");
    const objects = planInferenceService(twoServers(), service);
    const deployment = objects.find(({ kind }) => kind === "Deployment");
    const [pod] = podsOf(objects);
    await expect(apply({ ...(deployment as KubernetesObject), spek: {} }, "&dryRun=All")).rejects.toThrow(/spek/);
    await expect(apply({ ...(pod as KubernetesObject), spec: { ...((pod as KubernetesObject).spec as object), hostNetwork: true } }, "&dryRun=All")).rejects.toThrow(/violates PodSecurity/);
  });

  it("has every pod run by the real scheduler on the server that the plan says", async () => {
    const environment = stacks[placed] ?? twoServers();
    const plan = planWorkloads(environment);
    for (const { volumes, claims } of planModelStore(environment, plan).servers) for (const object of [...volumes, ...claims]) await apply(object);
    for (const service of Object.values(plan.services)) for (const object of planInferenceService(environment, service)) await apply(object);
    const wanted = Object.values(plan.services).flatMap(({ workloads }) => workloads.flatMap(({ name, replicas, servers }) => Array.from({ length: replicas }, () => `${name} on ${servers[0] ?? ""}`))).sort();
    interface Pod {
      metadata: { labels: Record<string, string> };
      spec: { nodeName?: string };
    }
    let found: string[] = [];
    for (let left = 120; left > 0 && found.length < wanted.length; left--) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      const { items } = (await plane.call<{ items: Pod[] }>("GET", "/api/v1/namespaces/inference/pods")) ?? { items: [] };
      found = items.flatMap(({ metadata, spec }) => (spec.nodeName === undefined ? [] : [`${metadata.labels["app.kubernetes.io/instance"] ?? ""} on ${spec.nodeName}`])).sort();
    }
    expect(found).toEqual(wanted);
  });
});
