import type { KubernetesObject } from "../../components/cluster/object";
import type { ControlPlane } from "../../rehearsal/control-plane/control-plane";

interface ResourceList {
  resources: { name: string; kind: string }[];
}

const lookEveryMilliseconds = 250;

/** Looks until there is something: for as long as is said here. What it returns throws an Error that says what did not come about. */
export function within(seconds: number): <T>(what: string, look: () => Promise<T | undefined>) => Promise<T> {
  return async (what, look) => {
    for (let left = (seconds * 1000) / lookEveryMilliseconds; left > 0; left--) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, lookEveryMilliseconds));
    }
    throw new Error(`${what} did not come about in ${seconds} s`);
  };
}

/** Objects on a control plane that is started later. */
export function objectsOn(plane: () => Pick<ControlPlane, "call">): { pathOf: (object: KubernetesObject) => Promise<string>; apply: (object: KubernetesObject, query?: string) => Promise<unknown> } {
  const folders = new Map<string, string>();
  const folderOf = async ({ apiVersion, kind }: KubernetesObject, root: string): Promise<string> => {
    // A kind that has just been defined is served a moment later.
    const look = async (): Promise<string | undefined> => {
      for (const { name, kind: served } of (await plane().call<ResourceList>("GET", root))?.resources ?? []) if (!name.includes("/")) folders.set(`${apiVersion}/${served}`, name);
      return folders.get(`${apiVersion}/${kind}`);
    };
    return folders.get(`${apiVersion}/${kind}`) ?? within(10)(`${apiVersion} ${kind}`, look);
  };
  const pathOf = async (object: KubernetesObject): Promise<string> => {
    const { apiVersion, metadata: { name, namespace } } = object;
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    return `${root}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${await folderOf(object, root)}/${name}`;
  };
  /** Server-side apply with strict validation of fields, as the provider does it. */
  const apply = async (object: KubernetesObject, query = ""): Promise<unknown> =>
    plane().call("PATCH", `${await pathOf(object)}?fieldManager=rackwright-test&fieldValidation=Strict&force=true${query}`, object, "application/apply-patch+yaml");
  return { pathOf, apply };
}
