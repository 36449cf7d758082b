import { decodeMap, type Json, type SecretCodec } from "../../engine/encoding";
import { diffObjects } from "../../engine/providers/kubernetes/diff";
import { replacingPaths } from "../../engine/providers/kubernetes/force-new";
import { isPatch, objectOf } from "../../engine/providers/kubernetes/object";
import { parseSettings } from "../../engine/providers/kubernetes/settings";
import { Secret } from "../../engine/values";
import { changedPaths, type Inputs, type Step } from "./events";

type JsonMap = Record<string, Json>;

/** Secrets are masked in events, and compare as equal. */
const masked: SecretCodec = { write: () => "[secret]", read: () => new Secret("[secret]") };

/** Whether an object of the API must be deleted and made again: the provider's own answer. */
function isReplaced(type: string, old: Inputs, now: Inputs): boolean {
  if (!type.startsWith("kubernetes:")) return false;
  const [before, after] = [objectOf(decodeMap(old as JsonMap, masked)), objectOf(decodeMap(now as JsonMap, masked))];
  const replacing = replacingPaths(after, isPatch(type, after), parseSettings({}, {}));
  return diffObjects(before, after, replacing, []).replaceKeys.length > 0;
}

function changeOf(before: Step, after: Step): Step {
  const [old, now] = [before.new ?? {}, after.new ?? {}];
  const changed = changedPaths(old, now);
  if (changed.length === 0) return { ...after, op: "same", old, changed };
  return { ...after, op: isReplaced(after.type, old, now) ? "replace" : "update", old, changed };
}

/**
 * What going from one plan to another does, from the previews of both on an empty stack: what the second has and the first
 * has not is created, the other way round it is deleted, and the provider says whether a change is made in place.
 */
export function compareSteps(base: readonly Step[], head: readonly Step[]): Step[] {
  const before = new Map(base.map((step) => [step.urn, step]));
  const after = new Set(head.map(({ urn }) => urn));
  const gone = base.filter(({ urn }) => !after.has(urn)).map((step): Step => {
    const { new: old = {}, ...rest } = step;
    return { ...rest, op: "delete", old, changed: [] };
  });
  return [...head.map((step) => {
    const old = before.get(step.urn);
    return old === undefined ? step : changeOf(old, step);
  }), ...gone];
}
