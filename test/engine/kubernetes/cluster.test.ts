import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PartialFailure } from "../../../engine/providers";
import { Secret, UNKNOWN } from "../../../engine/values";
import type { PropertyMap } from "../../../engine/values";
import { get, maps, text } from "../../../engine/providers/kubernetes/object";
import { startControlPlane } from "../../../rehearsal/control-plane/control-plane";
import type { ControlPlane } from "../../../rehearsal/control-plane/control-plane";
import { Gate } from "./gate";
import { configMap, definition, deployment, job, Objects, podSpec, unique } from "./objects";
import type { Known } from "./objects";

let plane: ControlPlane;
let objects: Objects;
const folder = mkdtempSync(join(tmpdir(), "objects-"));
const space = unique("tests");

beforeAll(async () => {
  plane = await startControlPlane({ workDir: folder });
  objects = Objects.of(plane.kubeconfig);
  await Promise.all([
    plane.addNode({ name: "node-1", capacity: { cpu: "8", memory: "16Gi" } }),
    objects.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: space } }),
  ]);
});

afterAll(async () => {
  objects.close();
  await plane.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function live(path: string): Promise<PropertyMap | undefined> {
  return plane.call<PropertyMap>("GET", path);
}

function liveConfigMap(name: string): Promise<PropertyMap | undefined> {
  return live(`/api/v1/namespaces/${space}/configmaps/${name}`);
}

/** Somebody else applies fields of an object. */
async function applyAs(manager: string, path: string, object: PropertyMap, force = false): Promise<void> {
  await plane.call("PATCH", `${path}?fieldManager=${manager}&force=${String(force)}`, object, "application/apply-patch+yaml");
}

async function failureOf(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it did not fail");
}

async function partialOf(work: Promise<unknown>): Promise<PartialFailure> {
  const error = await failureOf(work);
  if (!(error instanceof PartialFailure)) throw error;
  return error;
}

describe("create", () => {
  it("keeps the inputs, the live object and its own field manager", async () => {
    const name = unique("create");
    const made = await objects.create(configMap(space, name, { a: "1" }));
    expect(made.id).toBe(`${space}/${name}`);
    expect(made.outputs["__inputs"]).toEqual(configMap(space, name, { a: "1" }));
    expect(made.outputs["__initialApiVersion"]).toBe("v1");
    expect(made.outputs["__fieldManager"]).toMatch(/^pulumi-kubernetes-[0-9a-f]{8}$/);
    expect(text(made.outputs, "metadata", "uid")).toBe(text(await liveConfigMap(name), "metadata", "uid"));
  });

  it("puts objects without a namespace into that of the provider, and those of the whole cluster into none", async () => {
    const mine = Objects.of(plane.kubeconfig, { namespace: space });
    const name = unique("placed");
    expect((await mine.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } })).id).toBe(`${space}/${name}`);
    expect((await mine.check({ apiVersion: "v1", kind: "Node", metadata: { name } })).inputs["metadata"]).toEqual({ name });
    expect((await objects.check({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } })).inputs["metadata"]).toEqual({ name, namespace: "default" });
    mine.close();
  });

  it("refuses an object that is in the cluster already, saying what can be done", async () => {
    const name = unique("exists");
    await objects.create(configMap(space, name, { a: "1" }));
    const { message } = await failureOf(objects.create(configMap(space, name, { a: "2" })));
    expect(message).toContain(`ConfigMap ${space}/${name} is in the cluster already`);
    expect(message).toContain("upsertExistingObjects");
    expect((await liveConfigMap(name))?.["data"]).toEqual({ a: "1" });
  });

  it("takes such an object over where the provider says so, and where an earlier run was cut off while making it", async () => {
    const name = unique("taken");
    await objects.create(configMap(space, name, { a: "1", gone: "x" }));
    await objects.create(configMap(space, name, { a: "2" }), { resumed: true });
    expect((await liveConfigMap(name))?.["data"]).toEqual({ a: "2" });
    const upserting = Objects.of(plane.kubeconfig, { upsertExistingObjects: "true" });
    const conflict = await failureOf(upserting.create(configMap(space, name, { a: "3" })));
    expect(conflict.message).toContain("owns .data.a");
    await upserting.create(configMap(space, name, { a: "3" }, { annotations: { "pulumi.com/patchForce": "true" } }));
    expect((await liveConfigMap(name))?.["data"]).toEqual({ a: "3" });
    upserting.close();
  });

  it("does not take over what somebody else made, also after it was cut off", async () => {
    const name = unique("foreign");
    await plane.call("POST", `/api/v1/namespaces/${space}/configmaps?fieldManager=somebody`, configMap(space, name, { a: "1" }));
    await expect(objects.create(configMap(space, name, { a: "2" }), { resumed: true })).rejects.toThrow("is in the cluster already");
  });

  it("waits for a namespace that another step is just making", async () => {
    const late = unique("late");
    const made = objects.create(configMap(late, "settings", {}));
    await sleep(300);
    await objects.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: late } });
    expect((await made).id).toBe(`${late}/settings`);
  });

  it("names fields that the server does not know", async () => {
    const { message } = await failureOf(objects.create({ ...configMap(space, unique("strict"), {}), dato: { a: "1" } }));
    expect(message).toContain('unknown field "dato"');
    expect(message).toContain("correct or remove these fields");
  });

  it("says which right is missing", async () => {
    await plane.call("POST", `/api/v1/namespaces/${space}/serviceaccounts`, { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "nobody" } });
    const token = await plane.call<PropertyMap>("POST", `/api/v1/namespaces/${space}/serviceaccounts/nobody/token`, { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} });
    const nobody = Objects.of(withToken(text(token, "status", "token") ?? ""));
    const name = unique("forbidden");
    const { message } = await failureOf(nobody.create(configMap(space, name, {})));
    expect(message).toMatch(/cannot create resource "configmaps".*RBAC/s);
    // A preview cannot know what the user of the real run may do.
    expect((await nobody.previewCreate(configMap(space, name, { a: "1" }))).outputs).toEqual(configMap(space, name, { a: "1" }));
    nobody.close();
  });

  it("says that credentials are not accepted", async () => {
    const stranger = Objects.of(withToken("wrong"));
    await expect(stranger.create(configMap(space, unique("stranger"), {}))).rejects.toThrow(/does not accept the credentials|401/);
    stranger.close();
  });
});

