import { modelsClaim, namespaces } from "../../cluster/names";
import { gibOf, volumePair, type VolumePair } from "../../cluster/volumes";
import type { StoreSource } from "./source";

const namespace = namespaces.inference;

/** The folder `models` on a server's hot tier, where engines read weights. */
export function modelsVolume(server: string, hotMount: string, usableGB: number): VolumePair {
  return volumePair({ name: modelsClaim(server), namespace, gib: gibOf(usableGB), accessMode: "ReadWriteOnce", source: { local: { path: `${hotMount}/models` } }, server });
}

/** The model store as a folder that pods can mount. Undefined for an object store, which is reached over the network. */
export function storeVolume(source: StoreSource, server: string): VolumePair | undefined {
  switch (source.kind) {
    case "object-store":
      return undefined;
    case "nfs":
      // Servers read the whole export; its size is the store's own business, and 1 GiB is what a claim must say at least.
      return volumePair({ name: "model-store", namespace, gib: 1, accessMode: "ReadOnlyMany", source: { nfs: { server: source.server, path: source.path, readOnly: true }, mountOptions: ["ro", "nosuid", "nodev"] } });
    case "directory":
      return volumePair({ name: `model-store-${server}`, namespace, gib: 1, accessMode: "ReadOnlyMany", source: { local: { path: source.path } }, server });
  }
}
