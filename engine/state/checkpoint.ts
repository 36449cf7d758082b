import { createHash } from "node:crypto";
import { decodeMap, encodeMap } from "../encoding";
import type { Json } from "../encoding";
import type { OperationType, PendingOperation, ResourceState } from "../model";
import type { PropertyMap } from "../values";
import type { StateSecrets } from "./secrets";

type JsonMap = { [key: string]: Json };

/** A resource as it stands in the state file. */
export interface RawResource {
  urn: string;
  custom: boolean;
  delete?: boolean;
  id?: string;
  type: string;
  inputs?: JsonMap;
  outputs?: JsonMap;
  parent?: string;
  dependencies?: string[];
  provider?: string;
  propertyDependencies?: Record<string, string[] | null>;
  initErrors?: string[];
  deletedWith?: string;
  [field: string]: unknown;
}

export interface RawOperation {
  resource: RawResource;
  type: OperationType;
}

export interface RawDeployment {
  manifest: { time: string; magic: string; version: string };
  secrets_providers?: { type: string; state?: { salt?: string } };
  resources?: RawResource[];
  pending_operations?: RawOperation[];
  metadata?: Record<string, unknown>;
  [field: string]: unknown;
}

/** What `pulumi stack export` prints and `pulumi stack import` reads. */
export interface ExportedStack {
  version: number;
  deployment: RawDeployment;
}

// The checkpoint format is that of this version of the CLI, which also made the recordings in test/engine/recorded.
const FORMAT_VERSION = "v3.260.0";

export function makeDeployment(
  resources: RawResource[],
  pending: RawOperation[],
  salt: string | undefined,
): RawDeployment {
  return {
    manifest: {
      time: new Date().toISOString(),
      magic: createHash("sha256").update(FORMAT_VERSION).digest("hex"),
      version: FORMAT_VERSION,
    },
    ...(salt === undefined ? {} : { secrets_providers: { type: "passphrase", state: { salt } } }),
    ...(resources.length === 0 ? {} : { resources }),
    ...(pending.length === 0 ? {} : { pending_operations: pending }),
    metadata: {},
  };
}

export function printStack(deployment: RawDeployment): string {
  const stack: ExportedStack = { version: 3, deployment };
  return `${JSON.stringify(stack, null, 4)}\n`;
}

/** @throws Error naming the file when it is not a version 3 deployment. */
export function parseStack(text: string, file: string): RawDeployment {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON (${error instanceof Error ? error.message : String(error)}); restore it from a backup`);
  }
  const stack = parsed as Partial<ExportedStack> | null;
  if (typeof stack !== "object" || stack === null || stack.version !== 3 || typeof stack.deployment !== "object") {
    throw new Error(
      `${file} is not a Pulumi deployment of version 3, as \`pulumi stack export\` writes it; version is ${JSON.stringify(stack?.version)}`,
    );
  }
  const provider = stack.deployment.secrets_providers?.type;
  if (provider !== undefined && provider !== "" && provider !== "passphrase") {
    throw new Error(`${file} keeps secrets with "${provider}"; the embedded engine reads only those of type "passphrase"`);
  }
  return stack.deployment;
}

type Field = keyof ResourceState;
const PLAIN_FIELDS = [
  "protect", "external", "initErrors", "provider", "pendingReplacement", "additionalSecretOutputs", "customTimeouts",
  "retainOnDelete", "deletedWith", "created", "modified", "ignoreChanges", "replaceOnChanges",
] as const satisfies readonly Field[];

// In Pulumi's order, so that a state and its export by the CLI can be compared line by line.
const ORDER = [
  "urn", "custom", "delete", "id", "type", "inputs", "outputs", "parent", "protect", "taint", "external", "dependencies",
  "initErrors", "provider", "propertyDependencies", "pendingReplacement", "additionalSecretOutputs", "customTimeouts",
  "importID", "retainOnDelete", "deletedWith", "replaceWith", "created", "modified", "sourcePosition", "stackTrace",
  "ignoreChanges", "hideDiff", "replaceOnChanges",
];
const KNOWN = new Set<string>([
  ...PLAIN_FIELDS, "urn", "custom", "delete", "id", "type", "inputs", "outputs", "parent", "dependencies",
  "propertyDependencies", "aliases",
]);

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === "" || value === false) return true;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

export function writeResource(state: ResourceState, secrets: StateSecrets): RawResource {
  const properties = (map: PropertyMap, part: string): JsonMap => encodeMap(map, secrets.codec(`${state.urn} ${part}`));
  const fields: Record<string, unknown> = { ...state, ...state.other };
  fields["inputs"] = properties(state.inputs, "inputs");
  fields["outputs"] = properties(state.outputs, "outputs");
  const raw: RawResource = { urn: state.urn, custom: state.custom, type: state.type };
  const ordered: Record<string, unknown> = {};
  for (const field of [...ORDER, ...Object.keys(state.other ?? {}).filter((name) => !ORDER.includes(name))]) {
    const value = fields[field];
    if (field === "urn" || field === "custom" || field === "type" || !isEmpty(value)) ordered[field] = value;
  }
  return Object.assign(ordered, { ...raw });
}

export function readResource(raw: RawResource, secrets: StateSecrets): ResourceState {
  const properties = (map: JsonMap | undefined, part: string): PropertyMap =>
    decodeMap(map ?? {}, secrets.codec(`${raw.urn} ${part}`));
  const state: ResourceState = {
    urn: raw.urn,
    custom: raw.custom,
    type: raw.type,
    inputs: properties(raw.inputs, "inputs"),
    outputs: properties(raw.outputs, "outputs"),
    dependencies: raw.dependencies ?? [],
    propertyDependencies: Object.fromEntries(
      Object.entries(raw.propertyDependencies ?? {}).map(([key, urns]) => [key, urns ?? []]),
    ),
  };
  if (raw.delete === true) state.delete = true;
  if (raw.id !== undefined) state.id = raw.id;
  if (raw.parent !== undefined) state.parent = raw.parent;
  for (const field of PLAIN_FIELDS) {
    if (raw[field] !== undefined) Object.assign(state, { [field]: raw[field] });
  }
  const other = Object.entries(raw).filter(([field]) => !KNOWN.has(field));
  if (other.length > 0) state.other = Object.fromEntries(other);
  return state;
}

export function writeOperation(operation: PendingOperation, secrets: StateSecrets): RawOperation {
  return { resource: writeResource(operation.resource, secrets), type: operation.type };
}
