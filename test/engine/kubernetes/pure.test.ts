import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import { KubernetesProvider } from "../../../engine/providers/kubernetes";
import { waitFor } from "../../../engine/providers/kubernetes/await/wait-for";
import { diffSettings } from "../../../engine/providers/kubernetes/diff-settings";
import { normalize } from "../../../engine/providers/kubernetes/normalize";
import { canonicalQuantity } from "../../../engine/providers/kubernetes/quantity";
import { withSecrecy } from "../../../engine/providers/kubernetes/secrecy";
import { checkSettings } from "../../../engine/providers/kubernetes/settings";
import { SEALED, Secret, UNKNOWN } from "../../../engine/values";
import type { PropertyMap } from "../../../engine/values";
import { temporaryFolder } from "../harness";
import { configMap, deployment, Objects, podSpec } from "./objects";
import type { Known } from "./objects";

describe("quantities", () => {
  it.each([
    ["0.5", "500m"], ["1000m", "1"], ["1024Mi", "1Gi"], ["1000Mi", "1000Mi"], ["1.5Gi", "1536Mi"], ["2", "2"], ["4096M", "4096M"], ["1000k", "1M"],
    ["0.1", "100m"], ["1e3", "1e3"], ["500e3", "500e3"], ["0", "0"], ["-0.5", "-500m"], ["1Ki", "1Ki"], ["0.5Ki", "512"], ["100n", "100n"], ["1500m", "1500m"],
  ])("%s is written %s", (given, wanted) => { expect(canonicalQuantity(given)).toBe(wanted); });

  it("that are none come back as they are", () => {
    for (const given of ["", "lots", "1.2.3", "Gi", "."]) expect(canonicalQuantity(given)).toBe(given);
  });

  it("are written the same when written again, and mean the same", () => {
    const bytes = (text: string): number => {
      const [, digits = "", suffix = ""] = /^(\d+)(.*)$/.exec(text) ?? [];
      return Number(digits) * ({ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, m: 1e-3, "": 1 }[suffix] ?? NaN);
    };
    fc.assert(fc.property(fc.nat({ max: 1_000_000 }), fc.constantFrom("", "Ki", "Mi", "Gi", "k", "M", "G", "m"), (number, suffix) => {
      const given = `${String(number)}${suffix}`;
      const written = canonicalQuantity(given);
      expect(canonicalQuantity(written)).toBe(written);
      expect(bytes(written)).toBeCloseTo(bytes(given), 6);
    }));
  });
});

describe("normal forms", () => {
  it("leave out what says nothing, and only that", () => {
    const given = deployment("a", "b", 0, { hostNetwork: false, nodeSelector: {}, initContainers: [], automountServiceAccountToken: false, volumes: [{ name: "tmp", emptyDir: {} }] });
    const spec = (normalize(given)["spec"] as { replicas: number; template: { spec: PropertyMap } });
    expect(spec.replicas).toBe(0);
    expect(Object.keys(spec.template.spec).sort()).toEqual(["automountServiceAccountToken", "containers", "securityContext", "volumes"]);
    expect(spec.template.spec["volumes"]).toEqual([{ name: "tmp", emptyDir: {} }]);
  });

  it("write quantities as the server does, wherever they stand", () => {
    const quota = { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "q", namespace: "a" }, spec: { hard: { "requests.memory": "2048Mi", "requests.nvidia.com/gpu": 4 } } };
    expect(normalize(quota)["spec"]).toEqual({ hard: { "requests.memory": "2Gi", "requests.nvidia.com/gpu": "4" } });
  });

  it("leave users' own names, unknown fields and custom resources alone", () => {
    const map = configMap("a", "b", { hostNetwork: "", cpu: "0.5" }, { labels: { replicas: "" } });
    expect(normalize(map)).toEqual(map);
    const custom = { apiVersion: "example.dev/v1", kind: "Widget", metadata: { name: "w" }, spec: { cpu: "0.5", list: [], no: false } };
    expect(normalize(custom)).toEqual(custom);
    expect(normalize({ ...map, unknownField: false })).toHaveProperty("unknownField", false);
  });

  it("are not made of objects that are not known yet", () => {
    const given = deployment("a", "b", 1, { hostNetwork: false, serviceAccountName: UNKNOWN });
    expect(normalize(given)).toEqual(given);
  });

  it("do not change when made again", () => {
    fc.assert(fc.property(fc.dictionary(fc.constantFrom("hostNetwork", "nodeSelector", "volumes", "hostname", "priority", "subdomain"), fc.constantFrom(false, 0, "", null, "x", 1, true)), (pod) => {
      const once = normalize(deployment("a", "b", 1, pod));
      expect(normalize(once)).toEqual(once);
    }));
  });
});

