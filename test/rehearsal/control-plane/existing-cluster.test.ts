import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadStackFile } from "../../../components/environment";
import { plannedObjects } from "../../../cli/rehearsal-engines";
import type { MadeObject } from "../../../rehearsal/cluster-checks";
import type { ControlPlane } from "../../../rehearsal/control-plane/control-plane";
import { rehearseOnExistingCluster } from "../../../rehearsal/existing-cluster";
import { controlPlane, controlPlaneTimeout } from "../../support/control-plane";

const start = controlPlane();
let plane: ControlPlane;
let objects: MadeObject[];
const folder = mkdtempSync(join(tmpdir(), "rackwright-existing-"));
const loaded = loadStackFile(resolve(__dirname, "../../../stacks/Pulumi.large-cluster.yaml"));
if (!loaded.ok) throw new Error("the environment is wrong");
const { environment } = loaded;

beforeAll(async () => {
  plane = await start();
  objects = await plannedObjects({ name: "large-cluster", ...loaded }, join(folder, "state.json"), new AbortController().signal);
}, controlPlaneTimeout);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const judge = (judged: readonly MadeObject[], kubeconfigFile = plane.kubeconfigFile) => rehearseOnExistingCluster(environment, { name: "large-cluster", kubeconfigFile, objects: () => Promise.resolve(judged) });
const everything = async (): Promise<unknown> => {
  const lists = await Promise.all(["/api/v1/namespaces", "/api/v1/nodes", "/api/v1/pods", "/api/v1/configmaps", "/apis/apps/v1/deployments", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"].map((path) => plane.call<{ items: { metadata: { name: string } }[] }>("GET", path)));
  return lists.map((list) => list?.items.map(({ metadata }) => metadata.name).sort());
};

describe("a cluster that exists", () => {
  it("judges every object of an environment and holds none of them afterwards", async () => {
    const before = await everything();
    const verdict = await judge(objects);
    expect(verdict.checks.map(({ ok, detail }) => [ok, ok ? "" : detail])).toEqual([[true, ""]]);
    expect(verdict.ok).toBe(true);
    expect(verdict.checks[0]?.detail).toContain("Deployment");
    expect(await everything()).toEqual(before);
  });

  it("is said not to have placed anything, and not to know what the environment itself brings", async () => {
    const text = JSON.stringify((await judge(objects)).standIns);
    expect(text).toContain("nothing was created, so that no pod was admitted or placed");
    expect(text).toContain("ClusterPolicy");
  });

  it("names the object and the field that it refuses", async () => {
    const [map] = objects.filter(({ kind }) => kind === "ConfigMap");
    if (map === undefined) throw new Error("there is none");
    const verdict = await judge([{ ...map, body: { ...(map.body as object), dta: {} } }]);
    expect(verdict.ok).toBe(false);
    expect(verdict.checks[0]?.detail).toMatch(new RegExp(`ConfigMap default/${map.name}: .*dta`));
  });

  it("cannot be asked where its kubeconfig is none, or nobody answers", async () => {
    const file = join(folder, "kubeconfig");
    writeFileSync(file, "{]");
    await expect(judge([], file)).rejects.toThrow(`The cluster of ${file} cannot be asked: ${file} is not YAML`);
    writeFileSync(file, plane.kubeconfig.replace(plane.url, "https://127.0.0.1:9"));
    await expect(judge([], file)).rejects.toThrow(/cannot be asked: the API server https:\/\/127\.0\.0\.1:9 does not answer/);
    writeFileSync(file, plane.kubeconfig.replace(/"current-context": ".*"/, '"current-context": "nobody"'));
    await expect(judge([], file)).rejects.toThrow("names no current context");
  });
});
