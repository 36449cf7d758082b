import type { PropertyMap } from "./values";

/** One resource as the state keeps it; field names are those of Pulumi's checkpoint. */
export interface ResourceState {
  urn: string;
  custom: boolean;
  /** Replaced by a newer one of the same URN and waiting to be deleted. */
  delete?: boolean;
  id?: string;
  type: string;
  inputs: PropertyMap;
  outputs: PropertyMap;
  parent?: string;
  protect?: boolean;
  /** Read, not managed: never updated and never deleted. */
  external?: boolean;
  dependencies: string[];
  /** Why the last step on it did not finish; the next run updates it even though nothing differs. */
  initErrors?: string[];
  /** `<provider urn>::<provider id>`. */
  provider?: string;
  propertyDependencies: Record<string, string[]>;
  /** Deleted so that it can be replaced, and not made again yet. */
  pendingReplacement?: boolean;
  additionalSecretOutputs?: string[];
  customTimeouts?: CustomTimeouts;
  retainOnDelete?: boolean;
  deletedWith?: string;
  created?: string;
  modified?: string;
  ignoreChanges?: string[];
  replaceOnChanges?: string[];
  /** Fields that Pulumi knows and this engine does not use; kept as they were. */
  other?: Record<string, unknown>;
}

/** In seconds; absent means the provider's default. */
export interface CustomTimeouts {
  create?: number;
  update?: number;
  delete?: number;
}

export interface AliasSpec {
  name?: string;
  type?: string;
  stack?: string;
  project?: string;
  parentUrn?: string;
  noParent?: boolean;
}

/** What the program asks for in one registration. */
export interface Goal {
  type: string;
  name: string;
  custom: boolean;
  parent: string;
  inputs: PropertyMap;
  provider: string;
  /** Version of the package that the program was written against. */
  version: string;
  protect: boolean;
  retainOnDelete: boolean;
  deleteBeforeReplace?: boolean;
  dependencies: string[];
  propertyDependencies: Record<string, string[]>;
  ignoreChanges: string[];
  replaceOnChanges: string[];
  additionalSecretOutputs: string[];
  aliases: (string | AliasSpec)[];
  customTimeouts: CustomTimeouts;
  deletedWith: string;
}

export type StepOp =
  | "same"
  | "create"
  | "update"
  | "replace"
  | "create-replacement"
  | "delete"
  | "delete-replaced"
  | "read"
  | "refresh"
  | "discard-replaced"
  | "remove-pending-replace";

export type OperationType = "creating" | "updating" | "deleting" | "reading";

/** A step that had begun when the state was written, and whose end is not known. */
export interface PendingOperation {
  resource: ResourceState;
  type: OperationType;
}

export interface Snapshot {
  resources: ResourceState[];
  pendingOperations: PendingOperation[];
  /** URNs that an earlier run was making when it was cut off: they may exist. @default - none */
  cutOff?: ReadonlySet<string>;
}
