import { describe, expect, it } from "vitest";
import { planCluster } from "../../../components/cluster/plan";
import { planWorkloads } from "../../../components/inference";
import { nodeObject } from "../../../rehearsal/control-plane/node-object";
import { featureLabels, nodeShape } from "../../../rehearsal/control-plane/nodes";
import { cpuServer, gpuServer, site, stack, stackNames } from "../../cluster/environments";

const one = (change: Parameters<typeof site>[0]) => site(change);

describe("the node of a server", () => {
  it("offers its GPUs, and to pods less than it has", () => {
    const shape = nodeShape(one(() => undefined), "gpu-01");
    expect(shape.capacity["nvidia.com/gpu"]).toBe("4");
    expect(Number(shape.allocatable?.["cpu"])).toBeLessThan(Number(shape.capacity["cpu"]));
    expect(shape.address).toBe("10.0.0.21");
  });

  it("offers slices instead of GPUs where they are cut", () => {
    const environment = one((input) => {
      input.servers["gpu-01"] = gpuServer("10.0.0.21", { gpus: { model: "a100-80gb-pcie", count: 2, mig: "1g.10gb" } });
    });
    const { capacity } = nodeShape(environment, "gpu-01");
    expect(capacity["nvidia.com/mig-1g.10gb"]).toBe("14");
    expect(capacity["nvidia.com/gpu"]).toBeUndefined();
  });

  it("offers each GPU several times where they are shared", () => {
    const environment = one((input) => {
      input.cluster = { ...input.cluster, timeSlicing: 4 };
    });
    expect(nodeShape(environment, "gpu-01").capacity["nvidia.com/gpu"]).toBe("16");
  });

  it("offers NPUs by their resource and RDMA cards to many pods", () => {
    const environment = one((input) => {
      input.servers["npu-01"] = cpuServer("10.0.0.41", { npus: { resourceName: "vendor.example/npu", count: 8 }, nics: { ens1: { speedGbps: 100, rdma: "roce" } } });
    });
    expect(nodeShape(environment, "npu-01").capacity).toMatchObject({ "vendor.example/npu": "8", "rdma/hca": "110" });
  });

  it("joins without taints and without the environment's labels, which the cluster component sets", () => {
    const environment = one((input) => {
      input.servers["gpu-01"] = gpuServer("10.0.0.21", { labels: { "site.example/row": "7" }, taints: [{ key: "site.example/lab", effect: "NoSchedule" }] });
    });
    const object = nodeObject(nodeShape(environment, "gpu-01")) as { metadata: { labels: Record<string, string> }; spec: object };
    expect(object.spec).toEqual({});
    expect(object.metadata.labels).toEqual({ "kubernetes.io/hostname": "gpu-01", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" });
  });

  it("is of the control plane where the environment says so", () => {
    expect(nodeShape(one(() => undefined), "ctrl-01").labels).toEqual({ "node-role.kubernetes.io/control-plane": "true" });
  });

  it("is refused for a server that is not there, inherited names included", () => {
    for (const name of ["nobody", "toString"]) expect(() => nodeShape(one(() => undefined), name)).toThrow(`the environment has no server ${name}`);
  });
});

describe("NVIDIA's feature discovery", () => {
  const labelsWith = (gpus: Parameters<typeof gpuServer>[1], timeSlicing?: number): Record<string, string> => {
    const environment = one((input) => {
      input.servers["gpu-01"] = gpuServer("10.0.0.21", gpus);
      input.cluster = { distribution: "existing", ...(timeSlicing === undefined ? {} : { timeSlicing }) };
    });
    return nodeShape(environment, "gpu-01").labels ?? {};
  };

  it("may run in a cluster that exists; on k3s the component sets its labels", () => {
    expect(labelsWith({})["nvidia.com/gpu.family"]).toBe("ampere");
    expect(nodeShape(one(() => undefined), "gpu-01").labels).toEqual({});
  });

  it("names product, count, memory and compute capability", () => {
    expect(labelsWith({ gpus: { model: "h100-80gb-sxm5", count: 8, nvlink: "nvswitch" } })).toMatchObject({
      "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.count": "8", "nvidia.com/gpu.memory": "81920", "nvidia.com/gpu.family": "hopper",
      "nvidia.com/gpu.compute.major": "9", "nvidia.com/gpu.compute.minor": "0", "nvidia.com/gpu.replicas": "1", "nvidia.com/gpu.sharing-strategy": "none",
    });
    expect(labelsWith({ gpus: { model: "rtx-4090", count: 1 } })["nvidia.com/gpu.family"]).toBe("ada-lovelace");
  });

  it("says that a GPU is shared", () => {
    expect(labelsWith({}, 4)).toMatchObject({ "nvidia.com/gpu.product": expect.stringMatching(/-SHARED$/) as string, "nvidia.com/gpu.replicas": "4", "nvidia.com/gpu.count": "4", "nvidia.com/gpu.sharing-strategy": "time-slicing" });
  });

  it("counts slices", () => {
    expect(labelsWith({ gpus: { model: "a100-80gb-pcie", count: 2, mig: "1g.10gb" } })).toMatchObject({ "nvidia.com/mig.strategy": "mixed", "nvidia.com/mig-1g.10gb.count": "14", "nvidia.com/mig.capable": "true" });
  });

  it("names the driver of the environment", () => {
    const labels = featureLabels(stack("large-cluster"), stack("large-cluster").servers["gpu-01"] as never);
    expect(labels["nvidia.com/cuda.driver.major"]).toMatch(/^\d{3}$/);
  });

  it("never says otherwise than the cluster component, which sets some of its labels too", () => {
    for (const name of stackNames) {
      const environment = stack(name);
      for (const { metadata } of planCluster(environment, planWorkloads(environment)).nodes) {
        const server = environment.servers[metadata.name];
        if (server === undefined) throw new Error(metadata.name);
        const own = featureLabels(environment, server);
        for (const [key, value] of Object.entries(metadata.labels ?? {})) if (Object.hasOwn(own, key)) expect([name, metadata.name, key, own[key]]).toEqual([name, metadata.name, key, value]);
      }
    }
  });
});
