import { encodeMap, maskedSecrets } from "./encoding";
import type { Json } from "./encoding";
import type { SecretMask } from "./secret-mask";
import type { ResourceState, StepOp } from "./model";

export type Severity = "debug" | "info" | "info#err" | "warning" | "error";

/** A resource as events show it. */
export interface StepEventState {
  type: string;
  urn: string;
  custom?: boolean;
  delete?: boolean;
  id: string;
  parent: string;
  protect?: boolean;
  retainOnDelete?: boolean;
  inputs: { [key: string]: Json };
  outputs: { [key: string]: Json };
  provider: string;
  initErrors?: string[];
}

export interface PropertyDiff {
  diffKind: "add" | "add-replace" | "delete" | "delete-replace" | "update" | "update-replace";
  inputDiff: boolean;
}

export interface StepEventMetadata {
  op: StepOp;
  urn: string;
  type: string;
  old: StepEventState | null;
  new: StepEventState | null;
  keys?: string[];
  diffs?: string[];
  detailedDiff: Record<string, PropertyDiff> | null;
  logical?: boolean;
  provider: string;
}

export interface DiagnosticEvent {
  urn?: string;
  prefix?: string;
  message: string;
  color: "never";
  severity: Severity;
  ephemeral?: boolean;
}

export type EnforcementLevel = "advisory" | "mandatory" | "remediate" | "disabled";

export interface PolicyEvent {
  resourceUrn?: string;
  message: string;
  color: "never";
  policyName: string;
  policyPackName: string;
  policyPackVersion: string;
  policyPackVersionTag: string;
  enforcementLevel: EnforcementLevel;
  severity?: string;
}

export interface PolicyRemediationEvent {
  resourceUrn?: string;
  color: "never";
  policyName: string;
  policyPackName: string;
  policyPackVersion: string;
  policyPackVersionTag: string;
  before: { [key: string]: Json };
  after: { [key: string]: Json };
}

export interface SummaryEvent {
  maybeCorrupt: boolean;
  durationSeconds: number;
  resourceChanges: Partial<Record<StepOp, number>>;
  PolicyPacks: Record<string, string>;
  isPreview: boolean;
  result: "succeeded" | "failed";
}

/** One of the kinds of `apitype.EngineEvent`; exactly one field besides sequence and timestamp is set. */
export interface EngineEventKinds {
  preludeEvent?: { config: Record<string, string> };
  resourcePreEvent?: { metadata: StepEventMetadata; planning?: true };
  resOutputsEvent?: { metadata: StepEventMetadata; planning?: true };
  resOpFailedEvent?: { metadata: StepEventMetadata; status: number; steps: number };
  diagnosticEvent?: DiagnosticEvent;
  policyEvent?: PolicyEvent;
  policyRemediationEvent?: PolicyRemediationEvent;
  policyLoadEvent?: Record<string, never>;
  summaryEvent?: SummaryEvent;
  cancelEvent?: Record<string, never>;
}

export interface EngineEvent extends EngineEventKinds {
  sequence: number;
  /** Seconds since 1970. */
  timestamp: number;
}

export interface Diagnostic {
  urn?: string;
  severity: Severity;
  message: string;
}

export type PolicyViolation = PolicyEvent;

/** Numbers events, masks secrets in their texts and keeps what the result of a run reports. */
export class Events {
  readonly diagnostics: Diagnostic[] = [];
  readonly violations: PolicyViolation[] = [];
  private sequence = 0;

  constructor(
    private readonly listener: ((event: EngineEvent) => void) | undefined,
    private readonly mask: SecretMask,
    private readonly preview: boolean,
  ) {}

  emit(kinds: EngineEventKinds): void {
    this.listener?.({ sequence: this.sequence++, timestamp: Math.floor(Date.now() / 1000), ...kinds });
  }

  /** Text for the user. Ephemeral ones (output of a running command) are shown and not kept. */
  log(severity: Severity, text: string, urn?: string, ephemeral = false): void {
    const message = this.mask.apply(text);
    const place = urn === undefined || urn === "" ? {} : { urn };
    if (!ephemeral && severity !== "debug") this.diagnostics.push({ ...place, severity, message });
    if (this.listener === undefined) return;
    const line = message.endsWith("\n") ? message : `${message}\n`;
    const prefix = severity === "info" || ephemeral ? {} : { prefix: `${severity}: ` };
    const tail = ephemeral ? { ephemeral } : {};
    this.emit({ diagnosticEvent: { ...place, ...prefix, message: line, color: "never", severity, ...tail } });
  }

  violation(event: PolicyEvent): void {
    const masked = { ...event, message: this.mask.apply(event.message) };
    this.violations.push(masked);
    this.emit({ policyEvent: masked });
  }

  /** A step begins ("pre"), is done ("outputs") or failed. */
  step(phase: "pre" | "outputs" | "failed", metadata: () => StepEventMetadata): void {
    if (this.listener === undefined) return;
    const planning = this.preview ? { planning: true as const } : {};
    if (phase === "pre") this.emit({ resourcePreEvent: { metadata: metadata(), ...planning } });
    else if (phase === "outputs") this.emit({ resOutputsEvent: { metadata: metadata(), ...planning } });
    else this.emit({ resOpFailedEvent: { metadata: metadata(), status: 0, steps: 0 } });
  }
}

export function eventState(state: ResourceState | undefined): StepEventState | null {
  if (state === undefined) return null;
  return {
    type: state.type,
    urn: state.urn,
    ...(state.custom ? { custom: true } : {}),
    ...(state.delete === true ? { delete: true } : {}),
    id: state.id ?? "",
    parent: state.parent ?? "",
    ...(state.protect === true ? { protect: true } : {}),
    ...(state.retainOnDelete === true ? { retainOnDelete: true } : {}),
    inputs: encodeMap(state.inputs, maskedSecrets),
    outputs: encodeMap(state.outputs, maskedSecrets),
    provider: state.provider ?? "",
    ...(state.initErrors === undefined ? {} : { initErrors: state.initErrors }),
  };
}
