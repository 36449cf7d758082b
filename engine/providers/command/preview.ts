import { Archive, Asset, Secret, UNKNOWN, sameValue } from "../../values";
import type { PropertyMap, Value } from "../../values";
import type { Inputs, Outputs } from "../provider";
import { isUnknown, open } from "./properties";
import { RESOURCES } from "./schema";
import type { ResourceType } from "./schema";

/** What a run produces, as opposed to what it is given. */
const PRODUCED = ["stdout", "stderr", "assets", "archive"] as const;

/** Outputs of earlier runs, which an update without a command keeps. Their secrecy is the engine's to add again. */
export function producedBefore(outputs: Outputs): PropertyMap {
  const kept: PropertyMap = {};
  for (const name of PRODUCED) {
    const value = open(outputs[name]);
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

function unknownLike(value: Value): Value {
  return value instanceof Secret ? new Secret(UNKNOWN) : UNKNOWN;
}

/** A file that is to be copied is only known to be there once it has been copied. */
function hideSources(inputs: Inputs): PropertyMap {
  const hidden: PropertyMap = {};
  for (const [name, value] of Object.entries(inputs)) {
    const source = open(value);
    if (source instanceof Asset || source instanceof Archive) hidden[name] = unknownLike(value);
  }
  return hidden;
}

function emptyResults(type: ResourceType): PropertyMap {
  return type === "command:remote:CopyToRemote" ? {} : { stdout: "", stderr: "" };
}

/** Outputs of a resource that is yet to be made. */
export function previewCreate(type: ResourceType, inputs: Inputs): Outputs {
  const unknowns = Object.fromEntries(Object.keys(emptyResults(type)).map((name) => [name, UNKNOWN]));
  return { ...inputs, ...hideSources(inputs), ...unknowns };
}

/**
 * Outputs of a resource that is to be updated. An input that is given for the first time leaves the earlier results in
 * place; one that changes, is taken away or is unknown makes them unknown. That is what Pulumi's own provider does.
 */
export function previewUpdate(type: ResourceType, oldOutputs: Outputs, newInputs: Inputs): Outputs {
  const produced: PropertyMap = { ...emptyResults(type), ...producedBefore(oldOutputs) };
  const affected = Object.keys(RESOURCES[type].fields).some((name) => {
    const now = newInputs[name];
    return isUnknown(now) || (oldOutputs[name] !== undefined && !sameValue(oldOutputs[name], now));
  });
  if (!affected) return { ...newInputs, ...produced };
  const unknowns = Object.fromEntries(Object.keys(produced).map((name) => [name, UNKNOWN]));
  return { ...newInputs, ...hideSources(newInputs), ...unknowns };
}
