import type { NodeFacts, NodeReading } from "./facts";
import { lostPods, outOfServiceTaint, type ClaimObject, type PodObject, type VolumeObject } from "./pods";
import type { NodePort } from "./run";

/**
 * One call to the API server. @returns undefined for 404
 * @throws ApiConflict where an object has changed meanwhile, and any other Error with a sentence for the user.
 */
export type ApiCall = <T>(method: "GET" | "PATCH", path: string, body?: unknown, contentType?: string) => Promise<T | undefined>;

/** The object has changed since it was read. */
export class ApiConflict extends Error {}

interface Taint {
  key: string;
  value?: string;
  effect: string;
}

interface NodeObject {
  metadata: { name: string; resourceVersion: string };
  spec?: { taints?: Taint[] };
  status?: { conditions?: { type: string; status: string; reason?: string; message?: string; lastTransitionTime?: string }[]; nodeInfo?: { systemUUID?: string } };
}

interface List<T> {
  items?: T[];
}

/** Objects change all the time under the node controller's hands. */
const attempts = 5;

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const isFence = ({ key }: Taint): boolean => key === outOfServiceTaint.key;

/** Names of the nodes that are fenced. @throws Error with a sentence for the user where the API server cannot be asked. */
export async function fencedNodes(call: ApiCall): Promise<string[]> {
  const nodes = await call<List<NodeObject>>("GET", "/api/v1/nodes");
  return (nodes?.items ?? []).filter(({ spec }) => (spec?.taints ?? []).some(isFence)).map(({ metadata }) => metadata.name);
}

/** One server's node in a cluster. */
export function nodePort(name: string, call: ApiCall): NodePort {
  const path = `/api/v1/nodes/${encodeURIComponent(name)}`;
  return {
    read: async () => {
      try {
        return await readNode(name, path, call);
      } catch (error) {
        return { unreachable: reason(error) };
      }
    },
    setTaint: async (wanted) => {
      for (let attempt = 1; ; attempt++) {
        try {
          await changeTaint(path, wanted, call);
          return undefined;
        } catch (error) {
          if (!(error instanceof ApiConflict) || attempt === attempts) return reason(error);
        }
      }
    },
  };
}

async function readNode(name: string, path: string, call: ApiCall): Promise<NodeReading> {
  const node = await call<NodeObject>("GET", path);
  if (node === undefined) return { missing: true };
  const [lease, pods, claims, volumes, attachments] = await Promise.all([
    call<{ spec?: { renewTime?: string } }>("GET", `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${encodeURIComponent(name)}`),
    call<List<PodObject>>("GET", `/api/v1/pods?fieldSelector=${encodeURIComponent(`spec.nodeName=${name}`)}`),
    call<List<ClaimObject>>("GET", "/api/v1/persistentvolumeclaims"),
    call<List<VolumeObject>>("GET", "/api/v1/persistentvolumes"),
    call<List<{ spec: { nodeName: string } }>>("GET", "/apis/storage.k8s.io/v1/volumeattachments"),
  ]);
  return {
    facts: {
      ...conditionOf(node),
      tainted: (node.spec?.taints ?? []).some(isFence),
      ...(lease?.spec?.renewTime === undefined ? {} : { leaseRenewed: lease.spec.renewTime }),
      ...uuidOf(node),
      pods: lostPods(name, pods?.items ?? [], claims?.items ?? [], volumes?.items ?? []),
      volumes: (attachments?.items ?? []).filter(({ spec }) => spec.nodeName === name).length,
    },
  };
}

function conditionOf({ status }: NodeObject): Pick<NodeFacts, "ready" | "notReady"> {
  const condition = status?.conditions?.find(({ type }) => type === "Ready");
  if (condition?.status === "True") return { ready: true };
  return { ready: false, notReady: { since: condition?.lastTransitionTime ?? "", reason: condition?.message ?? condition?.reason ?? "it has never been" } };
}

function uuidOf({ status }: NodeObject): Pick<NodeFacts, "systemUuid"> {
  const uuid = status?.nodeInfo?.systemUUID ?? "";
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid) ? { systemUuid: uuid } : {};
}

/** Taints are one list without keys: the whole of it is written, on the version that was read. */
async function changeTaint(path: string, wanted: boolean, call: ApiCall): Promise<void> {
  const node = await call<NodeObject>("GET", path);
  if (node === undefined) return;
  const taints = node.spec?.taints ?? [];
  if (taints.some(isFence) === wanted) return;
  const next = wanted ? [...taints, { ...outOfServiceTaint }] : taints.filter((taint) => !isFence(taint));
  await call("PATCH", `${path}?fieldManager=rackwright-fence`, { metadata: { resourceVersion: node.metadata.resourceVersion }, spec: { taints: next } }, "application/merge-patch+json");
}
