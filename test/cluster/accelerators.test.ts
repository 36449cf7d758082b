import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { planCluster } from "../../components/cluster/plan";
import type { KubernetesObject } from "../../components/cluster/object";
import type { Environment, EnvironmentInput } from "../../components/environment";
import { planServer } from "../../components/servers";
import { gpuServer, planOf, site, stack } from "./environments";

const object = (environment: Environment, kind: string, name: string): KubernetesObject => {
  const found = planCluster(environment, planOf()).objects.find((each) => each.kind === kind && each.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found;
};
const data = (environment: Environment, name: string, file: string): unknown => JSON.parse((object(environment, "ConfigMap", name).data as Record<string, string>)[file] ?? "null");

interface DaemonSetSpec {
  template: { metadata: { annotations: Record<string, string> }; spec: { containers: { image: string; env?: { name: string; value: string }[]; securityContext: unknown }[]; automountServiceAccountToken: boolean } };
}
const templateOf = (environment: Environment, name: string): DaemonSetSpec["template"] => (object(environment, "DaemonSet", name).spec as DaemonSetSpec).template;

const withMig = (more: Partial<NonNullable<EnvironmentInput["cluster"]>> = {}): Environment =>
  site((input) => {
    input.servers["gpu-01"] = gpuServer("10.0.0.21", { gpus: { model: "a100-80gb-pcie", count: 2, mig: "3g.40gb" } });
    input.cluster = { ...input.cluster, ...more };
  });
const shared = (replicas: number): Environment => site((input) => { input.cluster = { ...input.cluster, timeSlicing: replicas }; });

/** NVIDIA/k8s-device-plugin v0.20.0: keys of api/config/v1 (config.go, flags.go, sharing.go, replicas.go), variables of cmd/nvidia-device-plugin/main.go. Its parser took this file. */
const plugin = {
  top: ["version", "flags", "resources", "sharing", "imex"],
  flags: ["migStrategy", "failOnInitError", "mpsRoot", "nvidiaDriverRoot", "nvidiaDevRoot", "gdrcopyEnabled", "gdsEnabled", "mofedEnabled", "useNodeFeatureAPI", "deviceDiscoveryStrategy", "plugin", "gfd"],
  plugin: ["passDeviceSpecs", "deviceListStrategy", "deviceIDStrategy", "cdiAnnotationPrefix", "nvidiaCTKPath", "containerDriverRoot", "sharedDevicesAllocationPolicy"],
  migStrategies: ["none", "single", "mixed"],
  timeSlicing: ["renameByDefault", "failRequestsGreaterThanOne", "resources"],
  resource: ["name", "rename", "devices", "replicas"],
  leastReplicas: 2,
  configFileVariable: "CONFIG_FILE",
};

describe("the device plugin", () => {
  it.each([["nothing special", site()], ["MIG", withMig()], ["time-slicing", shared(4)]])("is configured in its own words, with %s", (_, environment) => {
    const config = data(environment, "nvidia-device-plugin", "config.yaml") as { version: string; flags: Record<string, unknown> & { plugin: object }; sharing?: { timeSlicing: { resources: ({ replicas: number } & object)[] } } };
    expect(config.version).toBe("v1");
    expect(plugin.top).toEqual(expect.arrayContaining(Object.keys(config)));
    expect(plugin.flags).toEqual(expect.arrayContaining(Object.keys(config.flags)));
    expect(plugin.plugin).toEqual(expect.arrayContaining(Object.keys(config.flags.plugin)));
    expect(plugin.migStrategies).toContain(config.flags.migStrategy);
    expect(plugin.timeSlicing).toEqual(expect.arrayContaining(Object.keys(config.sharing?.timeSlicing ?? {})));
    for (const resource of config.sharing?.timeSlicing.resources ?? []) {
      expect(plugin.resource).toEqual(expect.arrayContaining(Object.keys(resource)));
      expect(resource.replicas).toBeGreaterThanOrEqual(plugin.leastReplicas);
    }
    expect(templateOf(environment, "nvidia-device-plugin").spec.containers[0]?.env).toContainEqual({ name: plugin.configFileVariable, value: "/config/config.yaml" });
  });

  it("offers slices under names of their own where a server has them, and may watch them then", () => {
    const flags = (environment: Environment): unknown => (data(environment, "nvidia-device-plugin", "config.yaml") as { flags: { migStrategy: string } }).flags.migStrategy;
    expect([flags(site()), flags(withMig())]).toEqual(["none", "mixed"]);
    expect(templateOf(site(), "nvidia-device-plugin").spec.containers[0]?.securityContext).toEqual({ allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true });
    expect(templateOf(withMig(), "nvidia-device-plugin").spec.containers[0]?.securityContext).toEqual({ capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] }, readOnlyRootFilesystem: true });
  });

  it("shares each GPU between as many pods as the environment says, and gives none of them two shares", () => {
    expect(data(shared(4), "nvidia-device-plugin", "config.yaml")).toMatchObject({ sharing: { timeSlicing: { failRequestsGreaterThanOne: true, resources: [{ name: "nvidia.com/gpu", replicas: 4 }] } } });
    expect(data(shared(1), "nvidia-device-plugin", "config.yaml")).not.toHaveProperty("sharing");
  });

  it("starts anew when its file changes, for it reads it once", () => {
    const annotations = [site(), withMig(), shared(2), shared(3)].map((environment) => templateOf(environment, "nvidia-device-plugin").metadata.annotations["rackwright.dev/config"]);
    expect(new Set(annotations).size).toBe(4);
  });

  it("comes from the site's registry, at one version, and has no token", () => {
    const { spec } = templateOf(site(), "nvidia-device-plugin");
    expect([spec.containers[0]?.image, spec.automountServiceAccountToken]).toEqual(["registry.example.org:5000/copies/nvidia/k8s-device-plugin:v0.20.0", false]);
    expect(templateOf(stack("dev-test"), "nvidia-device-plugin").spec.containers[0]?.image).toBe("nvcr.io/nvidia/k8s-device-plugin:v0.20.0");
  });
});