describe("secrecy", () => {
  it("goes over field by field in maps and as a whole in lists", () => {
    const given = { spec: { token: new Secret("t"), plain: "p", args: ["a", new Secret("b")] } };
    expect(withSecrecy({ spec: { token: "t", plain: "p", args: ["b", "a"], status: 1 } }, given)).toEqual({
      spec: { token: new Secret("t"), plain: "p", args: new Secret(["b", "a"]), status: 1 },
    });
  });
});

const CLUSTER = { server: "https://192.0.2.1:6443", "certificate-authority-data": "Y2E=" };
function kubeconfig({ server = CLUSTER.server, token = "t", context = "main" } = {}): string {
  return JSON.stringify({
    apiVersion: "v1", kind: "Config", "current-context": context,
    clusters: [{ name: "c", cluster: { ...CLUSTER, server } }, { name: "d", cluster: { ...CLUSTER, server: "https://192.0.2.2:6443" } }],
    users: [{ name: "u", user: { token } }],
    contexts: [{ name: "main", context: { cluster: "c", user: "u" } }, { name: "other", context: { cluster: "d", user: "u" } }],
  });
}

describe("the settings of a provider", () => {
  it.each([
    ["nothing", { kubeconfig: kubeconfig() }, { kubeconfig: kubeconfig() }, []],
    ["another token of the same cluster", { kubeconfig: kubeconfig() }, { kubeconfig: kubeconfig({ token: "new" }) }, []],
    ["another address", { kubeconfig: kubeconfig() }, { kubeconfig: kubeconfig({ server: "https://192.0.2.9:6443" }) }, ["kubeconfig"]],
    ["another context", { kubeconfig: kubeconfig() }, { kubeconfig: kubeconfig(), context: "other" }, ["context"]],
    ["another cluster", { kubeconfig: kubeconfig() }, { kubeconfig: kubeconfig(), cluster: "d" }, ["cluster"]],
    ["another namespace", { kubeconfig: kubeconfig() }, { kubeconfig: kubeconfig(), namespace: "n" }, []],
    ["a kubeconfig that is not known yet", { kubeconfig: kubeconfig() }, { kubeconfig: UNKNOWN }, ["kubeconfig"]],
    ["another address under the same identifier", { kubeconfig: kubeconfig(), clusterIdentifier: "x" }, { kubeconfig: kubeconfig({ server: "https://192.0.2.9:6443" }), clusterIdentifier: "x" }, []],
    ["a kubeconfig that is not known yet, under the same identifier", { kubeconfig: kubeconfig(), clusterIdentifier: "x" }, { kubeconfig: UNKNOWN, clusterIdentifier: "x" }, []],
    ["another identifier", { kubeconfig: kubeconfig(), clusterIdentifier: "x" }, { kubeconfig: kubeconfig(), clusterIdentifier: "y" }, ["clusterIdentifier"]],
    ["another folder", { renderYamlToDirectory: "a" }, { renderYamlToDirectory: "b" }, ["renderYamlToDirectory"]],
    ["a kubeconfig that a preview cannot read", { kubeconfig: SEALED }, { kubeconfig: kubeconfig({ server: "https://192.0.2.9:6443" }) }, []],
  ])("replace what is in the cluster only where it is another: %s", (_what, olds, news, replaceKeys) => {
    expect(diffSettings(olds as PropertyMap, news as PropertyMap).replaceKeys).toEqual(replaceKeys);
  });

  it.each([
    [{ renderYamlToDirectory: "yaml", kubeconfig: kubeconfig() }, "kubeconfig"],
    [{ renderYamlToDirectory: "yaml", context: "main" }, "context"],
    [{ alwaysRender: "true" }, "alwaysRender"],
    [{ enableServerSideApply: "false" }, "enableServerSideApply"],
    [{ helmReleaseSettings: "{}" }, "helmReleaseSettings"],
    [{ kubeClientSettings: '{"proxy":"x"}' }, "kubeClientSettings.proxy"],
    [{ deleteUnreachable: "maybe" }, "deleteUnreachable"],
  ])("that cannot be are refused by name: %j", (inputs, property) => {
    expect(checkSettings(inputs, {}).map((failure) => failure.property)).toEqual([property]);
  });

  it("that can be are taken, also while they are not known", () => {
    expect(checkSettings({ kubeconfig: UNKNOWN, namespace: "n", deleteUnreachable: UNKNOWN, kubeClientSettings: '{"timeout":5,"burst":10,"qps":5}' }, {})).toEqual([]);
    expect(checkSettings({ renderYamlToDirectory: "yaml", kubeconfig: "/etc/kubeconfig" }, { KUBECONFIG: "/etc/kubeconfig" })).toEqual([]);
  });
});

