import type { Events } from "./events";
import type { Snapshot } from "./model";

/**
 * The state a run starts from when steps of the one before it were cut off. What was being made is made again; what was
 * being changed or deleted is updated even where nothing differs, because nobody knows how far the step had come.
 */
export function recovered(snapshot: Snapshot, events: Events): Snapshot {
  if (snapshot.pendingOperations.length === 0) return snapshot;
  const unfinished = new Map<string, string>();
  for (const { resource, type } of snapshot.pendingOperations) {
    events.log("warning", `an earlier run was cut off while it was ${type} this resource; the step is repeated`, resource.urn);
    if (type === "updating" || type === "deleting") unfinished.set(resource.urn, type);
  }
  const resources = snapshot.resources.map((state) => {
    const type = unfinished.get(state.urn);
    if (type === undefined || state.delete === true || !state.custom) return state;
    return { ...state, initErrors: [`a run was cut off while it was ${type} this resource`] };
  });
  const cutOff = new Set(snapshot.pendingOperations.filter(({ type }) => type === "creating").map(({ resource }) => resource.urn));
  return { resources, pendingOperations: [], cutOff };
}
