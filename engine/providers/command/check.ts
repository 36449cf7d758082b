import { Archive, Asset, Marker, UNKNOWN, isMap } from "../../values";
import type { PropertyMap, Value } from "../../values";
import type { CheckFailure, Inputs } from "../provider";
import { isAbsent, open, seal, withoutNulls } from "./properties";
import { RESOURCES } from "./schema";
import type { Field, ObjectShape, ResourceType } from "./schema";

/** Go's names, which Pulumi's own provider shows. */
const EXPECTED: Record<Field["kind"], string> = {
  string: "string",
  number: "float64",
  integer: "int",
  boolean: "bool",
  strings: "[]string",
  stringMap: "map[string]string",
  "any[]": "[]interface {}",
  asset: "types.AssetOrArchive",
  object: "map[string]interface {}",
};

function typeName(value: Value): string {
  if (typeof value === "string") return "string";
  if (typeof value === "number") return "float64";
  if (typeof value === "boolean") return "bool";
  if (Array.isArray(value)) return "[]interface {}";
  if (value instanceof Asset) return "*asset.Asset";
  if (value instanceof Archive) return "*archive.Archive";
  return "map[string]interface {}";
}

interface Problem {
  field: string;
  reason: string;
}

function wrongType(owner: string, path: string, kind: Field["kind"], value: Value): Problem {
  const reason = `Field '${path}' on '${owner}' must be a '${EXPECTED[kind]}'; got '${typeName(value)}' instead`;
  return { field: path, reason };
}

function checkItems(owner: string, items: [string, Value][]): Problem[] {
  return items.flatMap(([path, item]) => {
    const value = open(item);
    if (isAbsent(value) || value === UNKNOWN || typeof value === "string") return [];
    return [wrongType(owner, path, "string", value)];
  });
}

function checkField(owner: string, name: string, field: Field, given: Value): Problem[] {
  const value = open(given);
  if (isAbsent(value) || value === UNKNOWN) return [];
  const mistaken = [wrongType(owner, name, field.kind, value)];
  switch (field.kind) {
    case "string":
      return typeof value === "string" ? [] : mistaken;
    case "number":
    case "integer":
      return typeof value === "number" ? [] : mistaken;
    case "boolean":
      return typeof value === "boolean" ? [] : mistaken;
    case "any[]":
      return Array.isArray(value) ? [] : mistaken;
    case "strings":
      if (!Array.isArray(value)) return mistaken;
      return checkItems(owner, value.map((item, index) => [`${name}[${index}]`, item]));
    case "stringMap":
      if (!isMap(value)) return mistaken;
      return checkItems(owner, Object.entries(value).map(([key, item]) => [`${name}[${key}] value`, item]));
    case "asset":
      return [];
    case "object": {
      if (!isMap(value)) return mistaken;
      const inner = checkObject(field.object, value);
      if (inner.length === 0) return [];
      const decoded = `${owner.replace(/^.*\./, "")}.${name}`;
      const lines = inner.map((problem) => `\n\t${problem.field}: ${problem.reason}`).join("");
      const count = `${inner.length} failures decoding:`;
      return [{ field: name, reason: `An error occurred decoding '${decoded}': ${count}${lines}` }];
    }
  }
}

function checkObject(shape: ObjectShape, value: PropertyMap): Problem[] {
  const known = Object.entries(shape.fields).flatMap(([name, field]) => {
    const given = value[name];
    if (!isAbsent(given)) return checkField(shape.name, name, field, given);
    if (field.required !== true) return [];
    return [{ field: name, reason: `Missing required field '${name}' on '${shape.name}'` }];
  });
  const unknown = Object.keys(value)
    .filter((name) => !Object.hasOwn(shape.fields, name))
    .map((name) => ({ field: name, reason: `Unrecognized field '${name}' on '${shape.name}'` }));
  return [...known, ...unknown];
}

/** Fills in defaults (unless something is wrong) and seals what is secret by its nature. */
function complete(shape: ObjectShape, given: PropertyMap, fillIn: boolean): PropertyMap {
  const result = withoutNulls(given);
  for (const [name, field] of Object.entries(shape.fields)) {
    if (fillIn && field.default !== undefined && result[name] === undefined) result[name] = field.default;
    const value = result[name];
    if (value === undefined) continue;
    const inner = open(value);
    const completed = field.kind === "object" && isMap(inner) ? complete(field.object, inner, fillIn) : undefined;
    const rebuilt = completed === undefined ? value : value instanceof Marker ? seal(completed) : completed;
    result[name] = field.secret === true ? seal(rebuilt) : rebuilt;
  }
  return result;
}

function sourceProblems(source: Value | undefined): CheckFailure[] {
  const value = open(source);
  if (value instanceof Asset) {
    if (!("uri" in value.source)) return [];
    return [{ property: "asset", reason: "asset must be a path-based file asset or a text asset" }];
  }
  if (value instanceof Archive) {
    if ("path" in value.source) return [];
    return [{ property: "archive", reason: "archive must be a path to a file or directory" }];
  }
  return [{ property: "asset", reason: "either asset or archive must be set" }];
}

/** What `check` makes of a resource's inputs: the same inputs and the same refusals as Pulumi's own provider. */
export function checkInputs(type: ResourceType, news: Inputs): { inputs: Inputs; failures: CheckFailure[] } {
  const shape: ObjectShape = RESOURCES[type];
  const failures = checkObject(shape, news).map(({ field, reason }) => ({ property: field, reason }));
  const inputs = complete(shape, news, failures.length === 0);
  if (type === "command:remote:CopyToRemote") failures.push(...sourceProblems(inputs["source"]));
  return { inputs, failures };
}