describe("a kubeconfig", () => {
  /** Everything that a preview and a delete say. */
  const message = async (settings: PropertyMap, env: NodeJS.ProcessEnv = {}): Promise<string> => {
    const instance = new KubernetesProvider({ programDir: "/nonexistent", env }).configure(settings);
    const lines: string[] = [];
    const request = { urn: "u", type: "kubernetes:core/v1:ConfigMap", signal: new AbortController().signal, log: (_severity: string, line: string) => { lines.push(line); } };
    await instance.create({ ...request, inputs: configMap("a", "b", {}), preview: true });
    try {
      await instance.delete({ ...request, id: "a/b", inputs: {}, outputs: configMap("a", "b", {}) });
    } catch (error) {
      lines.push(error instanceof Error ? `${error.message} ${error.stack ?? ""}` : "");
    }
    return lines.join("\n");
  };

  it("never shows what it holds, whatever is wrong with it", async () => {
    const secret = "t0p-s3cret-t0ken";
    const server = "https://127.0.0.1:9";
    for (const broken of [
      `{"token": "${secret}"`, secret, `users:\n- ${secret}\n  x: [`, kubeconfig({ token: secret, context: "none" }),
      kubeconfig({ token: secret, server }).replace("Y2E=", "bm90IGEgY2VydGlmaWNhdGU="), kubeconfig({ token: secret, server: "nowhere" }),
      kubeconfig({ token: secret, server }).replace("Y2E=", secret),
    ]) {
      const told = await message({ kubeconfig: new Secret(broken) }, { PATH: "" });
      expect(told).not.toBe("");
      expect(told).not.toContain(secret);
    }
  });

  it("that is missing is looked for where kubectl looks, and the message says where", async () => {
    expect(await message({}, { KUBECONFIG: "/nonexistent/config" })).toContain("looked for /nonexistent/config");
  });

  it("may be a path, and its context may not exist", async () => {
    const file = join(temporaryFolder(), "config");
    writeFileSync(file, kubeconfig({ context: "gone" }));
    expect(await message({ kubeconfig: file })).toContain('no usable context "gone"; known contexts: main, other');
  });
});

