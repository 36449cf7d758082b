import { describe, expect, it } from "vitest";
import { lostPods, outOfServiceTaint, tolerates, type PodObject } from "../../../components/recovery/fence/pods";

const owned = (kind: string, name: string): PodObject["metadata"]["ownerReferences"] => [{ kind, name, controller: true }];
const pod = (more: Partial<PodObject["spec"]> = {}, metadata: Partial<PodObject["metadata"]> = {}, phase = "Running"): PodObject => ({
  metadata: { name: "a", namespace: "n", ownerReferences: owned("Job", "j") ?? [], ...metadata }, spec: more, status: { phase },
});
const lost = (one: PodObject, ...more: Parameters<typeof lostPods> extends [unknown, unknown, ...infer Rest] ? Partial<Rest> : never) => lostPods("gpu-01", [one], more[0] ?? [], more[1] ?? []);
const expression = (values: string[], key = "kubernetes.io/hostname", operator = "In") => ({ key, operator, values });
const required = (...terms: object[]): PodObject["spec"] => ({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } } });

describe("what becomes of a pod when its node is fenced", () => {
  it("it is made anew elsewhere, or is gone where nothing makes it anew", () => {
    expect(lost(pod())).toEqual([{ namespace: "n", name: "a", owner: "Job j", then: "elsewhere" }]);
    expect(lost(pod({}, { ownerReferences: [] }))).toEqual([{ namespace: "n", name: "a", then: "gone" }]);
    expect(lost(pod({}, { ownerReferences: [{ kind: "Thing", name: "t" }] }))).toMatchObject([{ then: "gone" }]);
  });

  it.each<[string, PodObject["spec"], boolean]>([
    ["a node selector with this host name", { nodeSelector: { "kubernetes.io/hostname": "gpu-01" } }, true],
    ["a node selector with another label", { nodeSelector: { zone: "gpu-01" } }, false],
    ["an affinity to this host alone", required({ matchExpressions: [expression(["gpu-01"]), expression(["a"], "zone")] }), true],
    ["an affinity to this node's name", required({ matchFields: [expression(["gpu-01"], "metadata.name")] }), true],
    ["an affinity to two hosts", required({ matchExpressions: [expression(["gpu-01", "gpu-02"])] }), false],
    ["one of two ways leads elsewhere", required({ matchExpressions: [expression(["gpu-01"])] }, { matchExpressions: [expression(["gpu-02"])] }), false],
    ["an affinity away from this host", required({ matchExpressions: [expression(["gpu-01"], "kubernetes.io/hostname", "NotIn")] }), false],
  ])("%s: waits is %s", (_what, spec, waits) => {
    expect(lost(pod(spec))).toMatchObject([waits ? { then: "waits", because: "it is bound to gpu-01" } : { then: "elsewhere" }]);
  });

  it("it waits where its volume lies on the node, and not where the volume can go along", () => {
    const spec = { volumes: [{ persistentVolumeClaim: { claimName: "c" } }, {}] };
    const claims = [{ metadata: { name: "c", namespace: "n" }, spec: { volumeName: "v" } }, { metadata: { name: "c", namespace: "other" }, spec: { volumeName: "w" } }];
    const local = { metadata: { name: "v" }, spec: { nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [expression(["gpu-01"])] }] } } } };
    expect(lost(pod(spec), claims, [local])).toMatchObject([{ then: "waits", because: "its volume c is on gpu-01" }]);
    expect(lost(pod(spec), claims, [{ metadata: { name: "v" }, spec: {} }, { ...local, metadata: { name: "w" } }])).toMatchObject([{ then: "elsewhere" }]);
    expect(lost(pod(spec), [], [local])).toMatchObject([{ then: "elsewhere" }]);
  });

  it("it is left out where it has ended, is the kubelet's own or the node's, or tolerates the taint", () => {
    const stays = [
      pod({}, {}, "Succeeded"),
      pod({}, {}, "Failed"),
      pod({}, { annotations: { "kubernetes.io/config.mirror": "x" } }),
      pod({}, { ownerReferences: owned("DaemonSet", "d") ?? [] }),
      pod({}, { ownerReferences: owned("Node", "gpu-01") ?? [] }),
      pod({ tolerations: [{ operator: "Exists" }] }),
    ];
    for (const each of stays) expect(lost(each)).toEqual([]);
  });
});

describe("which tolerations outlast the taint", () => {
  const { key, value } = outOfServiceTaint;
  it.each<[object, boolean]>([
    [{ operator: "Exists" }, true],
    [{ operator: "Exists", effect: "NoExecute" }, true],
    [{ operator: "Exists", effect: "NoSchedule" }, false],
    [{ key, operator: "Exists" }, true],
    [{ key, operator: "Equal", value }, true],
    [{ key, value }, true],
    [{ key, value: "other" }, false],
    [{ key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" }, false],
    [{}, false],
  ])("%j: %s", (toleration, outlasts) => expect(tolerates(toleration)).toBe(outlasts));
});
