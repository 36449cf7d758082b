import type { PropertyDiff } from "./events";
import type { ResourceState } from "./model";
import { PartialFailure } from "./providers/provider";
import type { Outputs, ProviderInstance } from "./providers/provider";
import type { Run, StepInfo } from "./run";
import { keyOf } from "./state/resource-list";
import { sameValue, Secret } from "./values";
import type { PropertyMap, Value } from "./values";

/** How a resource differs from what it should be. */
export interface Difference {
  changed: boolean;
  replace: boolean;
  deleteBeforeReplace: boolean;
  /** Inputs because of which it is replaced. */
  keys: string[];
  diffs: string[];
  detailedDiff?: Record<string, PropertyDiff>;
}

export const NO_DIFFERENCE: Difference = {
  changed: false, replace: false, deleteBeforeReplace: false, keys: [], diffs: [],
};

function now(): string {
  return new Date().toISOString();
}

function secretOutputs(outputs: Outputs, names: string[] | undefined): Outputs {
  if (names === undefined) return outputs;
  const result: Outputs = { ...outputs };
  for (const name of names) {
    const value: Value | undefined = result[name];
    if (value !== undefined && !(value instanceof Secret)) result[name] = new Secret(value);
  }
  return result;
}

function details(difference: Difference): Pick<StepInfo, "keys" | "diffs" | "detailedDiff"> {
  const { keys, diffs, detailedDiff } = difference;
  return detailedDiff === undefined ? { keys, diffs } : { keys, diffs, detailedDiff };
}

/** The steps of one run. Each changes `next` (the resource as it will be) and the state, and tells the events. */
export class Steps {
  /** @param cutOff URNs that an earlier run may have made */
  constructor(
    private readonly run: Run,
    private readonly cutOff: ReadonlySet<string> = new Set(),
  ) {}

  /** Nothing to do in the world; state follows where options or dependencies changed. */
  same(old: ResourceState, next: ResourceState): void {
    this.run.begun({ op: "same", old, new: next });
    Object.assign(next, { outputs: old.outputs }, old.id === undefined ? {} : { id: old.id });
    copyTimes(old, next);
    if (old.other !== undefined) next.other = old.other;
    this.run.record((store) => {
      if (!sameState(old, next)) store.put(next, keyOf(old));
    });
    this.finish({ op: "same", old, new: next });
  }

  async create(provider: ProviderInstance | undefined, next: ResourceState, old?: ResourceState): Promise<void> {
    const step: StepInfo = { op: "create", new: next };
    this.run.begun(step);
    await this.attempt(step, () => this.make(provider, next, () => {
      this.run.record((store) => { store.put(next, old === undefined ? undefined : keyOf(old)); });
    }));
    this.finish(step);
  }

  async update(provider: ProviderInstance | undefined, old: ResourceState, next: ResourceState, difference: Difference): Promise<void> {
    const step: StepInfo = { op: "update", old, new: next, ...details(difference) };
    this.run.begun(step);
    if (old.id !== undefined) next.id = old.id;
    copyTimes(old, next);
    const record = (): void => { this.run.record((store) => { store.put(next, keyOf(old)); }); };
    await this.attempt(step, async () => {
      if (provider === undefined) {
        record();
        return;
      }
      await this.run.perform("updating", next, next.customTimeouts?.update, async (tools) => {
        const request = {
          urn: next.urn, type: next.type, id: old.id ?? "", oldInputs: old.inputs, oldOutputs: old.outputs,
          newInputs: next.inputs, preview: this.run.preview, ...(next.ignoreChanges === undefined ? {} : { ignoreChanges: next.ignoreChanges }),
          ...tools,
        };
        await this.settle(next, record, async () => {
          const { outputs } = await provider.update(request);
          return { id: old.id ?? "", outputs };
        });
        next.modified = now();
        record();
      });
    });
    this.finish(step);
  }

  /**
   * Makes the resource anew. `old` is what it takes the place of; with `keepOld` that goes on living until everything
   * that used it has moved, and is returned as the one to delete.
   */
  async replace(provider: ProviderInstance | undefined, old: ResourceState, next: ResourceState, difference: Difference, keepOld: boolean): Promise<ResourceState | undefined> {
    const condemned: ResourceState | undefined = keepOld ? { ...old, delete: true } : undefined;
    const logical: StepInfo = { op: "replace", old, new: next, ...details(difference) };
    const step: StepInfo = { ...logical, op: "create-replacement" };
    if (!keepOld) {
      const { keys: _keys, ...plain } = logical;
      const told = difference.diffs.length === 0 && difference.detailedDiff === undefined ? plain : logical;
      this.run.begun(told);
      this.run.done(told);
    }
    this.run.begun(step);
    await this.attempt(step, () => this.make(provider, next, () => {
      this.run.record((store) => {
        // In this order: cut off between the two, the old one is at worst deleted twice, and never forgotten.
        if (condemned !== undefined) store.put(condemned);
        store.put(next, keyOf(old));
      });
    }));
    this.finish({ ...step, ...(condemned === undefined ? {} : { old: condemned }) });
    if (condemned !== undefined) {
      this.run.begun({ ...logical, old: condemned });
      this.run.done({ ...logical, old: condemned });
    }
    return condemned;
  }

