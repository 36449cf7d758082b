import { setTimeout as sleep } from "node:timers/promises";
import type { PropertyMap, Value } from "../../values";
import { parsePath } from "../../paths";
import type { ProviderLog } from "../provider";
import { forcesPatch } from "./annotations";
import type { Api } from "./api";
import { ApiError, explain, isNotFound, UnknownKind } from "./api-error";
import { CREATOR, hasNoManagers, madeByPulumi, ownedByOthersOnly, ownedByPredecessor, takeOver } from "./managed-fields";
import { apiVersionOf, describe, get, idOf, isDefinition, isPatch, kindOf, nameOf, namespaceOf, remove, set, text } from "./object";
import type { KubeObject } from "./object";
import type { Settings } from "./settings";

/** What one write needs besides the object. */
export interface WriteContext {
  api: Api;
  settings: Pick<Settings, "enablePatchForce" | "upsertExistingObjects">;
  type: string;
  fieldManager: string;
  preview: boolean;
  signal: AbortSignal;
  log: ProviderLog;
}

/** Waits for a namespace or a definition that another step is just making; half a minute in all. */
const MISSING_WAITS_MS = [1_000, 2_000, 4_000, 8_000, 16_000];

function call({ signal, log, preview }: WriteContext): { signal: AbortSignal; onRetry: (message: string) => void; retries?: number } {
  return { signal, onRetry: (message) => { log("info", message); }, ...(preview ? { retries: 1 } : {}) };
}

/** Attempts at a write that others come in between. */
const MAX_OVERTAKEN = 5;

/** A preview that cannot be asked of the server: what it needs is only made in the real run. */
export class NotYet extends Error {}

/** A conflict with another owner of the same fields, told so that somebody can act on it. */
function conflict(error: ApiError, object: KubeObject): Error {
  const byManager = new Map<string, string[]>();
  for (const { message, field } of error.causes) {
    const owner = /conflict with "([^"]+)"/.exec(message)?.[1] ?? message.replace(/^conflict with /, "");
    byManager.set(owner, [...(byManager.get(owner) ?? []), field]);
  }
  if (byManager.size === 0) return new Error(`${describe(object)}: ${error.message}`);
  const owners = [...byManager].map(([owner, fields]) => `"${owner}" owns ${fields.join(", ")}`).join("; ");
  return new Error(
    `${describe(object)}: other field managers own fields that the program sets: ${owners}. Leave these fields out of the program, ` +
    'list them in ignoreChanges, or set the annotation pulumi.com/patchForce: "true" to take them over',
  );
}

function failure(error: unknown, object: KubeObject): Error {
  if (error instanceof NotYet) return error;
  if (error instanceof ApiError && error.code === 409 && error.causes.some(({ reason }) => reason === "FieldManagerConflict")) return conflict(error, object);
  if (error instanceof ApiError) {
    return new ApiError(`${describe(object)}: ${withAdvice(error)}`, error.code, error.reason, error.causes);
  }
  return error instanceof Error ? error : new Error(String(error));
}

function withAdvice(error: ApiError): string {
  const unknown = /strict decoding error: (.*)$/s.exec(error.message)?.[1];
  if (unknown !== undefined) return `the API server does not take it: ${unknown}; correct or remove these fields`;
  if (error.code === 422 && /immutable|may not be changed|may not change/i.test(error.message)) {
    return `${error.message}; it cannot be changed in place: add the field to replaceOnChanges, or delete the object first`;
  }
  return explain(error);
}

function isMissingNamespace(error: unknown): boolean {
  return error instanceof ApiError && error.code === 404 && /namespaces ".*" not found/.test(error.message);
}

/** Makes the object. Where it is in the cluster already this is an error, unless `mayExist`. */
export async function create(given: KubeObject, mayExist: boolean, context: WriteContext): Promise<KubeObject> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await createOnce(given, mayExist, context);
    } catch (error) {
      const missing = error instanceof UnknownKind || isMissingNamespace(error);
      if (context.preview && missing) throw new NotYet(error instanceof Error ? error.message : "");
      const wait = MISSING_WAITS_MS[attempt];
      const patching = isPatch(context.type, given);
      if (patching && isNotFound(error) && !missing) throw error;
      if (!(missing || isNotFound(error)) || wait === undefined) throw failure(error, given);
      context.log("info", `${error instanceof Error ? error.message : String(error)}; trying again in ${String(wait / 1_000)} s`);
      await sleep(wait, undefined, { signal: context.signal });
    }
  }
}

async function createOnce(given: KubeObject, mayExist: boolean, context: WriteContext): Promise<KubeObject> {
  const { api, settings, type, fieldManager, preview } = context;
  const object = await placed(given, context);
  if (isPatch(type, object)) return applyPatch(object, context);
  if (settings.upsertExistingObjects) {
    return api.apply(object, { fieldManager, force: forcesPatch(object) || settings.enablePatchForce || preview, dryRun: preview }, call(context));
  }
  let repeated = mayExist;
  try {
    const told = call(context);
    return await api.create(object, { fieldManager: CREATOR, dryRun: preview }, {
      ...told,
      onRetry: (message) => {
        repeated = true;
        told.onRetry(message);
      },
    });
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== "AlreadyExists") throw error;
    if (preview) throw new NotYet(error.message);
    const live = await api.get(object, call(context));
    // Made by a request of ours of which the answer was lost.
    if (repeated && madeByPulumi(live)) return update(object, live, [], context);
    throw new Error(
      `${describe(object)} is in the cluster already, and was not made by this stack. Where it may be taken over, set ` +
      "upsertExistingObjects: true on the provider; to change fields of it only, use " +
      `${kindOf(object)}Patch; where it was renamed in the program, give it an alias; otherwise delete it, or name this one differently`,
    );
  }
}

