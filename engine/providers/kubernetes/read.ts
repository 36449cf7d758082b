import type { Inputs, Outputs, ReadRequest } from "../provider";
import type { Api } from "./api";
import { isNotFound, UnknownKind } from "./api-error";
import { fieldManagerOf, initialApiVersionOf, readCheckpoint, writeCheckpoint } from "./checkpoint";
import { normalize } from "./normalize";
import { apiVersionOf, kindOf, objectOf, prune, remove, set } from "./object";
import type { KubeObject } from "./object";
import { kindOfType } from "./scope";
import { withSecrecy } from "./secrecy";

/** The object as it is now; undefined when it, or its kind, is gone. */
export async function readObject({ type, id, inputs = {}, outputs = {}, signal, log }: ReadRequest, api: Api): Promise<{ id: string; inputs: Inputs; outputs: Outputs } | undefined> {
  const checkpoint = readCheckpoint(outputs);
  const given = normalize(objectOf(inputs));
  // A program that only looks an object up gives its id and no inputs.
  const unmanaged = kindOf(given) === "" || apiVersionOf(given) === "";
  const reference = unmanaged ? referenceOf(type, id, checkpoint.live) : named(given, id);
  let live: KubeObject;
  try {
    live = await api.get(reference, { signal, onRetry: (message) => { log("info", message); } });
  } catch (error) {
    if (isNotFound(error) || error instanceof UnknownKind) return undefined;
    throw error;
  }
  const liveInputs = unmanaged ? inputsOf(live) : prune(live, given);
  const known = { inputs: liveInputs, live, fieldManager: fieldManagerOf(given, checkpoint.fieldManager), initialApiVersion: initialApiVersionOf(checkpoint) || apiVersionOf(live) };
  return { id, inputs: withSecrecy(liveInputs, inputs), outputs: writeCheckpoint(known, inputs) };
}

function parts(id: string): { name: string; namespace?: string } {
  const [first = "", second] = id.split("/");
  return second === undefined ? { name: first } : { namespace: first, name: second };
}

function referenceOf(type: string, id: string, live: KubeObject): KubeObject {
  const { apiVersion, kind } = kindOf(live) === "" ? kindOfType(type) : { apiVersion: apiVersionOf(live), kind: kindOf(live) };
  return { apiVersion, kind, metadata: parts(id) };
}

function named(object: KubeObject, id: string): KubeObject {
  const { name, namespace } = parts(id);
  const withName = set(object, ["metadata", "name"], name);
  return namespace === undefined ? withName : set(withName, ["metadata", "namespace"], namespace);
}

const SERVER_MADE = [
  ["status"], ["metadata", "creationTimestamp"], ["metadata", "generation"], ["metadata", "managedFields"], ["metadata", "resourceVersion"],
  ["metadata", "uid"], ["metadata", "annotations", "deployment.kubernetes.io/revision"],
  ["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
];

function inputsOf(live: KubeObject): KubeObject {
  return SERVER_MADE.reduce(remove, live);
}