  /** `pendingReplacement`: the state remembers the resource until it has been made again. */
  async delete(provider: ProviderInstance | undefined, old: ResourceState, op: "delete" | "delete-replaced", pendingReplacement = false): Promise<void> {
    const step: StepInfo = { op, old };
    this.run.begun(step);
    const record = (): void => {
      this.run.record((store) => {
        if (pendingReplacement) store.put({ ...old, pendingReplacement: true });
        else store.remove(old);
      });
      // Gone in the world: no later step of this run may delete it once more.
      if (pendingReplacement) old.pendingReplacement = true;
    };
    await this.attempt(step, async () => {
      if (provider === undefined || old.external === true || old.pendingReplacement === true || this.run.preview) {
        record();
        return;
      }
      await this.run.perform("deleting", old, old.customTimeouts?.delete, async (tools) => {
        await provider.delete({ urn: old.urn, type: old.type, id: old.id ?? "", inputs: old.inputs, outputs: old.outputs, ...tools });
        record();
      });
    });
    this.run.done(step);
  }

  async read(provider: ProviderInstance, next: ResourceState, id: string): Promise<void> {
    const step: StepInfo = { op: "read", new: next };
    this.run.begun(step);
    await this.attempt(step, () => this.run.perform("reading", next, undefined, async (tools) => {
      const found = await provider.read({ urn: next.urn, type: next.type, id, inputs: next.inputs, ...tools });
      if (found === undefined) throw new Error(`there is no ${next.type} with the id "${id}"`);
      Object.assign(next, { id: found.id, inputs: found.inputs, outputs: secretOutputs(found.outputs, next.additionalSecretOutputs) });
      this.run.record((store) => { store.put(next); });
    }));
    this.finish(step);
  }

  private async make(provider: ProviderInstance | undefined, next: ResourceState, record: () => void): Promise<void> {
    if (provider === undefined) {
      next.created = next.modified = now();
      record();
      return;
    }
    await this.run.perform("creating", next, next.customTimeouts?.create, async (tools) => {
      const request = { urn: next.urn, type: next.type, inputs: next.inputs, preview: this.run.preview, resumed: this.cutOff.has(next.urn), ...tools };
      await this.settle(next, record, () => provider.create(request));
      next.created = next.modified = now();
      record();
    });
  }

  /** Takes over what the provider returns, also where it failed half-way and the resource exists nevertheless. */
  private async settle(next: ResourceState, record: () => void, work: () => Promise<{ id: string; outputs: Outputs }>): Promise<void> {
    try {
      const made = await work();
      next.id = made.id;
      next.outputs = secretOutputs(made.outputs, next.additionalSecretOutputs);
    } catch (error) {
      if (error instanceof PartialFailure) {
        next.id = error.id;
        next.outputs = secretOutputs(error.outputs, next.additionalSecretOutputs);
        next.initErrors = [this.run.mask.apply(error.message)];
        next.modified = now();
        next.created ??= next.modified;
        record();
      }
      throw error;
    } finally {
      this.run.mask.learn(next.outputs);
    }
  }

  private async attempt(step: StepInfo, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.run.stepFailed(step);
      throw error;
    }
  }

  private finish(step: StepInfo): void {
    // A component is done when its outputs are registered.
    if (step.new?.custom === false) this.run.count(step);
    else this.run.done(step);
  }
}

function copyTimes(old: ResourceState, next: ResourceState): void {
  if (old.created !== undefined) next.created = old.created;
  if (old.modified !== undefined) next.modified = old.modified;
}

/** Whether state has nothing new to keep. */
function sameState(old: ResourceState, next: ResourceState): boolean {
  const plain = ({ inputs: _inputs, outputs: _outputs, other: _other, ...rest }: ResourceState): PropertyMap =>
    JSON.parse(JSON.stringify(rest)) as PropertyMap;
  return sameValue(old.inputs, next.inputs) && sameValue(plain(old), plain(next));
}