describe("what replaces an object", () => {
  const objects = Objects.of(kubeconfig(), { namespace: "a" });
  const known = async (object: PropertyMap): Promise<Known> => {
    const { inputs, type, urn } = await objects.check(object);
    return { inputs, type, urn, id: "a/b", outputs: { ...inputs, __inputs: inputs } };
  };
  const meta = { name: "b", namespace: "a" };
  const job = (more: PropertyMap): PropertyMap => ({ apiVersion: "batch/v1", kind: "Job", metadata: meta, spec: { template: { spec: podSpec() }, ...more } });
  const claim = (spec: PropertyMap): PropertyMap => ({ apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: meta, spec: { storageClassName: "fast", ...spec } });
  const service = (spec: PropertyMap): PropertyMap => ({ apiVersion: "v1", kind: "Service", metadata: meta, spec });
  const volume = (spec: PropertyMap): PropertyMap => ({ apiVersion: "v1", kind: "PersistentVolume", metadata: { name: "b" }, spec });
  const cases: [string, PropertyMap, PropertyMap, string[]][] = [
    ["another name", configMap("a", "b", {}), configMap("a", "c", {}), ["metadata.name"]],
    ["another namespace", configMap("a", "b", {}), configMap("c", "b", {}), ["metadata.namespace"]],
    ["data of a config map", configMap("a", "b", { x: "1" }), configMap("a", "b", { x: "2" }), ["data.x"]],
    ["a label of a config map", configMap("a", "b", { x: "1" }), configMap("a", "b", { x: "1" }, { labels: { l: "1" } }), []],
    ["data of a secret", { apiVersion: "v1", kind: "Secret", metadata: meta, stringData: { k: "1" } }, { apiVersion: "v1", kind: "Secret", metadata: meta, stringData: { k: "2" } }, ["data.k"]],
    ["the selector of a deployment", deployment("a", "b"), { ...deployment("a", "b"), spec: { ...(deployment("a", "b")["spec"] as PropertyMap), selector: { matchLabels: { app: "z" } } } }, ["spec.selector.matchLabels.app"]],
    ["the replicas of a deployment", deployment("a", "b", 1), deployment("a", "b", 2), []],
    ["the template of a job", job({}), job({ template: { spec: podSpec({ priorityClassName: "p" }) } }), ["spec.template.spec.priorityClassName"]],
    ["the retries of a job", job({ backoffLimit: 1 }), job({ backoffLimit: 2 }), []],
    ["the class of a claim", claim({}), claim({ storageClassName: "slow" }), ["spec.storageClassName"]],
    ["the size of a claim", claim({ resources: { requests: { storage: "1Gi" } } }), claim({ resources: { requests: { storage: "2Gi" } } }), []],
    ["the address of a service", service({ clusterIP: "10.0.0.1" }), service({ clusterIP: "10.0.0.2" }), ["spec.clusterIP"]],
    ["the type of a service", service({ type: "ClusterIP" }), service({ type: "NodePort" }), []],
    ["the source of a volume", volume({ local: { path: "/a" } }), volume({ local: { path: "/b" } }), ["spec.local.path"]],
    ["the affinity of a volume", volume({ nodeAffinity: { required: { nodeSelectorTerms: [] } } }), volume({ nodeAffinity: {} }), []],
    ["the provisioner of a class", { apiVersion: "storage.k8s.io/v1", kind: "StorageClass", metadata: { name: "b" }, provisioner: "x" }, { apiVersion: "storage.k8s.io/v1", kind: "StorageClass", metadata: { name: "b" }, provisioner: "y" }, ["provisioner"]],
    ["the role of a binding", { apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", metadata: meta, roleRef: { kind: "Role", name: "x" } }, { apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", metadata: meta, roleRef: { kind: "Role", name: "y" } }, ["roleRef.name"]],
  ];
  it.each(cases)("%s", async (_what, before, after, replaceKeys) => {
    const diff = await objects.diff(await known(before), after);
    expect(diff.changes).toBe("some");
    expect(diff.replaceKeys).toEqual(replaceKeys);
    const samePlace = replaceKeys.length > 0 && !replaceKeys.some((key) => key.startsWith("metadata."));
    expect(diff.deleteBeforeReplace).toBe(samePlace);
  });

  it("is less where the provider says that maps and secrets may change in place, and not for those that say they may not", async () => {
    const mutable = Objects.of(kubeconfig(), { enableConfigMapMutable: "true", enableSecretMutable: "true" });
    const before = await known(configMap("a", "b", { x: "1" }));
    expect((await mutable.diff(before, configMap("a", "b", { x: "2" }))).replaceKeys).toEqual([]);
    expect((await mutable.diff(before, { ...configMap("a", "b", { x: "2" }), immutable: true })).replaceKeys).toEqual(["data.x"]);
  });

  it("is nothing where only the way of writing differs, and where the server added fields", async () => {
    const before = await known(deployment("a", "b", 1, { hostNetwork: false }));
    const live: Known = { ...before, outputs: { ...before.outputs, status: { replicas: 1 }, metadata: { ...(before.outputs["metadata"] as PropertyMap), uid: "u", generation: 2 } } };
    expect((await objects.diff(live, deployment("a", "b", 1, { nodeSelector: {} }))).changes).toBe("none");
    expect((await objects.diff(live, deployment("a", "b", 2), { ignoreChanges: ["spec.replicas"] })).changes).toBe("none");
  });

  it("is nothing of a secret that a preview cannot read", async () => {
    const secret = { apiVersion: "v1", kind: "Secret", metadata: meta, stringData: { k: "1" } };
    const before = await known(secret);
    const sealed: Known = { ...before, inputs: { ...before.inputs, data: SEALED }, outputs: { ...before.outputs, data: SEALED, __inputs: { ...before.inputs, data: SEALED } } };
    expect((await objects.diff(sealed, secret)).changes).toBe("none");
  });

  it("names what is known later as a change", async () => {
    expect((await objects.diff(await known(configMap("a", "b", { x: "1" })), { ...configMap("a", "b", {}), data: { x: UNKNOWN } })).detailedDiff).toEqual({ "data.x": "update" });
  });
});

