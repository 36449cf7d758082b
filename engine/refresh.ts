import type { ResourceState, Snapshot, StepOp } from "./model";
import { Stopped } from "./monitor";
import type { Run } from "./run";
import { isProviderType } from "./urn";
import { sameValue } from "./values";

/** Reads every managed resource and writes what was found into the state; one that is gone leaves it. */
export async function refreshAll(run: Run, snapshot: Snapshot): Promise<void> {
  await Promise.all(snapshot.resources.map(async (state) => {
    if (!state.custom || isProviderType(state.type) || state.delete === true) return;
    try {
      await refreshOne(run, state);
    } catch (error) {
      if (!(error instanceof Stopped)) run.fail(error instanceof Error ? error.message : String(error), state.urn);
    }
  }));
}

async function refreshOne(run: Run, state: ResourceState): Promise<void> {
  const provider = run.providers.instance(state);
  run.begun({ op: "refresh", old: state, new: state });
  await run.perform("reading", state, undefined, async (tools) => {
    const found = await provider.read({
      urn: state.urn, type: state.type, id: state.id ?? "", inputs: state.inputs, outputs: state.outputs, ...tools,
    });
    if (found === undefined) {
      run.record((store) => { store.remove(state); });
      run.done({ op: "delete", old: state });
      return;
    }
    run.mask.learn(found.outputs);
    const sameInputs = sameValue(state.inputs, found.inputs);
    const same = sameInputs && sameValue(state.outputs, found.outputs);
    // What a server adds or counts is kept and is no change.
    const op: StepOp = sameInputs ? "same" : "update";
    const next: ResourceState = same ? state : { ...state, ...found, modified: new Date().toISOString() };
    if (!same) run.record((store) => { store.put(next); });
    run.done({ op, old: state, new: next });
  });
}
