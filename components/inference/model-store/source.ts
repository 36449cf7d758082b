import { mountOf } from "../../environment";
import type { Environment } from "../../environment/schema";

/** Where a server fetches weights from. */
export type StoreSource =
  | { kind: "object-store"; endpoint: string; bucket: string; region: string; prefix: string }
  | { kind: "nfs"; server: string; path: string }
  /** A folder on the server itself. */
  | { kind: "directory"; path: string };

/** Folder of the bucket, or of the cold or warm tier, that holds one folder a model where the environment names none. */
export const defaultFolder = "models";

/**
 * The model store as one server sees it: what the environment says, else the object store, else the folder `models` on the
 * server's cold or warm tier. Undefined where there is none of these.
 */
export function sourceFor(environment: Environment, serverName: string): StoreSource | undefined {
  const { modelStore, objectStore } = environment.site;
  if (modelStore !== undefined && modelStore.kind !== "object-store") return modelStore;
  if (objectStore !== undefined) return { kind: "object-store", ...objectStore, prefix: modelStore?.prefix ?? defaultFolder };
  if (modelStore !== undefined) return undefined;
  const path = tierFolder(environment, serverName);
  return path === undefined ? undefined : { kind: "directory", path };
}

/** The folder `models` on a server's cold tier, or on its warm one. */
function tierFolder({ servers }: Environment, serverName: string): string | undefined {
  const tiers = Object.hasOwn(servers, serverName) ? servers[serverName]?.tiers : undefined;
  if (tiers?.cold !== undefined) return `${mountOf("cold", tiers.cold)}/${defaultFolder}`;
  if (tiers?.warm !== undefined) return `${mountOf("warm", tiers.warm)}/${defaultFolder}`;
  return undefined;
}
