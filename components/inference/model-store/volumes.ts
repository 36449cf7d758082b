import { modelsClaim, labels, namespaces } from "../../cluster/names";
import type { KubernetesObject } from "../../cluster/object";
import type { StoreSource } from "./source";

/** A volume and the one claim that may have it. */
export interface VolumePair {
  volume: KubernetesObject;
  claim: KubernetesObject;
}

type AccessMode = "ReadWriteOnce" | "ReadOnlyMany";

interface PairSpec {
  name: string;
  gib: number;
  accessMode: AccessMode;
  source: Record<string, unknown>;
  /** The one node that has the folder. Absent: every node reaches it. */
  server?: string;
}

function pair({ name, gib, accessMode, source, server }: PairSpec): VolumePair {
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
        // The folder and what is in it stay when the claim goes.
        persistentVolumeReclaimPolicy: "Retain",
        storageClassName: "",
        volumeMode: "Filesystem",
        claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: namespaces.inference, name },
        ...(server === undefined ? {} : { nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [server] }] }] } } }),
        ...source,
      },
    },
    claim: {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name, namespace: namespaces.inference, labels: common },
      spec: { accessModes: [accessMode], storageClassName: "", volumeName: name, resources: { requests: { storage } } },
    },
  };
}

const gibOf = (gigabytes: number): number => (gigabytes * 1e9) / 2 ** 30;

/** The folder `models` on a server's hot tier, where engines read weights. */
export function modelsVolume(server: string, hotMount: string, usableGB: number): VolumePair {
  return pair({ name: modelsClaim(server), gib: gibOf(usableGB), accessMode: "ReadWriteOnce", source: { local: { path: `${hotMount}/models` } }, server });
}

/** The model store as a folder that pods can mount. Undefined for an object store, which is reached over the network. */
export function storeVolume(source: StoreSource, server: string): VolumePair | undefined {
  switch (source.kind) {
    case "object-store":
      return undefined;
    case "nfs":
      // Servers read the whole export; its size is the store's own business, and 1 GiB is what a claim must say at least.
      return pair({ name: "model-store", gib: 1, accessMode: "ReadOnlyMany", source: { nfs: { server: source.server, path: source.path, readOnly: true }, mountOptions: ["ro", "nosuid", "nodev"] } });
    case "directory":
      return pair({ name: `model-store-${server}`, gib: 1, accessMode: "ReadOnlyMany", source: { local: { path: source.path } }, server });
  }
}
