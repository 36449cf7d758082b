import { isMap, Marker, SEALED, Secret, UNKNOWN } from "../../values";
import type { PropertyMap, Value } from "../../values";

/** A Kubernetes object as plain data: no secret markers; in a preview it may hold `UNKNOWN`. */
export type KubeObject = PropertyMap;

/** Names that cannot be identifiers in some languages; the SDKs write them with underscores. */
const DASHED = [
  "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-list-type",
  "x-kubernetes-map-type", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
];
const toDashed = new Map(DASHED.map((name) => [name.replaceAll("-", "_"), name]));
const toUnderscored = new Map(DASHED.map((name) => [name, name.replaceAll("-", "_")]));

function rename(value: Value, names: Map<string, string>): Value {
  // A secret that a preview cannot read is like no other value.
  if (value === SEALED) return value;
  if (value instanceof Secret) return rename(value.value, names);
  if (Array.isArray(value)) return value.map((item) => rename(item, names));
  if (!isMap(value)) {
    if (value instanceof Marker && value !== UNKNOWN) throw new Error(`a Kubernetes object cannot hold a value of the kind "${value.kind}"`);
    return value;
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [names.get(key) ?? key, rename(item, names)]));
}

/** Inputs or outputs of a resource as the API knows them. */
export function objectOf(properties: PropertyMap): KubeObject {
  return rename(properties, toDashed) as KubeObject;
}

/** An object as the SDKs know it. */
export function propertiesOf(object: KubeObject): PropertyMap {
  return rename(object, toUnderscored) as PropertyMap;
}

export function get(value: Value | undefined, ...path: (string | number)[]): Value | undefined {
  let current = value;
  for (const key of path) {
    if (Array.isArray(current)) current = current[Number(key)];
    else if (isMap(current) && Object.hasOwn(current, key)) current = current[key];
    else return undefined;
  }
  return current;
}

export function text(value: Value | undefined, ...path: (string | number)[]): string | undefined {
  const found = get(value, ...path);
  return typeof found === "string" ? found : undefined;
}

export function number(value: Value | undefined, ...path: (string | number)[]): number | undefined {
  const found = get(value, ...path);
  return typeof found === "number" ? found : undefined;
}

/** The maps in a list; anything else in it is left out. */
export function maps(value: Value | undefined, ...path: (string | number)[]): PropertyMap[] {
  const found = get(value, ...path);
  return Array.isArray(found) ? found.filter(isMap) : [];
}

/** A copy with one value set; maps on the way are made where they are missing. */
export function set(object: PropertyMap, path: string[], value: Value): PropertyMap {
  const [key, ...rest] = path;
  if (key === undefined) return object;
  const inner = object[key];
  return { ...object, [key]: rest.length === 0 ? value : set(isMap(inner) ? inner : {}, rest, value) };
}

/** A copy without one value; the object itself where it is not there. */
export function remove(object: PropertyMap, path: string[]): PropertyMap {
  const [key, ...rest] = path;
  if (key === undefined || !Object.hasOwn(object, key)) return object;
  if (rest.length === 0) return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
  const inner = object[key];
  return isMap(inner) ? { ...object, [key]: remove(inner, rest) } : object;
}

export function nameOf(object: KubeObject): string {
  return text(object, "metadata", "name") ?? "";
}

export function namespaceOf(object: KubeObject): string {
  return text(object, "metadata", "namespace") ?? "";
}

export function kindOf(object: KubeObject): string {
  return text(object, "kind") ?? "";
}

/** `v1` or `apps/v1`; the SDK's "core/v1" is the API's "v1". */
export function apiVersionOf(object: KubeObject): string {
  return (text(object, "apiVersion") ?? "").replace(/^core\//, "");
}

export function annotation(object: KubeObject, name: string): string | undefined {
  return text(object, "metadata", "annotations", name);
}

export function isNamed(object: KubeObject): boolean {
  const name = get(object, "metadata", "name");
  return name === UNKNOWN || (typeof name === "string" && name !== "") || get(object, "metadata") === UNKNOWN;
}

/** `namespace/name`, or the name alone for objects of the whole cluster. */
export function idOf(object: KubeObject): string {
  const namespace = namespaceOf(object);
  return namespace === "" ? nameOf(object) : `${namespace}/${nameOf(object)}`;
}

export function isKind(object: KubeObject, apiVersion: string, kind: string): boolean {
  return apiVersionOf(object) === apiVersion && kindOf(object) === kind;
}

export function isSecret(object: KubeObject): boolean {
  return isKind(object, "v1", "Secret");
}

export function isDefinition(object: KubeObject): boolean {
  return kindOf(object) === "CustomResourceDefinition" && apiVersionOf(object).startsWith("apiextensions.k8s.io/");
}

/** `NodePatch` and its like: fields of an object that somebody else made. */
export function isPatch(type: string, object: KubeObject): boolean {
  const [, , name] = type.split(":");
  const kind = kindOf(object);
  return kind !== "" && name === `${kind}Patch`;
}

/** For messages: `Deployment inference/llama`. */
export function describe(object: KubeObject): string {
  return `${kindOf(object)} ${idOf(object)}`;
}

/** What `shape` names, with the values of `source`. */
export function prune(source: PropertyMap, shape: PropertyMap): PropertyMap {
  const result: PropertyMap = {};
  for (const [key, wanted] of Object.entries(shape)) {
    const value = get(source, key);
    if (value !== undefined) result[key] = pruneValue(value, wanted);
  }
  return result;
}

function pruneValue(value: Value, shape: Value): Value {
  if (isMap(value) && isMap(shape)) return prune(value, shape);
  if (!Array.isArray(value) || !Array.isArray(shape)) return value;
  if (value.length === 0 || shape.length === 0) return [];
  if (isMap(value[0]) !== isMap(shape[0])) return value;
  return value.slice(0, shape.length).map((item, i) => pruneValue(item, shape[i] ?? null));
}