/** Objects of the whole cluster have no namespace, also where a default was put into the inputs before that was known. */
async function placed(object: KubeObject, context: WriteContext): Promise<KubeObject> {
  const { namespaced } = await context.api.resource(apiVersionOf(object), kindOf(object), call(context));
  return namespaced || namespaceOf(object) === "" ? object : remove(object, ["metadata", "namespace"]);
}

async function applyPatch(object: KubeObject, context: WriteContext): Promise<KubeObject> {
  const { api, settings, fieldManager, preview } = context;
  try {
    await api.get(object, call(context));
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new ApiError(`${describe(object)} does not exist, so it cannot be patched; make it first, or correct the name`, 404, "NotFound");
  }
  return api.apply(object, { fieldManager, force: forcesPatch(object) || settings.enablePatchForce, dryRun: preview }, call(context));
}

/** Makes the object in the cluster what the inputs say, and lets go of what they no longer name. */
export async function update(given: KubeObject, known: KubeObject, ignoreChanges: string[], context: WriteContext): Promise<KubeObject> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await updateOnce(given, known, ignoreChanges, context);
    } catch (error) {
      // Somebody, as often a controller, changed it between our reading and our writing.
      if (isOvertaken(error) && attempt < MAX_OVERTAKEN) continue;
      if (isNotFound(error) && !isPatch(context.type, given)) {
        context.log("warning", `${describe(given)} was no longer in the cluster; it is made anew`);
        return create(given, false, context);
      }
      throw failure(error, given);
    }
  }
}

async function updateOnce(given: KubeObject, known: KubeObject, ignoreChanges: string[], context: WriteContext): Promise<KubeObject> {
  const { api, settings, type, fieldManager, preview } = context;
  const object = await placed(given, context);
  let live = await api.get(set(object, ["metadata", "name"], nameOf(known)), call(context));
  if (isDefinition(object)) {
    const version = text(live, "metadata", "resourceVersion") ?? "";
    return api.replace(set(object, ["metadata", "resourceVersion"], version), { fieldManager, dryRun: preview }, call(context));
  }
  const inherited = !isPatch(type, object) && ownedByPredecessor(live);
  if (inherited && !preview) {
    const patch = takeOver(live, fieldManager);
    if (patch !== undefined) live = await api.jsonPatch(live, patch, call(context));
  }
  const force = forcesPatch(object) || settings.enablePatchForce || hasNoManagers(live) || (preview && inherited);
  try {
    return await api.apply(withoutIgnored(object, live, ignoreChanges, fieldManager), { fieldManager, force, dryRun: preview }, call(context));
  } catch (error) {
    // In the real run the fields are taken over first, so that those which the program no longer names go.
    if (preview && inherited && error instanceof ApiError && error.code === 422) throw new NotYet(error.message);
    throw error;
  }
}

function isOvertaken(error: unknown): boolean {
  return error instanceof ApiError && error.code === 409 && error.reason === "Conflict" && !error.causes.some(({ reason }) => reason === "FieldManagerConflict");
}

/** Fields under ignoreChanges keep what the cluster has; those that only others own are left to them. */
function withoutIgnored(object: KubeObject, live: KubeObject, ignoreChanges: string[], fieldManager: string): KubeObject {
  let result = object;
  for (const pattern of ignoreChanges) {
    const path = parsePath(pattern);
    if (ownedByOthersOnly(live, path, fieldManager)) {
      result = removeAt(result, path) as KubeObject;
      continue;
    }
    const value = get(live, ...path);
    if (value !== undefined) result = setAt(result, path, value) as KubeObject;
  }
  return result;
}

function setAt(value: Value | undefined, path: (string | number)[], item: Value): Value {
  const [key, ...rest] = path;
  if (key === undefined) return item;
  if (Array.isArray(value)) return value.map((inner, i) => (i === Number(key) ? setAt(inner, rest, item) : inner));
  const map = (value ?? {}) as PropertyMap;
  return { ...map, [key]: setAt(map[key], rest, item) };
}

function removeAt(value: Value, path: (string | number)[]): Value {
  const names = path.map(String);
  const listAt = path.findIndex((key) => typeof key === "number");
  // An element of a list cannot be left out without moving the others: the list as a whole is left to its owner.
  return remove(value as PropertyMap, listAt < 0 ? names : names.slice(0, listAt));
}

/** Gives up all fields of an object that others go on managing. */
export async function relinquish(object: KubeObject, fieldManager: string, context: Omit<WriteContext, "type" | "settings" | "fieldManager">): Promise<void> {
  const { api, signal, log } = context;
  const namespace = namespaceOf(object);
  const bare: KubeObject = {
    apiVersion: apiVersionOf(object), kind: kindOf(object),
    metadata: { name: nameOf(object), ...(namespace === "" ? {} : { namespace }) },
  };
  const told = { signal, onRetry: (message: string) => { log("info", message); } };
  try {
    // A server-side apply makes what is not there, and nothing shall be made by a delete.
    await api.get(bare, told);
    await api.apply(bare, { fieldManager }, told);
  } catch (error) {
    if (isNotFound(error) || error instanceof UnknownKind) return;
    const required = error instanceof ApiError ? error.causes.find(({ reason }) => reason === "FieldValueRequired") : undefined;
    if (required === undefined) throw failure(error, object);
    throw new Error(
      `${idOf(object)}: this patch alone manages the required field ${required.field}, so it cannot let go of it; ` +
      "set retainOnDelete, or let something else manage the field first",
      { cause: error },
    );
  }
}
