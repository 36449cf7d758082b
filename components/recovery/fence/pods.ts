import type { LostPod } from "./facts";

/**
 * Kubernetes' word for "this node is surely off": pods there are deleted at once and their volumes detached
 * (https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown; facts 6).
 */
export const outOfServiceTaint = { key: "node.kubernetes.io/out-of-service", value: "nodeshutdown", effect: "NoExecute" } as const;

export interface Toleration {
  key?: string;
  operator?: string;
  value?: string;
  effect?: string;
}

interface Expression {
  key: string;
  operator: string;
  values?: readonly string[];
}

/** What is read of a pod (core/v1). */
export interface PodObject {
  metadata: { name: string; namespace: string; annotations?: Record<string, string>; ownerReferences?: readonly { kind: string; name: string; controller?: boolean }[] };
  spec: {
    tolerations?: readonly Toleration[];
    nodeSelector?: Record<string, string>;
    affinity?: { nodeAffinity?: { requiredDuringSchedulingIgnoredDuringExecution?: NodeSelector } };
    volumes?: readonly { persistentVolumeClaim?: { claimName: string } }[];
  };
  status?: { phase?: string };
}

interface NodeSelector {
  nodeSelectorTerms: readonly { matchExpressions?: readonly Expression[]; matchFields?: readonly Expression[] }[];
}

export interface ClaimObject {
  metadata: { name: string; namespace: string };
  spec: { volumeName?: string };
}

export interface VolumeObject {
  metadata: { name: string };
  spec: { nodeAffinity?: { required?: NodeSelector } };
}

export function tolerates({ key, operator, value, effect }: Toleration): boolean {
  if (effect !== undefined && effect !== "" && effect !== outOfServiceTaint.effect) return false;
  if (key === undefined || key === "") return operator === "Exists";
  if (key !== outOfServiceTaint.key) return false;
  return operator === "Exists" || (value ?? "") === outOfServiceTaint.value;
}

/** Labels and fields that name one node alone. */
const nodeNames = new Set(["kubernetes.io/hostname", "metadata.name"]);

/** Whether every way of meeting a selector leads to this node alone. */
function onlyHere(selector: NodeSelector | undefined, node: string): boolean {
  const terms = selector?.nodeSelectorTerms ?? [];
  const namesNode = ({ key, operator, values = [] }: Expression): boolean => nodeNames.has(key) && operator === "In" && values.length === 1 && values[0] === node;
  return terms.length > 0 && terms.every(({ matchExpressions = [], matchFields = [] }) => [...matchExpressions, ...matchFields].some(namesNode));
}

/** Why a pod that is made anew can run on this node only; undefined where it can go elsewhere. */
function tie({ metadata, spec }: PodObject, node: string, claims: ReadonlyMap<string, ClaimObject>, volumes: ReadonlyMap<string, VolumeObject>): string | undefined {
  for (const { persistentVolumeClaim } of spec.volumes ?? []) {
    if (persistentVolumeClaim === undefined) continue;
    const claim = claims.get(`${metadata.namespace}/${persistentVolumeClaim.claimName}`);
    const volume = volumes.get(claim?.spec.volumeName ?? "");
    if (onlyHere(volume?.spec.nodeAffinity?.required, node)) return `its volume ${persistentVolumeClaim.claimName} is on ${node}`;
  }
  const pinned = [...nodeNames].some((key) => spec.nodeSelector?.[key] === node) || onlyHere(spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution, node);
  return pinned ? `it is bound to ${node}` : undefined;
}

/**
 * The pods that end with a node, and what becomes of each. Left out: what has ended already, what the kubelet itself runs,
 * pods of a DaemonSet that belong to the node, and those that tolerate the taint. Pure.
 */
export function lostPods(node: string, pods: readonly PodObject[], claims: readonly ClaimObject[], volumes: readonly VolumeObject[]): LostPod[] {
  const claimsByName = new Map(claims.map((claim) => [`${claim.metadata.namespace}/${claim.metadata.name}`, claim]));
  const volumesByName = new Map(volumes.map((volume) => [volume.metadata.name, volume]));
  return pods.filter(leaves).map((pod): LostPod => {
    const { namespace, name, ownerReferences = [] } = pod.metadata;
    const controller = ownerReferences.find((owner) => owner.controller === true);
    if (controller === undefined) return { namespace, name, then: "gone" };
    const because = tie(pod, node, claimsByName, volumesByName);
    return { namespace, name, owner: `${controller.kind} ${controller.name}`, ...(because === undefined ? { then: "elsewhere" } : { then: "waits", because }) };
  });
}

/** Whether the taint takes it away, and that is worth a word. */
function leaves({ metadata, spec, status }: PodObject): boolean {
  if (status?.phase === "Succeeded" || status?.phase === "Failed") return false;
  if (metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined) return false;
  if (metadata.ownerReferences?.some(({ kind, controller }) => controller === true && (kind === "DaemonSet" || kind === "Node")) === true) return false;
  return !(spec.tolerations ?? []).some(tolerates);
}