function withToken(token: string): string {
  const config = JSON.parse(plane.kubeconfig) as { users: { user: { token: string } }[] };
  for (const { user } of config.users) user.token = token;
  return JSON.stringify(config);
}

describe("update", () => {
  it("removes fields that the program no longer names, also those of the create, and leaves others' fields", async () => {
    const name = unique("update");
    const path = `/api/v1/namespaces/${space}/configmaps/${name}`;
    const made = await objects.create(configMap(space, name, { kept: "1", dropped: "2" }, { labels: { a: "1", b: "2" } }));
    await applyAs("somebody", path, { apiVersion: "v1", kind: "ConfigMap", metadata: { labels: { theirs: "yes" } }, data: { added: "3" } });
    const next = await objects.update(made, configMap(space, name, { kept: "4" }, { labels: { a: "1" } }));
    expect((await liveConfigMap(name))?.["data"]).toEqual({ kept: "4", added: "3" });
    expect(get(await liveConfigMap(name), "metadata", "labels")).toEqual({ a: "1", theirs: "yes" });
    expect(next.outputs["__fieldManager"]).toBe(made.outputs["__fieldManager"]);
    // The creator's fields went over to the resource's own manager, as the plugin does it.
    const managers = maps(await liveConfigMap(name), "metadata", "managedFields").map((entry) => `${text(entry, "manager") ?? ""} ${text(entry, "operation") ?? ""}`);
    expect(managers.sort()).toEqual([`${text(made.outputs, "__fieldManager") ?? ""} Apply`, "somebody Apply"].sort());
  });

  it("names the manager and the field of a conflict and what can be done; patchForce takes the field over", async () => {
    const name = unique("conflict");
    const path = `/api/v1/namespaces/${space}/configmaps/${name}`;
    const made = await objects.update(await objects.create(configMap(space, name, { a: "1" })), configMap(space, name, { a: "1", b: "1" }));
    await applyAs("somebody", path, { apiVersion: "v1", kind: "ConfigMap", data: { a: "theirs" } }, true);
    const { message } = await failureOf(objects.update(made, configMap(space, name, { a: "2" })));
    expect(message).toContain('"somebody" owns .data.a');
    expect(message).toContain("pulumi.com/patchForce");
    expect(message).toContain("ignoreChanges");
    expect((await liveConfigMap(name))?.["data"]).toEqual({ a: "theirs", b: "1" });
    await objects.update(made, configMap(space, name, { a: "2" }, { annotations: { "pulumi.com/patchForce": "true" } }));
    expect((await liveConfigMap(name))?.["data"]).toEqual({ a: "2" });
  });

  it("leaves an ignored field to whoever owns it alone, and keeps it otherwise as it is", async () => {
    const name = unique("ignore");
    const path = `/apis/apps/v1/namespaces/${space}/deployments/${name}`;
    const skip = { annotations: { "pulumi.com/skipAwait": "true" } };
    const wanted = (replicas: number, labels: Record<string, string>): PropertyMap => ({ ...deployment(space, name, replicas), metadata: { name, namespace: space, ...skip, labels } });
    let known = await objects.create(wanted(1, { a: "1" }));
    known = await objects.update(known, wanted(1, { a: "2" }));
    await applyAs("autoscaler", path, { apiVersion: "apps/v1", kind: "Deployment", spec: { replicas: 0 } }, true);
    known = await objects.update(known, wanted(1, { a: "3" }), { ignoreChanges: ["spec.replicas"] });
    expect(get(await live(path), "spec", "replicas")).toBe(0);
    expect(get(await live(path), "metadata", "labels")).toEqual({ a: "3" });
    await objects.update(known, wanted(1, { a: "4" }), { ignoreChanges: ["spec.replicas", "metadata.labels.a"] });
    expect(get(await live(path), "metadata", "labels")).toEqual({ a: "3" });
  });

  it("says what is immutable", async () => {
    const name = unique("class");
    const priority = (value: number): PropertyMap => ({ apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name }, value });
    const made = await objects.create(priority(1));
    const { message } = await failureOf(objects.update(made, priority(2)));
    expect(message).toMatch(/value.*; it cannot be changed in place: add the field to replaceOnChanges/s);
    await objects.delete(made);
  });

  it("makes an object anew that is gone, and says so", async () => {
    const name = unique("gone");
    const made = await objects.create(configMap(space, name, { a: "1" }));
    await plane.call("DELETE", `/api/v1/namespaces/${space}/configmaps/${name}`);
    await objects.update(made, configMap(space, name, { a: "2" }), {}, true);
    expect(await liveConfigMap(name)).toBeUndefined();
    await objects.update(made, configMap(space, name, { a: "2" }));
    expect((await liveConfigMap(name))?.["data"]).toEqual({ a: "2" });
    expect(objects.lines).toContain(`warning: ConfigMap ${space}/${name} was no longer in the cluster; it is made anew`);
  });

  it("replaces a custom resource definition as a whole", async () => {
    const crd = definition(`${unique("g")}.example`, "Gadget");
    const made = await objects.create(crd);
    const version = get(crd, "spec", "versions", 0) as PropertyMap;
    const next = { ...crd, spec: { ...(crd["spec"] as PropertyMap), versions: [{ ...version, additionalPrinterColumns: [{ name: "Size", type: "integer", jsonPath: ".spec.size" }] }] } };
    const updated = await objects.update(made, next);
    expect(maps(updated.outputs, "spec", "versions", 0, "additionalPrinterColumns")).toHaveLength(1);
    await objects.delete(updated);
  });
});

