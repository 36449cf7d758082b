import { labels, type Namespace } from "./names";
import type { KubernetesObject } from "./object";

/** A volume and the one claim that may have it. */
export interface VolumePair {
  volume: KubernetesObject;
  claim: KubernetesObject;
}

export interface VolumeSpec {
  /** Of the volume and of its claim. */
  name: string;
  namespace: Namespace;
  /** Of the volume. At least 1 is written. */
  gib: number;
  accessMode: "ReadWriteOnce" | "ReadOnlyMany";
  /** `local`, `nfs` and what belongs to them. */
  source: Record<string, unknown>;
  /** The one node that has the folder. Absent: every node reaches it. */
  server?: string;
}

/**
 * What every claim asks for: the least there is. It has its volume by name, and a bound claim of a volume that nobody provisions
 * can be neither grown nor shrunk: one that followed the tier's size would stop `up` once a tier has other drives.
 */
const leastRequest = "1Gi";

/** Decimal gigabytes, as drives are sold, in binary ones, as Kubernetes counts. */
export const gibOf = (gigabytes: number): number => (gigabytes * 1e9) / 2 ** 30;

/** A folder that exists as a volume. What is in it stays when claim and volume go, and both find it again when they come back. */
export function volumePair({ name, namespace, gib, accessMode, source, server }: VolumeSpec): VolumePair {
  const common = { [labels.managedBy]: "rackwright", ...(server === undefined ? {} : { [labels.server]: server }) };
  const storage = `${Math.max(1, Math.floor(gib))}Gi`;
  return {
    volume: {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name, labels: common },
      spec: {
        capacity: { storage },
        accessModes: [accessMode],
        persistentVolumeReclaimPolicy: "Retain",
        storageClassName: "",
        volumeMode: "Filesystem",
        claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name },
        ...(server === undefined ? {} : { nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [server] }] }] } } }),
        ...source,
      },
    },
    claim: {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name, namespace, labels: common },
      spec: { accessModes: [accessMode], storageClassName: "", volumeName: name, resources: { requests: { storage: leastRequest } } },
    },
  };
}
