import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Environment, EnvironmentInput } from "../../components/environment";
import { pathText } from "../../components/environment/problems";
import { planCluster } from "../../components/cluster/plan";
import type { KubernetesObject } from "../../components/cluster/object";
import { validEnvironment } from "../support/arbitraries";
import { cpuServer, gpuServer, parsed, planOf, site, stack, stackNames } from "./environments";

const label = ({ kind, metadata: { name, namespace } }: KubernetesObject): string => `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
const namesOf = (environment: Environment, plan = planOf()): string[] => planCluster(environment, plan).objects.map(label);
const find = (environment: Environment, wanted: string, plan = planOf()): KubernetesObject => {
  const found = planCluster(environment, plan).objects.find((object) => label(object) === wanted);
  if (found === undefined) throw new Error(`no ${wanted} among ${namesOf(environment, plan).join(", ")}`);
  return found;
};
const findings = (environment: Environment, plan = planOf()): string[] => planCluster(environment, plan).findings.map(({ keys, message }) => `${pathText(keys)} ${message}`);
const change = (input: EnvironmentInput, more: Partial<NonNullable<EnvironmentInput["cluster"]>>): void => { input.cluster = { ...input.cluster, ...more }; };

const ownNamespaces = ["inference", "training", "accelerators", "monitoring", "exporters"];
const closedNamespaces = ownNamespaces.flatMap((name) => [`NetworkPolicy ${name}/default-deny`, `NetworkPolicy ${name}/dns`]);
const everywhere = [...ownNamespaces.map((name) => `Namespace ${name}`), ...closedNamespaces, "PriorityClass rackwright-interactive", "PriorityClass rackwright-batch"];
const quotas = ["ResourceQuota inference/accelerators", "ResourceQuota training/accelerators"];
const devicePlugin = ["ConfigMap accelerators/nvidia-device-plugin", "DaemonSet accelerators/nvidia-device-plugin"];

describe("objects of a cluster", () => {
  it("are, for one small server, its namespaces, classes, quotas and device plugin", () => {
    expect(namesOf(stack("dev-test"))).toEqual([...everywhere, "RuntimeClass rackwright-nvidia", ...quotas, ...devicePlugin]);
  });

  it("are, for a large cluster, the operator with what it needs, and the RDMA plugin", () => {
    expect(namesOf(stack("large-cluster"))).toEqual([
      ...everywhere, "RuntimeClass rackwright-nvidia", ...quotas,
      "CustomResourceDefinition clusterpolicies.nvidia.com", "CustomResourceDefinition gpuclusters.nvidia.com", "CustomResourceDefinition nvidiadrivers.nvidia.com",
      "ServiceAccount accelerators/gpu-operator", "ClusterRole gpu-operator", "ClusterRoleBinding gpu-operator", "Role accelerators/gpu-operator", "RoleBinding accelerators/gpu-operator",
      "NetworkPolicy accelerators/api-server", "Deployment accelerators/gpu-operator", "ClusterPolicy cluster-policy",
      "ConfigMap accelerators/rdma-device-plugin", "DaemonSet accelerators/rdma-device-plugin",
    ]);
  });

  it("are none where there is no cluster", () => {
    const none = parsed({ site: { name: "site" }, servers: { one: gpuServer("10.0.0.1") } });
    expect(planCluster(none, planOf())).toEqual({ objects: [], nodes: [], findings: [] });
  });

  it("are without everything of NVIDIA's where no server has its GPUs, and offer an NPU by its resource's name", () => {
    const npu = site((input) => {
      for (const name of Object.keys(input.servers)) if (name.startsWith("gpu-")) input.servers[name] = cpuServer(`10.0.1.${name.slice(-1)}`, { npus: { resourceName: "vendor.example/npu", count: 8 } });
    });
    expect(namesOf(npu)).toEqual([...everywhere, ...quotas]);
    expect(find(npu, "ResourceQuota inference/accelerators", planOf([{ resource: "vendor.example/npu", devicesPerPod: 2 }])).spec).toEqual({ hard: { "requests.vendor.example/npu": "2" } });
  });

  it.each(stackNames)("of %s are named once each, and their namespaces are made before them", (name) => {
    const environment = stack(name);
    const { objects } = planCluster(environment, planOf());
    const names = objects.map(label);
    expect(new Set(names).size).toBe(names.length);
    for (const [index, { metadata: { namespace } }] of objects.entries()) if (namespace !== undefined) expect(names.slice(0, index)).toContain(`Namespace ${namespace}`);
  });
});

describe("a namespace", () => {
  it.each([["inference", "restricted"], ["training", "restricted"], ["accelerators", "privileged"]])("%s holds pods to the level %s of one version", (name, level) => {
    expect(find(site(), `Namespace ${name}`).metadata.labels).toEqual({
      "app.kubernetes.io/managed-by": "rackwright",
      "pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/enforce-version": "v1.35",
      "pod-security.kubernetes.io/audit": level, "pod-security.kubernetes.io/audit-version": "v1.35",
      "pod-security.kubernetes.io/warn": level, "pod-security.kubernetes.io/warn-version": "v1.35",
    });
  });

  it("lets nothing in or out but lookups of names at the cluster's own DNS", () => {
    expect(find(site(), "NetworkPolicy inference/default-deny").spec).toEqual({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    expect(find(site(), "NetworkPolicy inference/dns").spec).toEqual({
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [{
        to: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } }, podSelector: { matchLabels: { "k8s-app": "kube-dns" } } }],
        ports: [{ protocol: "UDP", port: 53 }, { protocol: "TCP", port: 53 }],
      }],
    });
  });

  it("leaves out what Kubernetes makes in a namespace by itself: a second creation would fail", () => {
    const own = planCluster(site(), planOf()).objects.filter(({ kind, metadata }) => (kind === "ServiceAccount" && metadata.name === "default") || (kind === "ConfigMap" && metadata.name === "kube-root-ca.crt"));
    expect(own).toEqual([]);
  });
});

describe("priorities", () => {
  it("let interactive requests push batch work aside, and batch work nothing", () => {
    const interactive = find(site(), "PriorityClass rackwright-interactive");
    const batch = find(site(), "PriorityClass rackwright-batch");
    expect(Number(interactive.value)).toBeGreaterThan(Number(batch.value));
    expect([interactive.preemptionPolicy, batch.preemptionPolicy]).toEqual(["PreemptLowerPriority", "Never"]);
  });
});

describe("quotas", () => {
  const plan = planOf([{ replicas: 2, devicesPerPod: 1 }, { servers: ["gpu-01", "gpu-02"], devicesPerPod: 4 }], [{ servers: ["gpu-03"], devicesPerPod: 3 }]);
  const hard = (environment: Environment, namespace: string): unknown => (find(environment, `ResourceQuota ${namespace}/accelerators`, plan).spec as { hard: unknown }).hard;

  it("are what the plan needs where the environment says nothing", () => {
    expect(hard(site(), "inference")).toEqual({ "requests.nvidia.com/gpu": "10" });
    expect(hard(site(), "training")).toEqual({ "requests.nvidia.com/gpu": "3" });
    expect(findings(site(), plan)).toEqual([]);
  });

  it("are what the environment says, and bound CPU and memory only then", () => {
    const stated = site((input) => { change(input, { quotas: { inference: { gpus: 11, cpus: 400, memoryGiB: 1024 } } }); });
    expect(hard(stated, "inference")).toEqual({ "requests.nvidia.com/gpu": "11", "requests.cpu": "400", "requests.memory": "1024Gi" });
    expect(findings(stated, plan)).toEqual([]);
  });

  it("are a finding where they are less than the plan needs", () => {
    const tight = site((input) => { change(input, { quotas: { inference: { gpus: 9, cpus: 32, memoryGiB: 256 }, training: { gpus: 0 } } }); });
    expect(findings(tight, plan)).toEqual([
      "cluster.quotas.inference.gpus is less than the 10 that the services are planned with",
      "cluster.quotas.inference.cpus is less than the 33 that the services are planned with",
      "cluster.quotas.inference.memoryGiB is less than the 257 that the services are planned with",
      "cluster.quotas.training.gpus is less than the 3 that the training jobs are planned with",
    ]);
  });

  it("bound slices and whole GPUs apart", () => {
    const mixed = site((input) => { input.servers["gpu-02"] = gpuServer("10.0.0.22", { gpus: { model: "a100-80gb-pcie", count: 4, mig: "1g.10gb" } }); });
    const slices = planOf([{ resource: "nvidia.com/mig-1g.10gb", replicas: 5 }, {}]);
    expect(find(mixed, "ResourceQuota inference/accelerators", slices).spec).toEqual({ hard: { "requests.nvidia.com/gpu": "1", "requests.nvidia.com/mig-1g.10gb": "5" } });
  });
});

describe("nodes", () => {
  const node = (environment: Environment, name: string): KubernetesObject | undefined => planCluster(environment, planOf()).nodes.find(({ metadata }) => metadata.name === name);

  it("say their GPUs in the words of NVIDIA's feature discovery, and their rack", () => {
    const environment = site((input) => {
      input.site.racks = { "rack-a": {} };
      input.servers["gpu-01"] = gpuServer("10.0.0.21", { rack: { name: "rack-a", unit: 1 }, labels: { "site.example/row": "7" }, nics: { ens1: { speedGbps: 100, rdma: "roce" } } });
    });
    expect(node(environment, "gpu-01")).toEqual({
      apiVersion: "v1",
      kind: "Node",
      metadata: {
        name: "gpu-01",
        annotations: { "pulumi.com/patchForce": "true" },
        labels: {
          "rackwright.dev/rack": "rack-a", "rackwright.dev/gpu": "a100-80gb-pcie", "rackwright.dev/rdma": "true",
          "nvidia.com/gpu.present": "true", "nvidia.com/gpu.count": "4", "nvidia.com/gpu.product": "NVIDIA-A100-80GB-PCIe", "nvidia.com/mig.capable": "true",
          "site.example/row": "7",
        },
      },
      spec: { taints: [{ key: "nvidia.com/gpu", value: "present", effect: "NoSchedule" }] },
    });
    expect(node(environment, "ctrl-01")).toBeUndefined();
  });

  it("with GPUs keep others' pods away only where those have another node to run on", () => {
    const spec = (environment: Environment): unknown => node(environment, "gpu-01")?.spec;
    expect(spec(stack("dev-test"))).toBeUndefined();
    expect(spec(stack("sme-production"))).toEqual({ taints: [{ key: "nvidia.com/gpu", value: "present", effect: "NoSchedule" }] });
    const closed = site((input) => {
      for (const name of ["ctrl-01", "ctrl-02", "ctrl-03"]) Object.assign(input.servers[name] as object, { taints: [{ key: "site.example/control", effect: "NoSchedule" }] });
    });
    expect(spec(closed)).toBeUndefined();
    expect(node(closed, "ctrl-01")?.spec).toEqual({ taints: [{ key: "site.example/control", effect: "NoSchedule" }] });
  });

  it("say of shared GPUs that they are shared, as feature discovery does", () => {
    const product = (timeSlicing: number | undefined, gpus: { model: string; count: number; mig?: string }): unknown => {
      const environment = site((input) => {
        if (timeSlicing !== undefined) change(input, { timeSlicing });
        input.servers["gpu-01"] = gpuServer("10.0.0.21", { gpus });
      });
      return node(environment, "gpu-01")?.metadata.labels?.["nvidia.com/gpu.product"];
    };
    const whole = { model: "a100-80gb-pcie", count: 4 };
    expect(product(4, whole)).toBe("NVIDIA-A100-80GB-PCIe-SHARED");
    expect(product(undefined, whole)).toBe("NVIDIA-A100-80GB-PCIe");
    expect(product(4, { ...whole, mig: "3g.40gb" })).toBe("NVIDIA-A100-80GB-PCIe");
  });

  it("say to the operator what it looks for, and which slices to make", () => {
    const environment = site((input) => {
      change(input, { gpuStack: "gpu-operator" });
      input.servers["gpu-01"] = gpuServer("10.0.0.21", { gpus: { model: "a100-80gb-pcie", count: 4, mig: "3g.40gb" } });
    });
    expect(node(environment, "gpu-01")?.metadata.labels).toMatchObject({
      "feature.node.kubernetes.io/pci-10de.present": "true", "feature.node.kubernetes.io/system-os_release.ID": "ubuntu", "feature.node.kubernetes.io/system-os_release.VERSION_ID": "22.04",
      "nvidia.com/mig.config": "all-3g.40gb",
    });
  });
});

describe("what cannot work", () => {
  it.each<[string, (input: EnvironmentInput) => void, string]>([
    ["an even number of servers with etcd", (input) => { Object.assign(input.servers["ctrl-03"] as object, { roles: ["worker"] }); change(input, { controlPlane: ["ctrl-01", "ctrl-02"] }); }, "cluster.controlPlane names an even number of servers: losing half of them stops the cluster, as with one server less"],
    ["k3s with nowhere to get it from", (input) => { delete input.site.mirror?.files; }, "site.mirror.files is needed for k3s at a site without internet"],
    ["networks that overlap", (input) => { change(input, { serviceCidr: "10.42.128.0/24" }); }, "cluster.serviceCidr overlaps with cluster.podCidr 10.42.0.0/16"],
    ["pods with the addresses of a server", (input) => { input.servers = { "ctrl-01": cpuServer("10.42.3.1", { roles: ["control-plane"] }) }; change(input, { controlPlane: ["ctrl-01"] }); }, "cluster.podCidr contains the address of servers.ctrl-01, 10.42.3.1, which no pod could reach then"],
    ["more servers than networks for their pods", (input) => { change(input, { podCidr: "10.42.0.0/22" }); }, "cluster.podCidr has room for 4 nodes of 256 addresses each; there are 6 servers"],
    ["GPUs that no container reaches", (input) => { input.software = { driver: { containerToolkit: false } }; }, "software.driver.containerToolkit is off, but the cluster's containers reach GPUs through it"],
  ])("is found: %s", (_, spoil, message) => {
    expect(findings(site())).toEqual([]);
    expect(findings(site(spoil))).toEqual([message]);
  });

  it("is found: several GPUs a replica where GPUs are shared", () => {
    const shared = site((input) => { change(input, { timeSlicing: 4 }); });
    expect(findings(shared, planOf([{ devicesPerPod: 2 }], [{ devicesPerPod: 4 }]))).toEqual(["cluster.timeSlicing cannot be together with workloads on several GPUs (services.assistant, training.job-0): two shares may be of one card"]);
    expect(findings(shared, planOf([{}]))).toEqual([]);
    expect(findings(site(), planOf([{ devicesPerPod: 2 }]))).toEqual([]);
  });

  it("is not asked of a cluster that exists: its control plane is somebody else's", () => {
    const existing = site((input) => { change(input, { distribution: "existing", controlPlane: [], podCidr: "10.0.0.0/16" }); delete input.site.mirror?.files; for (const server of Object.values(input.servers)) server.roles = ["worker"]; });
    expect(findings(existing)).toEqual([]);
  });

  it("is not in any environment that is shipped", () => {
    for (const name of stackNames) expect(findings(stack(name))).toEqual([]);
  });
});

describe("any environment", () => {
  const cluster = validEnvironment.chain((input) => fc.record({ gpuStack: fc.constantFrom("device-plugin" as const, "gpu-operator" as const), timeSlicing: fc.option(fc.integer({ min: 1, max: 16 }), { nil: undefined }) }).map((more) => ({ ...input, cluster: { ...input.cluster, ...more } })));

  it("gives objects with names of their own, in namespaces that let nothing through unasked", () => {
    fc.assert(
      fc.property(cluster, (input) => {
        const environment = parsed(JSON.parse(JSON.stringify(input)));
        const { objects, nodes } = planCluster(environment, planOf());
        const names = objects.map(label);
        expect(new Set(names).size).toBe(names.length);
        for (const { metadata, kind } of objects) {
          expect(metadata.name).toMatch(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
          if (kind === "Namespace") expect(names).toContain(`NetworkPolicy ${metadata.name}/default-deny`);
        }
        for (const { metadata } of nodes) {
          expect(Object.keys(environment.servers)).toContain(metadata.name);
          for (const value of Object.values(metadata.labels ?? {})) expect(value).toMatch(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/);
        }
        expect(JSON.parse(JSON.stringify({ objects, nodes }))).toEqual({ objects, nodes });
      }),
      { numRuns: 60 },
    );
  });
});
