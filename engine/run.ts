import type { Events, PropertyDiff, StepEventMetadata } from "./events";
import { eventState } from "./events";
import { Limiter } from "./limiter";
import type { OperationType, ResourceState, StepOp } from "./model";
import { Stopped } from "./monitor";
import type { ProviderRegistry } from "./providers";
import type { ProviderLog } from "./providers/provider";
import type { SecretMask } from "./secret-mask";
import type { StateStore } from "./state/store";
import { isProviderType } from "./urn";

/** One step as events and steps see it. */
export interface StepInfo {
  op: StepOp;
  old?: ResourceState;
  new?: ResourceState;
  /** Inputs that ask for a replacement. */
  keys?: string[];
  diffs?: string[];
  detailedDiff?: Record<string, PropertyDiff>;
}

/** What a provider call gets besides the resource. */
export interface StepTools {
  signal: AbortSignal;
  log: ProviderLog;
  timeoutSeconds?: number;
}

// Parts of a replacement; the replacement itself is the step that people count.
const PHYSICAL: readonly StepOp[] = ["create-replacement", "delete-replaced"];

export interface RunOptions {
  project: string;
  stack: string;
  preview: boolean;
  parallel: number;
  events: Events;
  mask: SecretMask;
  providers: ProviderRegistry;
  /** Absent in a preview. */
  store?: StateStore;
  /** Aborted by the first interrupt: finish running steps, start no new ones. */
  signal?: AbortSignal;
  /** Aborted by the second: cancel the running steps. */
  cancelSignal?: AbortSignal;
}

/** What all steps of one preview, up, refresh or destroy share. */
export class Run {
  readonly changes: Partial<Record<StepOp, number>> = {};
  /** A step or the program failed: nothing more is deleted. */
  failed = false;
  /** A mandatory policy is violated. */
  violated = false;
  /** Name to version of the policy packs that ran. */
  readonly policyPacks: Record<string, string> = {};
  private stoppedBecause: string | undefined;
  private readonly cancel = new AbortController();
  private readonly limiter: Limiter;

  constructor(private readonly options: RunOptions) {
    this.limiter = new Limiter(options.parallel);
    onAbort(options.signal, () => {
      this.stop("interrupted: running steps are finished, no new ones are started; interrupt again to cancel them");
    });
    onAbort(options.cancelSignal, () => {
      this.stop("interrupted");
      this.events.log("warning", "cancelling the running steps");
      this.cancel.abort();
    });
  }

  get preview(): boolean {
    return this.options.preview;
  }
  get events(): Events {
    return this.options.events;
  }
  get mask(): SecretMask {
    return this.options.mask;
  }
  get providers(): ProviderRegistry {
    return this.options.providers;
  }
  get project(): string {
    return this.options.project;
  }
  get stack(): string {
    return this.options.stack;
  }
  get stopped(): boolean {
    return this.stoppedBecause !== undefined;
  }

  /** Starts no new step from now on. */
  stop(reason: string): void {
    if (this.stoppedBecause !== undefined) return;
    this.stoppedBecause = reason;
    this.failed = true;
    this.events.log("error", reason);
  }

  throwIfStopped(): void {
    if (this.stoppedBecause !== undefined) throw new Stopped(this.stoppedBecause);
  }

  fail(message: string, urn?: string): void {
    this.failed = true;
    this.events.log("error", message, urn);
  }

  begun(step: StepInfo): void {
    this.events.step("pre", () => metadata(step));
  }

  done(step: StepInfo): void {
    this.count(step);
    this.described(step);
  }

  /** The event for a step that was counted before. */
  described(step: StepInfo): void {
    this.events.step("outputs", () => metadata(step));
  }

  /** Counts a step without its event, which for a component follows when its outputs are known. */
  count(step: StepInfo): void {
    const subject = step.new ?? step.old;
    if (PHYSICAL.includes(step.op) || subject === undefined || isDefaultProvider(subject)) return;
    this.changes[step.op] = (this.changes[step.op] ?? 0) + 1;
  }

  stepFailed(step: StepInfo): void {
    this.events.step("failed", () => metadata(step));
  }

  /** Changes the state, where there is one. */
  record(change: (store: StateStore) => void): void {
    if (this.options.store !== undefined) change(this.options.store);
  }

  /**
   * Does one step in the world: waits for a free place, notes in the journal that it begins, and that it has ended
   * together with what `work` recorded. In a preview only `work` is done.
   */
  async perform(type: OperationType, resource: ResourceState, seconds: number | undefined, work: (tools: StepTools) => Promise<void>): Promise<void> {
    const { store } = this.options;
    const tools: StepTools = {
      signal: this.cancel.signal,
      log: (severity, message) => { this.events.log(severity, message, resource.urn, severity === "info"); },
      ...(seconds === undefined ? {} : { timeoutSeconds: seconds }),
    };
    if (store === undefined) return work(tools);
    await this.limiter.run(async () => {
      this.throwIfStopped();
      const step = await store.begin(type, resource);
      try {
        await work(tools);
      } finally {
        await store.end(step);
      }
    });
  }
}

export function isDefaultProvider(state: ResourceState): boolean {
  return isProviderType(state.type) && /::default(_[^:]*)?$/.test(state.urn);
}

function metadata(step: StepInfo): StepEventMetadata {
  const subject = step.new ?? step.old;
  return {
    op: step.op,
    urn: subject?.urn ?? "",
    type: subject?.type ?? "",
    old: eventState(step.old),
    new: eventState(step.new),
    ...(step.keys === undefined || step.keys.length === 0 ? {} : { keys: step.keys }),
    ...(step.diffs === undefined || step.diffs.length === 0 ? {} : { diffs: step.diffs }),
    detailedDiff: step.detailedDiff ?? null,
    ...(PHYSICAL.includes(step.op) ? {} : { logical: true }),
    provider: subject?.provider ?? "",
  };
}

function onAbort(signal: AbortSignal | undefined, act: () => void): void {
  if (signal?.aborted === true) act();
  else signal?.addEventListener("abort", act, { once: true });
}
