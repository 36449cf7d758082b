import { isMap } from "../../values";
import type { PropertyMap, Value } from "../../values";
import { get, maps, text } from "./object";
import type { KubeObject } from "./object";

/** Beginnings of the names of managers that kubectl and pulumi-kubernetes' creates leave behind, and which an apply takes over. */
const PREDECESSORS: [string, "Apply" | "Update"][] = [
  ["kubectl", "Apply"],
  ["kubectl", "Update"],
  ["before-first-apply", "Update"],
  ["pulumi-kubernetes", "Update"],
  ["pulumi-resource-kubernetes", "Update"],
];

/** What a create says that makes it: the plugin knows its own creates by this name. */
export const CREATOR = "pulumi-kubernetes";

function managers(object: KubeObject): PropertyMap[] {
  return maps(object, "metadata", "managedFields");
}

function isPredecessor(entry: PropertyMap): boolean {
  return get(entry, "subresource") === undefined &&
    PREDECESSORS.some(([name, operation]) => text(entry, "manager")?.startsWith(name) === true && text(entry, "operation") === operation);
}

/** Whether a create of this provider, or of the plugin, made the object. */
export function madeByPulumi(object: KubeObject): boolean {
  return managers(object).some((entry) => text(entry, "manager") === CREATOR && text(entry, "operation") === "Update") ||
    managers(object).some((entry) => (text(entry, "manager") ?? "").startsWith(`${CREATOR}-`));
}

function union(a: Value | undefined, b: Value | undefined): Value {
  if (!isMap(a)) return b ?? {};
  if (!isMap(b)) return a;
  const result = { ...a };
  for (const key of Object.keys(b)) result[key] = union(a[key], b[key]);
  return result;
}

/**
 * A JSON patch that makes `manager` the owner by apply of what its predecessors own, so that fields which the program no
 * longer names go away. Undefined where there is nothing to take over.
 */
export function takeOver(object: KubeObject, manager: string): PropertyMap[] | undefined {
  const entries = managers(object);
  const taken = entries.filter(isPredecessor);
  const [first] = taken;
  if (first === undefined) return undefined;
  const own = entries.find((entry) => text(entry, "manager") === manager && text(entry, "operation") === "Apply" && get(entry, "subresource") === undefined);
  const fields = [own, ...taken].reduce<Value>((all, entry) => union(all, get(entry, "fieldsV1")), {});
  const entry: PropertyMap = { ...(own ?? first), manager, operation: "Apply", fieldsV1: fields };
  const kept = entries.filter((other) => other !== own && !taken.includes(other));
  return [
    { op: "replace", path: "/metadata/managedFields", value: [...kept, entry] },
    { op: "replace", path: "/metadata/resourceVersion", value: text(object, "metadata", "resourceVersion") ?? "" },
  ];
}

/** Whether a dry run has to force its way: in the real run the fields are taken over first. */
export function ownedByPredecessor(object: KubeObject): boolean {
  return managers(object).some(isPredecessor);
}

/** An object from before the server kept track of owners. */
export function hasNoManagers(object: KubeObject): boolean {
  return managers(object).length === 0;
}

function owns(entry: PropertyMap, path: (string | number)[]): boolean {
  let fields: Value | undefined = get(entry, "fieldsV1");
  for (const key of path) {
    // Elements of lists are named by their keys, not by their place: those count as the list's owner's.
    if (typeof key === "number") return isMap(fields);
    fields = get(fields, `f:${key}`);
    if (fields === undefined) return false;
  }
  return true;
}

/** Whether somebody else owns a field and `manager` does not. */
export function ownedByOthersOnly(object: KubeObject, path: (string | number)[], manager: string): boolean {
  const owners = managers(object).filter((entry) => owns(entry, path)).map((entry) => text(entry, "manager"));
  return owners.length > 0 && !owners.includes(manager);
}
