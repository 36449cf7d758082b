import { readFileSync } from "node:fs";
import { join } from "node:path";
import { containsUnknown, isMap } from "../../values";
import type { PropertyMap, Value } from "../../values";
import { apiVersionOf, get, isDefinition, isSecret, kindOf, remove, set } from "./object";
import type { KubeObject } from "./object";
import { canonicalQuantity } from "./quantity";

/**
 * How Kubernetes' own types write the fields of each kind: a table of types, and the type of each kind. A field is left
 * out of it where it is written as it was given. `z`: left out when empty, `q`: a quantity, a number: another type,
 * `[…]` and `{…}`: a list and a map. Made by `normal-forms/generate.go` from k8s.io/api.
 */
interface NormalForms {
  kinds: Record<string, number>;
  types: Record<string, string>[];
}

let forms: NormalForms | undefined;

function normalForms(): NormalForms {
  forms ??= JSON.parse(readFileSync(join(__dirname, "normal-forms", "normal-forms.json"), "utf8")) as NormalForms;
  return forms;
}

const DROPPED = Symbol("dropped");

function isEmpty(value: Value): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isMap(value)) return Object.keys(value).length === 0;
  return value === "" || value === 0 || value === false || value === null;
}

function normalValue(value: Value, form: string): Value | typeof DROPPED {
  const dropsEmpty = form.endsWith("z");
  if (dropsEmpty && isEmpty(value)) return DROPPED;
  const inner = dropsEmpty ? form.slice(0, -1) : form;
  if (inner === "" || value === null) return value;
  if (inner === "q") return typeof value === "string" || typeof value === "number" ? canonicalQuantity(String(value)) : value;
  const element = inner.slice(1, -1);
  if (inner.startsWith("[")) return Array.isArray(value) ? value.map((item) => kept(item, element)) : value;
  if (!isMap(value)) return value;
  if (inner.startsWith("{")) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, kept(item, element)]));
  return normalMap(value, normalForms().types[Number(inner)] ?? {});
}

/** An element of a list or map, which is there even when empty. */
function kept(value: Value, form: string): Value {
  const result = normalValue(value, form);
  return result === DROPPED ? value : result;
}

function normalMap(map: PropertyMap, type: Record<string, string>): PropertyMap {
  const result: PropertyMap = {};
  for (const [key, value] of Object.entries(map)) {
    const form = Object.hasOwn(type, key) ? type[key] : undefined;
    const normal = form === undefined ? value : normalValue(value, form);
    if (normal !== DROPPED) result[key] = normal;
  }
  return result;
}

function base64(value: Value): Value {
  return typeof value === "string" ? Buffer.from(value, "utf8").toString("base64") : value;
}

/** The server decodes and encodes again, which drops white space. */
function sameBase64(value: Value): Value {
  if (typeof value !== "string") return value;
  const compact = value.replace(/\s/g, "");
  return /^[A-Za-z0-9+/]*={0,2}$/.test(compact) && compact.length % 4 === 0 ? compact : value;
}

function normalSecret(object: KubeObject): KubeObject {
  const strings = get(object, "stringData");
  const data = get(object, "data");
  if (isMap(strings) && Object.keys(strings).length > 0) {
    const added = Object.fromEntries(Object.entries(strings).map(([key, value]) => [key, base64(value)]));
    return set(remove(object, ["stringData"]), ["data"], { ...(isMap(data) ? data : {}), ...added });
  }
  if (!isMap(data)) return object;
  return set(object, ["data"], Object.fromEntries(Object.entries(data).map(([key, value]) => [key, sameBase64(value)])));
}

const READ_ONLY = [
  "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "uid",
];

/**
 * Inputs in the form in which two that mean the same are the same, as pulumi-kubernetes keeps them: quantities as the
 * server writes them, empty values left out where they say nothing, `stringData` as `data`.
 */
export function normalize(object: KubeObject): KubeObject {
  let result = object;
  if (!containsUnknown(object)) {
    const type = normalForms().kinds[`${apiVersionOf(object)}/${kindOf(object)}`];
    if (isDefinition(object)) {
      result = remove(result, ["status"]);
      if (get(result, "spec", "preserveUnknownFields") === false) result = remove(result, ["spec", "preserveUnknownFields"]);
    } else if (isSecret(object)) result = normalSecret(object);
    else if (type !== undefined) result = normalMap(object, normalForms().types[type] ?? {});
  }
  for (const field of READ_ONLY) result = remove(result, ["metadata", field]);
  return result;
}
