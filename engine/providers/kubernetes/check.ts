import { randomBytes } from "node:crypto";
import { isMap } from "../../values";
import type { PropertyMap } from "../../values";
import { urnName } from "../../urn";
import type { CheckFailure, CheckRequest, Inputs } from "../provider";
import type { Cluster } from "./cluster";
import { normalize } from "./normalize";
import { annotation, get, isNamed, isPatch, nameOf, namespaceOf, objectOf, set } from "./object";
import type { KubeObject } from "./object";
import { withSecrecy } from "./secrecy";

const AUTONAMED = "pulumi.com/autonamed";

/** Inputs as state keeps them: in their normal form, with a name and a namespace. */
export async function checkObject({ urn, type, olds, news }: CheckRequest, cluster: Cluster, renders: boolean): Promise<{ inputs: Inputs; failures: CheckFailure[] }> {
  const failures: CheckFailure[] = [];
  let object = normalize(objectOf(news));
  for (const field of ["apiVersion", "kind"]) {
    if (get(object, field) === undefined) failures.push({ property: field, reason: "is missing" });
  }
  const metadata = get(object, "metadata");
  if (metadata !== undefined && metadata !== null && !isMap(metadata) && typeof metadata !== "object") failures.push({ property: "metadata", reason: "is not a map" });
  if (!isNamed(object)) {
    if (isPatch(type, object)) failures.push({ property: "metadata.name", reason: "is missing; a patch needs the name of the object that it changes" });
    else if (get(object, "metadata", "generateName") !== undefined) {
      failures.push({ property: "metadata.generateName", reason: `is not supported ${renders ? "when rendering YAML" : "with server-side apply"}; give metadata.name` });
    } else object = autonamed(object, olds === undefined ? {} : objectOf(olds), urn);
  }
  if (failures.length > 0) return { inputs: news, failures };
  object = await withNamespace(object, cluster);
  return { inputs: withSecrecy(object, news), failures };
}

/** Named after the resource, with a random end; an object that has such a name keeps it. */
function autonamed(object: KubeObject, old: KubeObject, urn: string): KubeObject {
  const kept = annotation(old, AUTONAMED) === "true" ? nameOf(old) : "";
  const name = kept === "" ? `${urnName(urn)}-${randomBytes(4).toString("hex")}` : kept;
  return set(set(object, ["metadata", "name"], name), ["metadata", "annotations", AUTONAMED], "true");
}

async function withNamespace(object: PropertyMap, cluster: Cluster): Promise<KubeObject> {
  const { defaultNamespace } = cluster;
  const given = get(object, "metadata", "namespace");
  const settled = (given !== undefined && given !== "" && given !== null) || namespaceOf(object) !== "";
  if (settled || defaultNamespace === undefined || !isMap(get(object, "metadata"))) return object;
  return await cluster.isNamespaced(object) ? set(object, ["metadata", "namespace"], defaultNamespace) : object;
}