describe("patches", () => {
  const node = (more: PropertyMap): PropertyMap => ({ apiVersion: "v1", kind: "Node", metadata: { name: "node-1", ...more } });

  it("change fields of an object and let go of them when they are deleted", async () => {
    const made = await objects.create(node({ labels: { "example.dev/gpu": "a40" } }), { patch: true });
    expect(made.type).toBe("kubernetes:core/v1:NodePatch");
    expect(text(await live("/api/v1/nodes/node-1"), "metadata", "labels", "example.dev/gpu")).toBe("a40");
    const updated = await objects.update(made, node({ labels: { "example.dev/gpu": "h100" } }));
    expect(text(await live("/api/v1/nodes/node-1"), "metadata", "labels", "example.dev/gpu")).toBe("h100");
    await objects.delete(updated);
    const after = await live("/api/v1/nodes/node-1");
    expect(get(after, "metadata", "labels", "example.dev/gpu")).toBeUndefined();
    expect(text(after, "metadata", "labels", "kubernetes.io/hostname")).toBe("node-1");
  });

  it("need an object that exists, and its name", async () => {
    await expect(objects.create({ apiVersion: "v1", kind: "Node", metadata: { name: "node-9", labels: { a: "b" } } }, { patch: true }))
      .rejects.toThrow("Node node-9 does not exist, so it cannot be patched");
    expect(await live("/api/v1/nodes/node-9")).toBeUndefined();
    await expect(objects.check({ apiVersion: "v1", kind: "Node", metadata: { labels: { a: "b" } } }, { patch: true })).rejects.toThrow("metadata.name: is missing");
  });

  it("of an object that is gone are deleted without making it again", async () => {
    const name = unique("patched");
    await plane.call("POST", `/api/v1/namespaces/${space}/configmaps`, configMap(space, name, { a: "1" }));
    const made = await objects.create(configMap(space, name, { b: "2" }), { patch: true });
    await plane.call("DELETE", `/api/v1/namespaces/${space}/configmaps/${name}`);
    await objects.delete(made);
    expect(await liveConfigMap(name)).toBeUndefined();
  });
});

