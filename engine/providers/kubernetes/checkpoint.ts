import { randomBytes } from "node:crypto";
import { isMap } from "../../values";
import type { Inputs, Outputs } from "../provider";
import { annotation, objectOf, propertiesOf, text } from "./object";
import type { KubeObject } from "./object";
import { withSecrecy } from "./secrecy";

/** Names that the plugin keeps among the outputs, beside the live object. */
const INPUTS = "__inputs";
const INITIAL_API_VERSION = "__initialApiVersion";
const FIELD_MANAGER = "__fieldManager";

/** What a resource's outputs hold. */
export interface Checkpoint {
  /** As last given by the program. */
  inputs: KubeObject;
  live: KubeObject;
  initialApiVersion?: string;
  fieldManager?: string;
}

export function readCheckpoint(outputs: Outputs): Checkpoint {
  const { [INPUTS]: inputs, [INITIAL_API_VERSION]: version, [FIELD_MANAGER]: manager, ...live } = outputs;
  return {
    inputs: isMap(inputs) ? objectOf(inputs) : {},
    live: objectOf(live),
    ...(typeof version === "string" ? { initialApiVersion: version } : {}),
    ...(typeof manager === "string" ? { fieldManager: manager } : {}),
  };
}

/** Outputs of a resource. `given` are the inputs with their secret markers, whose secrecy the live object takes over. */
export function writeCheckpoint(
  { inputs, live, initialApiVersion, fieldManager }: Required<Checkpoint>,
  given: Inputs,
): Outputs {
  return {
    ...withSecrecy(propertiesOf(live), given),
    [INPUTS]: withSecrecy(propertiesOf(inputs), given),
    [INITIAL_API_VERSION]: initialApiVersion,
    [FIELD_MANAGER]: fieldManager,
  };
}

/** Who the API server takes for the owner of the fields: one name a resource, kept in state. */
export function fieldManagerOf(inputs: KubeObject, known: string | undefined): string {
  return annotation(inputs, "pulumi.com/patchFieldManager") ?? known ?? `pulumi-kubernetes-${randomBytes(4).toString("hex")}`;
}

export function initialApiVersionOf(checkpoint: Checkpoint): string {
  return checkpoint.initialApiVersion ?? text(checkpoint.inputs, "apiVersion") ?? "";
}
