import type { PropertyMap } from "../values";

/**
 * Properties as the engine holds them. They may hold `Secret` markers everywhere (a provider keeps the secrecy of what
 * it derives from them by returning `Secret` values) and `UNKNOWN` in `check`, `diff` and in calls with `preview: true`.
 */
export type Inputs = PropertyMap;
export type Outputs = PropertyMap;

export interface CheckFailure {
  property: string;
  reason: string;
}

export interface CheckRequest {
  urn: string;
  type: string;
  /** Inputs of the last successful step; absent for a new resource. */
  olds?: Inputs;
  news: Inputs;
}

export interface DiffRequest {
  urn: string;
  type: string;
  id: string;
  oldInputs: Inputs;
  oldOutputs: Outputs;
  newInputs: Inputs;
  ignoreChanges: string[];
}

export interface DiffResult {
  changes: "none" | "some";
  /** Top-level inputs whose change cannot be made in place; not empty means that the resource is replaced. */
  replaceKeys: string[];
  changedKeys: string[];
  /** The old resource has to be gone before the new one can be made. */
  deleteBeforeReplace: boolean;
  /** Property path of each change, for `replaceOnChanges` and for display; computed from the inputs where absent. */
  detailedDiff?: Record<string, "add" | "delete" | "update">;
  /** Paths in `detailedDiff` that are told as a change of the inputs instead of the state. @default [] */
  inputPaths?: string[];
}

/** Severity and text of a line for the user; the engine masks known secret values before anybody sees it. */
export type ProviderLog = (severity: "debug" | "info" | "warning" | "error", message: string) => void;

interface StepRequest {
  urn: string;
  type: string;
  /** From the resource's `customTimeouts`; absent means that the provider's own default holds. */
  timeoutSeconds?: number;
  /** Aborted when the user interrupts for the second time: stop as soon as it is safe. */
  signal: AbortSignal;
  log: ProviderLog;
}

export interface CreateRequest extends StepRequest {
  inputs: Inputs;
  /** A run before this one was cut off while it made this resource, so it may exist. @default false */
  resumed?: boolean;
  /** Nothing may be touched; outputs that are not known yet are `UNKNOWN`. */
  preview: boolean;
}

export interface UpdateRequest extends StepRequest {
  id: string;
  oldInputs: Inputs;
  oldOutputs: Outputs;
  newInputs: Inputs;
  /** Property paths of which the program says that changes do not matter. @default [] */
  ignoreChanges?: string[];
  preview: boolean;
}

export interface DeleteRequest extends StepRequest {
  id: string;
  inputs: Inputs;
  outputs: Outputs;
}

export interface ReadRequest extends StepRequest {
  id: string;
  /** Last known inputs and outputs; absent when a program reads a resource that the stack does not manage. */
  inputs?: Inputs;
  outputs?: Outputs;
}

/**
 * Thrown by `create` or `update` when the resource exists but did not become what was asked: state keeps it with what
 * is known of it, and the next run tries to update it.
 */
export class PartialFailure extends Error {
  constructor(
    message: string,
    readonly id: string,
    readonly outputs: Outputs,
  ) {
    super(message);
  }
}

/** The resources of a package under one configuration. Errors thrown by its methods carry a message for the user and fail that one step. */
export interface ProviderInstance {
  check(request: CheckRequest): Promise<{ inputs: Inputs; failures: CheckFailure[] }>;
  diff(request: DiffRequest): Promise<DiffResult>;
  create(request: CreateRequest): Promise<{ id: string; outputs: Outputs }>;
  update(request: UpdateRequest): Promise<{ outputs: Outputs }>;
  delete(request: DeleteRequest): Promise<void>;
  /** Undefined when the resource is gone. */
  read(request: ReadRequest): Promise<{ id: string; inputs: Inputs; outputs: Outputs } | undefined>;
  /** Called once at the end of a run. */
  close?(): void;
}

/** A package that the engine can manage. */
export interface Provider {
  readonly package: string;
  /** Version of the Pulumi plugin whose behaviour it follows: its state is handed over to that plugin. */
  readonly version: string;
  /** What the plugin itself adds to the inputs of its provider resource in state. @default - nothing */
  readonly providerInputs?: Inputs;
  supports(type: string): boolean;
  /**
   * Problems with the inputs of a provider resource. They may hold `UNKNOWN`.
   * @default - none
   */
  checkConfig?(inputs: Inputs): CheckFailure[];
  /**
   * How two sets of inputs of a provider resource differ. Where that asks for a replacement, every resource under it is
   * replaced as well.
   * @default - every change is made in place
   */
  diffConfig?(oldInputs: Inputs, newInputs: Inputs): DiffResult;
  /** Contacts nothing: what cannot work is told by the step that needs it. In a preview inputs may hold `UNKNOWN`. */
  configure(inputs: Inputs): ProviderInstance;
}