describe("custom resources", () => {
  it("wait for their definition, and go when it goes", async () => {
    const group = `${unique("g")}.example`;
    const widget = { apiVersion: `${group}/v1`, kind: "Widget", metadata: { name: "one", namespace: space }, spec: { size: 3 } };
    const preview = await objects.previewCreate(widget);
    expect(preview.outputs).toEqual(widget);
    const made = objects.create(widget);
    await sleep(200);
    const crd = await objects.create(definition(group, "Widget"));
    const known = await made;
    expect(known.id).toBe(`${space}/one`);
    expect(get(known.outputs, "spec", "size")).toBe(3);
    await objects.delete(crd);
    await objects.delete(known);
    expect(await objects.read(known)).toBeUndefined();
  });
});

describe("preview", () => {
  it("asks the server and changes nothing", async () => {
    const name = unique("dry");
    const seen = await objects.previewCreate(configMap(space, name, { a: "1" }));
    expect(seen.id).toBe("");
    expect(text(seen.outputs, "metadata", "uid")).toBeDefined();
    expect(await liveConfigMap(name)).toBeUndefined();
    const made = await objects.create(configMap(space, name, { a: "1" }));
    const updated = await objects.update(made, configMap(space, name, { a: "2" }), {}, true);
    expect(updated.outputs["data"]).toEqual({ a: "2" });
    expect((await liveConfigMap(name))?.["data"]).toEqual({ a: "1" });
  });

  it("fails on what the server would refuse", async () => {
    const wrong = { ...deployment(space, unique("wrong")), spec: { selector: { matchLabels: { app: "a" } }, template: { metadata: { labels: { app: "b" } }, spec: podSpec() } } };
    await expect(objects.previewCreate(wrong)).rejects.toThrow("`selector` does not match template `labels`");
  });

  it("does with the inputs where the server cannot tell yet: unknown values, a namespace or a cluster to come", async () => {
    const unknown = { ...configMap(space, unique("unknown"), {}), data: { a: UNKNOWN } };
    expect((await objects.previewCreate(unknown)).outputs).toEqual(unknown);
    const nowhere = configMap(unique("nowhere"), "settings", { a: "1" });
    expect((await objects.previewCreate(nowhere)).outputs).toEqual(nowhere);
    const later = new Objects({ kubeconfig: new Secret(UNKNOWN) });
    expect((await later.previewCreate(nowhere)).outputs).toEqual(nowhere);
    const away = Objects.of(plane.kubeconfig.replace(plane.url, "https://127.0.0.1:9"));
    expect((await away.previewCreate(nowhere)).outputs).toEqual(nowhere);
    expect(away.lines).toEqual([expect.stringMatching(/^warning: the API server https:\/\/127\.0\.0\.1:9 does not answer: .*previewed from the program alone$/)]);
  });

  it("tells an update of what a create of ours owns, though the server would merge it", async () => {
    const name = unique("ports");
    const service = (port: number): PropertyMap => ({
      apiVersion: "v1", kind: "Service", metadata: { name, namespace: space, annotations: { "pulumi.com/skipAwait": "true" } },
      spec: { selector: { app: name }, ports: [{ name: "http", port, targetPort: "http" }] },
    });
    const made = await objects.create(service(80));
    expect((await objects.update(made, service(81), {}, true)).inputs).toEqual((await objects.check(service(81))).inputs);
    const updated = await objects.update(made, service(81));
    expect(maps(updated.outputs, "spec", "ports")).toHaveLength(1);
  });
});

