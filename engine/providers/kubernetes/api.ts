import type { PropertyMap } from "../../values";
import { ApiError, isNotFound, UnknownKind } from "./api-error";
import type { ApiRequest, Client } from "./client";
import { apiVersionOf, get, kindOf, maps, nameOf, namespaceOf, text } from "./object";
import type { KubeObject } from "./object";

/** Where the objects of a kind live in the API. */
export interface Resource {
  /** `/api/v1` or `/apis/apps/v1`. */
  root: string;
  plural: string;
  namespaced: boolean;
}

type Call = Pick<ApiRequest, "signal" | "onRetry" | "retries">;

/** Who asks, and whether it is only a rehearsal. */
export interface Write {
  fieldManager: string;
  dryRun?: boolean;
  /** Take fields over from other managers. */
  force?: boolean;
  /** Unknown and repeated fields are an error instead of being left out. */
  strict?: boolean;
}

function query(parameters: Record<string, string | undefined>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? "" : `?${new URLSearchParams(given).toString()}`;
}

function writeQuery({ fieldManager, dryRun, force, strict }: Write): string {
  return query({
    fieldManager, dryRun: dryRun === true ? "All" : undefined, force: force === undefined ? undefined : String(force),
    fieldValidation: strict === false ? "Warn" : "Strict",
  });
}

/** The verbs of Kubernetes' API on objects of any kind. */
export class Api {
  private readonly groups = new Map<string, Promise<Map<string, Resource>>>();

  constructor(readonly client: Client) {}

  /** Forgets which kinds there are: a definition has come or gone. */
  forgetKinds(): void {
    this.groups.clear();
  }

  /** @throws UnknownKind */
  async resource(apiVersion: string, kind: string, call: Call): Promise<Resource> {
    let known = this.groups.get(apiVersion);
    if (known === undefined) {
      known = this.discover(apiVersion, call);
      this.groups.set(apiVersion, known);
      // A failure is not remembered: the kind may come, the server may come back.
      known.catch(() => { this.groups.delete(apiVersion); });
    }
    const found = (await known).get(kind);
    if (found === undefined) {
      this.groups.delete(apiVersion);
      throw new UnknownKind(apiVersion, kind);
    }
    return found;
  }

  private async discover(apiVersion: string, call: Call): Promise<Map<string, Resource>> {
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    let list: PropertyMap;
    try {
      list = await this.client.json({ method: "GET", path: root, ...call });
    } catch (error) {
      if (isNotFound(error)) return new Map();
      throw error;
    }
    return new Map(maps(list, "resources").flatMap((entry) => {
      const plural = text(entry, "name") ?? "";
      if (plural.includes("/")) return [];
      return [[text(entry, "kind") ?? "", { root, plural, namespaced: get(entry, "namespaced") === true }] as [string, Resource]];
    }));
  }

  /** Path of a list of objects; `namespace` counts only for kinds that live in one. */
  async listPath(apiVersion: string, kind: string, namespace: string, call: Call): Promise<string> {
    const { root, plural, namespaced } = await this.resource(apiVersion, kind, call);
    return namespaced && namespace !== "" ? `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}` : `${root}/${plural}`;
  }

  private async path(object: KubeObject, call: Call): Promise<string> {
    const { namespaced } = await this.resource(apiVersionOf(object), kindOf(object), call);
    const namespace = namespaceOf(object);
    const list = await this.listPath(apiVersionOf(object), kindOf(object), namespaced && namespace === "" ? "default" : namespace, call);
    return `${list}/${encodeURIComponent(nameOf(object))}`;
  }

  async get(object: KubeObject, call: Call): Promise<KubeObject> {
    return this.client.json({ method: "GET", path: await this.path(object, call), ...call });
  }

  async create(object: KubeObject, write: Write, call: Call): Promise<KubeObject> {
    const path = (await this.path(object, call)).replace(/\/[^/]*$/, "");
    return this.client.json({ method: "POST", path: path + writeQuery(write), body: object, ...call });
  }

  /** Server-side apply. Makes the object where it is not there. */
  async apply(object: KubeObject, write: Write, call: Call): Promise<KubeObject> {
    const path = await this.path(object, call);
    return this.client.json({ method: "PATCH", path: path + writeQuery(write), body: object, contentType: "application/apply-patch+yaml", ...call });
  }

  async replace(object: KubeObject, write: Write, call: Call): Promise<KubeObject> {
    return this.client.json({ method: "PUT", path: (await this.path(object, call)) + writeQuery(write), body: object, ...call });
  }

  async jsonPatch(object: KubeObject, patch: PropertyMap[], call: Call): Promise<KubeObject> {
    return this.client.json({ method: "PATCH", path: await this.path(object, call), body: patch, contentType: "application/json-patch+json", ...call });
  }

  async delete(object: KubeObject, propagation: "Foreground" | "Background" | "Orphan", call: Call): Promise<void> {
    await this.client.text({ method: "DELETE", path: await this.path(object, call), body: { propagationPolicy: propagation }, ...call });
  }

  /** Objects of a kind; none where they cannot be read, as this only serves reports. */
  async list(apiVersion: string, kind: string, namespace: string, selectors: { labelSelector?: string; fieldSelector?: string }, call: Call): Promise<KubeObject[]> {
    try {
      const path = await this.listPath(apiVersion, kind, namespace, call);
      const list = await this.client.json({ method: "GET", path: path + query({ ...selectors, limit: "500" }), ...call });
      return maps(list, "items");
    } catch (error) {
      if (error instanceof ApiError || error instanceof UnknownKind) return [];
      throw error;
    }
  }

  /** The last lines that a container wrote; empty where there are none. */
  async podLog(namespace: string, pod: string, container: string, previous: boolean, call: Call): Promise<string> {
    const parameters = query({ container, tailLines: "10", limitBytes: "4096", previous: previous ? "true" : undefined });
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/log${parameters}`;
    try {
      return await this.client.text({ method: "GET", path, ...call });
    } catch (error) {
      if (error instanceof ApiError) return "";
      throw error;
    }
  }
}