describe("the RDMA plugin", () => {
  /** Mellanox/k8s-rdma-shared-dev-plugin v1.5.3: pkg/types/types.go, and what ValidateConfigs asks of a name. Its parser took this file. */
  const fields = ["resourceName", "resourcePrefix", "rdmaHcaMax", "devices", "selectors"];

  it("offers the cards that the environment names, in its own words", () => {
    const config = data(stack("large-cluster"), "rdma-device-plugin", "config.json") as { configList: Record<string, unknown>[] };
    expect(config).toEqual({
      periodicUpdateInterval: 300,
      configList: [{ resourceName: "hca", resourcePrefix: "rdma", rdmaHcaMax: 110, selectors: { ifNames: ["ibs0", "ibs1", "ibs2", "ibs3", "ibs4", "ibs5", "ibs6", "ibs7"] } }],
    });
    expect(fields).toEqual(expect.arrayContaining(Object.keys(config.configList[0] ?? {})));
    expect(config.configList[0]?.resourceName).toMatch(/^[a-zA-Z0-9_]+$/);
  });
});

describe("the GPU Operator's orders", () => {
  const recorded = JSON.parse(readFileSync(join(__dirname, "recorded/clusterpolicy-v26.7.0.json"), "utf8")) as { required: string[]; fields: Record<string, string[]> };

  it.each([["nothing special", stack("large-cluster")], ["MIG and time-slicing", withMig({ gpuStack: "gpu-operator", timeSlicing: 2 })]])("have the fields that the release defines, and all that it requires, with %s", (_, environment) => {
    const spec = object(environment, "ClusterPolicy", "cluster-policy").spec as Record<string, object>;
    expect(Object.keys(spec)).toEqual(expect.arrayContaining(recorded.required));
    for (const [component, settings] of Object.entries(spec)) expect(recorded.fields[component], component).toEqual(expect.arrayContaining(Object.keys(settings)));
  });

  it("leave the driver and the toolkit to the hosts", () => {
    expect(object(stack("large-cluster"), "ClusterPolicy", "cluster-policy").spec).toMatchObject({ driver: { enabled: false }, toolkit: { enabled: false }, mig: { strategy: "none" }, migManager: { enabled: false } });
  });

  it("name images in the site's registry", () => {
    expect(object(stack("large-cluster"), "ClusterPolicy", "cluster-policy").spec).toMatchObject({ devicePlugin: { repository: "registry.group.example/mirror/nvidia", image: "k8s-device-plugin", version: "v0.20.0" } });
  });

  it("point at a configuration of the plugin where GPUs are shared", () => {
    const environment = withMig({ gpuStack: "gpu-operator", timeSlicing: 2 });
    expect(object(environment, "ClusterPolicy", "cluster-policy").spec).toMatchObject({ devicePlugin: { config: { name: "nvidia-device-plugin", default: "default" } }, mig: { strategy: "mixed" }, migManager: { enabled: true } });
    expect(data(environment, "nvidia-device-plugin", "default")).toMatchObject({ sharing: { timeSlicing: { resources: [{ replicas: 2 }] } } });
  });
});

describe("MIG on the host", () => {
  const step = (environment: Environment): unknown => planServer(environment, "gpu-01").steps.find(({ kind }) => kind === "mig");

  it("is a step after the driver, with as many instances as fit a card", () => {
    expect(step(withMig())).toMatchObject({ name: "gpu-01-mig", args: ["--profile", "3g.40gb", "--instances", "2", "--gpu-count", "2"], dependsOn: ["gpu-01-driver"] });
  });

  it("is none where the operator makes the slices, and where there is no profile", () => {
    expect(step(withMig({ gpuStack: "gpu-operator" }))).toBeUndefined();
    expect(step(site())).toBeUndefined();
  });
});