describe("secrets", () => {
  it("keep their data secret in every output, and take stringData as data", async () => {
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: unique("secret"), namespace: space }, stringData: { key: "s3cr3t" } };
    const made = await objects.create(secret);
    const data = { key: Buffer.from("s3cr3t").toString("base64") };
    expect(made.inputs["data"]).toEqual(new Secret(data));
    expect(made.inputs["stringData"]).toBeUndefined();
    expect(made.outputs["data"]).toEqual(new Secret(data));
    expect(get(made.outputs, "__inputs", "data")).toEqual(new Secret(data));
    expect((await objects.diff(made, secret)).changes).toBe("none");
    expect((await objects.read(made))?.outputs["data"]).toEqual(new Secret(data));
  });
});

describe("read", () => {
  it("brings outside changes of our fields into the inputs, and others' only into the outputs", async () => {
    const name = unique("read");
    const made = await objects.create(configMap(space, name, { a: "1" }));
    await plane.call("PATCH", `/api/v1/namespaces/${space}/configmaps/${name}`, { data: { a: "2", b: "3" } }, "application/merge-patch+json");
    const found = await objects.read(made);
    expect(found?.inputs["data"]).toEqual({ a: "2" });
    expect(found?.outputs["data"]).toEqual({ a: "2", b: "3" });
    const diff = await objects.diff({ ...made, ...found }, configMap(space, name, { a: "1" }));
    expect(diff.detailedDiff).toEqual({ "data.a": "update" });
  });

  it("finds an object by its id alone, and says that it is gone", async () => {
    const name = unique("looked-up");
    const made = await objects.create(configMap(space, name, { a: "1" }));
    const found = await objects.read({ type: made.type, urn: made.urn, id: made.id });
    expect(found?.outputs["data"]).toEqual({ a: "1" });
    expect(get(found?.inputs, "metadata", "uid")).toBeUndefined();
    await objects.delete(made);
    expect(await objects.read(made)).toBeUndefined();
  });
});

