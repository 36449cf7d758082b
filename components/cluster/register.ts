import type { ComponentResource, CustomResource, ProviderResource, Resource } from "@pulumi/pulumi";
import type * as Kubernetes from "@pulumi/kubernetes";
import { kubernetes } from "./sdk";
import type { KubernetesObject } from "./object";

export interface RegisterOptions {
  parent: ComponentResource;
  /** Of the cluster that the objects go to. */
  provider: ProviderResource;
  /** @default - nothing */
  dependsOn?: Resource[];
  /** A change of a field listed here replaces the object. @default - what Kubernetes says is immutable */
  replaceOnChanges?: string[];
}

type ResourceClass = new (name: string, args: object, options: object) => CustomResource;

/** The SDK's class of a kind, or undefined for kinds that come from a custom resource definition. */
function classOf({ apiVersion, kind }: KubernetesObject): ResourceClass | undefined {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["core", apiVersion];
  const folder = (group ?? "").replace(/\.k8s\.io$/, "").replace(/\..*$/, "");
  const versions = (kubernetes() as unknown as Record<string, Record<string, Record<string, unknown>>>)[folder];
  return versions?.[version ?? ""]?.[kind] as ResourceClass | undefined;
}

/**
 * Registers one object. Its Pulumi name is `<kind>-<namespace>-<name>` in lower case, so that reordering changes nothing
 * and the same name may stand in two namespaces.
 */
export function registerObject(object: KubernetesObject, options: RegisterOptions): CustomResource {
  const { kind, metadata: { name, namespace } } = object;
  const resourceName = [kind.toLowerCase(), ...(namespace === undefined ? [] : [namespace]), name].join("-");
  const Class = classOf(object);
  if (Class !== undefined) return new Class(resourceName, object, options);
  return new (kubernetes().apiextensions.CustomResource)(resourceName, object, options);
}

/** Sets the given fields of a node that joins by itself; deleting the resource takes them back and leaves the node. */
export function registerNode({ metadata, spec }: KubernetesObject, { parent, provider, dependsOn = [] }: RegisterOptions): CustomResource {
  const { NodePatch } = kubernetes().core.v1;
  return new NodePatch(`nodepatch-${metadata.name}`, { metadata, ...(spec === undefined ? {} : { spec }) } as Kubernetes.core.v1.NodePatchArgs, { parent, provider, dependsOn });
}