describe("rendering", () => {
  it("writes definitions and manifests under the plugin's names, readable by the owner, and contacts nothing", async () => {
    const folder = temporaryFolder();
    const objects = new Objects({ renderYamlToDirectory: "yaml" }, folder);
    const crd = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", metadata: { name: "widgets.example.dev" }, spec: { group: "example.dev" } };
    await objects.create(crd);
    const made = await objects.create({ apiVersion: "v1", kind: "Secret", metadata: { name: "keys", namespace: "a" }, stringData: { key: new Secret("s3cr3t") } });
    expect(readdirSync(join(folder, "yaml", "0-crd"))).toEqual(["apiextensions.k8s.io_v1-customresourcedefinition-default-widgets.example.dev.yaml"]);
    const file = join(folder, "yaml", "1-manifest", "v1-secret-a-keys.yaml");
    expect(parse(readFileSync(file, "utf8"))).toEqual({ apiVersion: "v1", kind: "Secret", metadata: { name: "keys", namespace: "a" }, data: { key: "czNjcjN0" } });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(objects.lines).toContain(`warning: rendered file ${file} contains a secret value in plaintext`);
    expect(made.id).toBe("a/keys");
    await objects.delete(made);
    expect(existsSync(file)).toBe(false);
  });

  it("writes nothing in a preview", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "yaml"));
    const objects = new Objects({ renderYamlToDirectory: "yaml" }, folder);
    expect((await objects.previewCreate(configMap("a", "b", { x: "1" }))).outputs["data"]).toEqual({ x: "1" });
    expect(readdirSync(join(folder, "yaml"))).toEqual([]);
  });
});

describe("types", () => {
  const provider = new KubernetesProvider({ programDir: "/nonexistent" });
  it.each(["kubernetes:core/v1:Namespace", "kubernetes:apps/v1:Deployment", "kubernetes:core/v1:NodePatch", "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet", "kubernetes:example.dev/v1:PriceList"])("%s is covered", (type) => {
    expect(provider.supports(type)).toBe(true);
  });
  it.each(["kubernetes:helm.sh/v3:Release", "kubernetes:helm.sh/v4:Chart", "kubernetes:yaml/v2:ConfigGroup", "kubernetes:yaml:ConfigFile", "kubernetes:kustomize/v2:Directory", "kubernetes:core/v1:ConfigMapList", "kubernetes:apps/v1:DeploymentListPatch", "kubernetes:core/v1:", "command:local:Command"])("%s is not", (type) => {
    expect(provider.supports(type)).toBe(false);
  });
});

describe("names", () => {
  it("are chosen where the program gives none, and kept", async () => {
    const objects = Objects.of(kubeconfig());
    const unnamed = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "a" }, data: { x: "1" } };
    const { inputs } = await objects.check(unnamed);
    expect((inputs["metadata"] as PropertyMap)["name"]).toMatch(/^configmap-[0-9a-f]{8}$/);
    expect((await objects.check(unnamed, {}, inputs)).inputs).toEqual(inputs);
    await expect(objects.check({ ...unnamed, metadata: { generateName: "x-" } })).rejects.toThrow("metadata.generateName: is not supported with server-side apply");
  });
});

describe("conditions of the program", () => {
  const live = { status: { phase: "Ready", items: [{ name: "a", ok: true }, { name: "b", ok: true }], conditions: [{ type: "Up", status: "True" }] }, metadata: { labels: { "example.dev/x": "1" } } };
  const around = {} as Parameters<ReturnType<typeof waitFor>>[1];
  it.each([
    ["jsonpath={.status.phase}=Ready", true], ["jsonpath={.status.phase}=Other", false], ["jsonpath={.status.phase}", true], ["jsonpath={.status.none}", false],
    ["jsonpath={.status.items[*].ok}=true", true], ["jsonpath={.status.items[0].name}=a", true], ["jsonpath={.status.items[-1].name}=b", true],
    ["jsonpath={.metadata.labels.example\\.dev/x}=1", true], ["jsonpath=.status.phase=Ready", true],
    ["condition=Up", true], ["condition=Up=True", true], ["condition=Up=False", false], ["condition=Down", false],
  ])("%s", async (expression, done) => { expect((await waitFor(expression)(live, around)).done).toBe(done); });

  it("that cannot be read are refused", () => {
    expect(() => waitFor("jsonpath={.items[?(@.a==1)].b}")).toThrow("is not covered by the embedded engine");
  });
});