describe("delete", () => {
  it("waits until the object is gone, and takes one that is gone already for deleted", async () => {
    const made = await objects.create(configMap(space, unique("delete"), {}));
    await objects.delete(made);
    expect(await objects.read(made)).toBeUndefined();
    await objects.delete(made);
  });

  it("says which finalizer holds an object", async () => {
    const made = await objects.create(configMap(space, unique("held"), {}, { finalizers: ["example.dev/hold"] }));
    await expect(objects.delete(made, { timeoutSeconds: 1 })).rejects.toThrow(/is still there after 1 s \(finalizers: example\.dev\/hold/);
    await plane.call("PATCH", `/api/v1/namespaces/${space}/configmaps/${made.id.split("/")[1] ?? ""}`, { metadata: { finalizers: null } }, "application/merge-patch+json");
  });

  it("waits for everything in a namespace, and for the pods of a deployment", async () => {
    const name = unique("space");
    const namespace = await objects.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    const app = await objects.create(deployment(name, "app"));
    await objects.delete(app);
    expect(maps(await live(`/api/v1/namespaces/${name}/pods`), "items")).toEqual([]);
    await objects.delete(namespace);
    expect(await live(`/api/v1/namespaces/${name}`)).toBeUndefined();
  });
});

describe("waiting", () => {
  it("takes a deployment, a job, a daemon set, a stateful set and their service for done when they are", async () => {
    const name = unique("ready");
    const set = { ...deployment(space, `${name}-set`, 2), kind: "StatefulSet", spec: { ...(deployment(space, `${name}-set`, 2)["spec"] as PropertyMap), serviceName: name } };
    const { replicas: _, ...perNode } = deployment(space, `${name}-node`)["spec"] as PropertyMap;
    const daemons = { ...deployment(space, `${name}-node`), kind: "DaemonSet", spec: perNode };
    const service = { apiVersion: "v1", kind: "Service", metadata: { name, namespace: space }, spec: { selector: { app: name }, ports: [{ port: 80 }] } };
    const done = await Promise.all([deployment(space, name, 2), set, daemons, job(space, `${name}-job`), service].map((object) => objects.create(object, { timeoutSeconds: 30 })));
    expect(done.map(({ outputs }) => get(outputs, "status", "readyReplicas") ?? get(outputs, "status", "numberReady") ?? get(outputs, "status", "succeeded"))).toEqual([2, 2, 1, 1, undefined]);
    const [app] = done;
    if (app === undefined) throw new Error("nothing was made");
    const rolled = await objects.update(app, { ...deployment(space, name, 2, { terminationGracePeriodSeconds: 1 }) }, { timeoutSeconds: 30 });
    expect(get(rolled.outputs, "status", "updatedReplicas")).toBe(2);
    expect(get(rolled.outputs, "status", "readyReplicas")).toBe(2);
  });

  it("says which pod cannot be scheduled and why, and keeps the object in state", async () => {
    const greedy = deployment(space, unique("greedy"), 1, { nodeSelector: { "example.dev/none": "here" } });
    const failed = await partialOf(objects.create(greedy, { timeoutSeconds: 2 }));
    expect(failed.message).toMatch(/not ready after 2 s: 0 of 1 pods ready/);
    expect(failed.message).toMatch(/pod greedy-\S+ is not scheduled: 0\/1 nodes are available: 1 node\(s\) didn't match/);
    expect(failed.message).toContain(`kubectl -n ${space} describe pod`);
    expect(failed.id).toBe(`${space}/${text(greedy, "metadata", "name") ?? ""}`);
    expect(text(failed.outputs, "metadata", "uid")).toBeDefined();
    expect(failed.outputs["__inputs"]).toEqual(greedy);
  });

  it("says what pod security refuses", async () => {
    const strict = unique("strict");
    await objects.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: strict, labels: { "pod-security.kubernetes.io/enforce": "restricted" } } });
    const failed = await partialOf(objects.create(deployment(strict, "root", 1, { hostNetwork: true }), { timeoutSeconds: 2 }));
    expect(failed.message).toMatch(/violates PodSecurity "restricted/);
  });

  it("tells at once that a job failed", async () => {
    const name = unique("failing");
    const failing = job(space, name);
    const made = objects.create({ ...failing, spec: { ...(failing["spec"] as PropertyMap), activeDeadlineSeconds: 1, template: { spec: podSpec({ restartPolicy: "Never", nodeSelector: { "example.dev/none": "here" } }) } } }, { timeoutSeconds: 30 });
    expect((await partialOf(made)).message).toContain("the job failed: [DeadlineExceeded]");
  });

  it("waits for a claim to be bound, and not for one that is bound at first use", async () => {
    const claim = (storageClassName: string): PropertyMap => ({
      apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: unique("claim"), namespace: space },
      spec: { accessModes: ["ReadWriteOnce"], storageClassName, resources: { requests: { storage: "1Gi" } } },
    });
    const failed = await partialOf(objects.create(claim(""), { timeoutSeconds: 1 }));
    expect(failed.message).toContain("waiting for a volume that fits");
    const lazy = await objects.create({ apiVersion: "storage.k8s.io/v1", kind: "StorageClass", metadata: { name: unique("lazy") }, provisioner: "example.dev/none", volumeBindingMode: "WaitForFirstConsumer" });
    expect(text((await objects.create(claim(lazy.id))).outputs, "status", "phase")).toBe("Pending");
  });

  it("follows the program's own conditions", async () => {
    const waiting = (annotation: string): PropertyMap => configMap(space, unique("waiting"), { state: "new" }, { annotations: { "pulumi.com/waitFor": annotation } });
    const made = objects.create(waiting("jsonpath={.data.state}=ready"), { timeoutSeconds: 1 });
    expect((await partialOf(made)).message).toContain("{.data.state} is new");
    expect((await objects.create(waiting('["jsonpath={.data.state}=new", "jsonpath={.metadata.uid}"]'))).id).toContain("waiting-");
    await expect(objects.create(waiting("soon"))).rejects.toThrow('begins with neither "jsonpath=" nor "condition="');
    expect((await objects.create({ ...deployment(space, unique("skipped")), metadata: { name: unique("skipped"), namespace: space, annotations: { "pulumi.com/skipAwait": "true" } }, spec: deployment(space, "skipped", 1, { nodeSelector: { none: "here" } })["spec"] ?? {} })).id).toContain("skipped-");
  });

  it("ends when the user cancels, and when somebody deletes the object; state keeps what is known", async () => {
    const stuck = (): PropertyMap => deployment(space, unique("stuck"), 1, { nodeSelector: { none: "here" } });
    const cancel = new AbortController();
    const cancelled = partialOf(objects.create(stuck(), { signal: cancel.signal }));
    const wanted = stuck();
    const deleted = partialOf(objects.create(wanted));
    await sleep(500);
    cancel.abort();
    expect((await cancelled).message).toContain("cancelled while it was not ready");
    await plane.call("DELETE", `/apis/apps/v1/namespaces/${space}/deployments/${text(wanted, "metadata", "name") ?? ""}`);
    expect((await deleted).message).toContain("was deleted by somebody else");
  });
});

