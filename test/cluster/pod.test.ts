import { describe, expect, it } from "vitest";
import { pinnedTo, restrictedContainer, restrictedPod, tolerationsFor, writableDirs } from "../../components/cluster/pod";
import { cpuServer, gpuServer, site, stack } from "./environments";

describe("a pod's parts", () => {
  it("run as one user without rights, whose group owns the volumes, and hold no token", () => {
    expect(restrictedPod()).toEqual({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, fsGroupChangePolicy: "OnRootMismatch", seccompProfile: { type: "RuntimeDefault" } },
    });
    expect(restrictedContainer()).toEqual({ securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true } });
  });

  it("write to folders that are empty at first, in memory where they have a bound", () => {
    expect(writableDirs({ tmp: "/tmp", shm: { path: "/dev/shm", memoryGiB: 16 } })).toEqual({
      volumes: [{ name: "tmp", emptyDir: {} }, { name: "shm", emptyDir: { medium: "Memory", sizeLimit: "16Gi" } }],
      volumeMounts: [{ name: "tmp", mountPath: "/tmp" }, { name: "shm", mountPath: "/dev/shm" }],
    });
  });

  it("may go to the named servers and to no others", () => {
    expect(pinnedTo(["gpu-01", "gpu-02"])).toEqual({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["gpu-01", "gpu-02"] }] }] } } },
    });
  });

  it("tolerate the taints of their servers' nodes and no others'", () => {
    const environment = site((input) => {
      input.servers["gpu-02"] = gpuServer("10.0.0.22", { taints: [{ key: "site.example/lab", value: "b", effect: "NoExecute" }, { key: "site.example/old", effect: "PreferNoSchedule" }] });
      input.servers["gpu-03"] = cpuServer("10.0.0.23");
    });
    const gpu = { key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" };
    const lab = [{ key: "site.example/lab", operator: "Equal", value: "b", effect: "NoExecute" }, { key: "site.example/old", operator: "Equal", value: "", effect: "PreferNoSchedule" }];
    expect(tolerationsFor(environment, ["gpu-01"])).toEqual([gpu]);
    expect(tolerationsFor(environment, ["gpu-02", "gpu-01"])).toEqual([gpu, ...lab]);
    expect(tolerationsFor(environment, ["gpu-03"])).toEqual([]);
    expect(tolerationsFor(environment, ["no-such", "constructor"])).toEqual([]);
    expect(tolerationsFor(stack("dev-test"), ["gpu-01"])).toEqual([]);
  });
});