describe("an API server that is away", () => {
  async function gated(work: (objects: Objects, gate: Gate) => Promise<void>): Promise<void> {
    const gate = await Gate.before(plane.kubeconfig);
    const through = Objects.of(gate.through(plane.kubeconfig));
    try {
      await through.create(configMap(space, unique("through"), {}));
      await work(through, gate);
    } finally {
      through.close();
      gate.close();
    }
  }

  it("is waited for, also in the middle of a wait", async () => {
    await gated(async (through, gate) => {
      gate.shut();
      const made = through.create(configMap(space, unique("away"), { a: "1" }));
      const rolled = through.create(deployment(space, unique("away")), { timeoutSeconds: 30 });
      await sleep(400);
      gate.reopen();
      await sleep(300);
      gate.shut();
      await sleep(200);
      gate.reopen();
      expect((await made).id).toContain("/away-");
      expect(get((await rolled).outputs, "status", "readyReplicas")).toBe(1);
      expect(through.lines.some((line) => line.includes("does not answer"))).toBe(true);
    });
  });

  it("that made an object and could not say so is believed", async () => {
    await gated(async (through, gate) => {
      const name = unique("lost");
      gate.loseNextAnswer();
      const made = await through.create(configMap(space, name, { a: "1" }));
      expect(gate.answersLost).toBe(1);
      expect(made.id).toBe(`${space}/${name}`);
      expect((await liveConfigMap(name))?.["data"]).toEqual({ a: "1" });
    });
  });

  it("for good fails the step, or lets its objects leave the state where the provider says so", async () => {
    const known: Known = await objects.create(configMap(space, unique("orphan"), {}));
    const away = Objects.of(plane.kubeconfig.replace(plane.url, "https://127.0.0.1:9"), { deleteUnreachable: "true" });
    const stopped = new AbortController();
    setTimeout(() => { stopped.abort(); }, 300);
    await expect(away.create(configMap(space, "x", {}), { signal: stopped.signal })).rejects.toThrow();
    away.close();
    const config = { ...JSON.parse(plane.kubeconfig) as Record<string, unknown>, "current-context": "none" };
    const lost = Objects.of(JSON.stringify(config), { deleteUnreachable: "true" });
    await lost.delete(known);
    expect(lost.lines.join()).toContain("it only leaves the state");
    expect(await lost.read(known)).toBeUndefined();
    const strict = Objects.of(JSON.stringify(config));
    await expect(strict.delete(known)).rejects.toThrow(/no usable context "none".*deleteUnreachable/);
  });

  it("that is busy is asked again when it says so", async () => {
    let asked = 0;
    const server = createServer((request, response) => {
      request.resume();
      const answer = (code: number, body: unknown, headers: Record<string, string> = {}): void => {
        response.writeHead(code, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
      };
      if (request.url === "/version") answer(200, {});
      else if (request.url === "/api/v1") answer(200, { resources: [{ name: "configmaps", kind: "ConfigMap", namespaced: true }] });
      else if (++asked === 1) answer(429, { message: "too many requests", reason: "TooManyRequests" }, { "retry-after": "0" });
      else if (asked === 2) answer(503, { message: "starting" });
      else answer(201, configMap("default", "x", {}));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    const busy = Objects.of(JSON.stringify({
      apiVersion: "v1", kind: "Config", "current-context": "c", clusters: [{ name: "c", cluster: { server: url, "insecure-skip-tls-verify": true } }],
      users: [{ name: "c", user: {} }], contexts: [{ name: "c", context: { cluster: "c", user: "c" } }],
    }));
    expect((await busy.create(configMap("default", "x", {}))).id).toBe("default/x");
    expect(asked).toBe(3);
    expect(busy.lines.filter((line) => line.includes("trying again"))).toHaveLength(2);
    busy.close();
    server.close();
  });
});
