import type { PropertyDiff } from "./events";
import type { Goal, ResourceState } from "./model";
import { covers, detailedDiff, parsePath } from "./paths";
import type { DiffResult, ProviderInstance } from "./providers/provider";
import { NO_DIFFERENCE } from "./steps";
import type { Difference } from "./steps";
import { sameValue, UNKNOWN } from "./values";
import type { PropertyMap } from "./values";

const REPLACED: Record<string, PropertyDiff["diffKind"]> = {
  add: "add-replace", delete: "delete-replace", update: "update-replace",
};

function replaceBecauseOf(key: string): Difference {
  return { ...NO_DIFFERENCE, changed: true, replace: true, keys: [key] };
}

/** What has to be done to turn the old resource into the new one. */
export async function differenceOf(
  provider: ProviderInstance | undefined,
  old: ResourceState,
  next: ResourceState,
  goal: Goal,
  forced: { replace: boolean; deletedWithReplaced: boolean; providerReplaced: boolean },
): Promise<Difference> {
  if (forced.replace) return replaceBecauseOf("id");
  if (forced.deletedWithReplaced) return replaceBecauseOf("deletedWith");
  if (old.custom !== next.custom || forced.providerReplaced) return replaceBecauseOf("provider");
  if (provider === undefined) return { ...NO_DIFFERENCE, changed: !sameValue(old.inputs, next.inputs) };
  const diff = await provider.diff({
    urn: next.urn, type: next.type, id: old.id ?? "", oldInputs: old.inputs, oldOutputs: old.outputs,
    newInputs: next.inputs, ignoreChanges: goal.ignoreChanges,
  });
  const difference = withReplaceOnChanges(diff, old, next, goal.replaceOnChanges);
  if (old.pendingReplacement === true) return { ...difference, changed: true, replace: true };
  if ((old.initErrors ?? []).length > 0) return { ...difference, changed: true };
  return difference;
}

function withReplaceOnChanges(diff: DiffResult, old: ResourceState, next: ResourceState, replaceOnChanges: string[]): Difference {
  if (diff.changes === "none") return NO_DIFFERENCE;
  const patterns = replaceOnChanges.map(parsePath);
  const asks = (path: string): boolean => patterns.some((pattern) => covers(pattern, parsePath(path)));
  const keys = new Set([...diff.replaceKeys, ...diff.changedKeys.filter(asks)]);
  const detailed: Record<string, PropertyDiff> = {};
  let replace = keys.size > 0;
  for (const [path, kind] of kinds(diff, old, next)) {
    const replaces = asks(path) || diff.replaceKeys.includes(path) || diff.replaceKeys.includes(String(parsePath(path)[0]));
    if (replaces) replace = true;
    detailed[path] = { diffKind: replaces ? (REPLACED[kind] ?? "update-replace") : kind, inputDiff: diff.inputPaths?.includes(path) === true };
  }
  return {
    changed: true, replace, deleteBeforeReplace: diff.deleteBeforeReplace, keys: [...keys], diffs: diff.changedKeys,
    detailedDiff: detailed,
  };
}

function kinds(diff: DiffResult, old: ResourceState, next: ResourceState): [string, "add" | "delete" | "update"][] {
  if (diff.detailedDiff !== undefined) return Object.entries(diff.detailedDiff);
  const computed = detailedDiff(old.inputs, next.inputs);
  return [...computed].map(([path, { diffKind }]) => [path, diffKind as "add" | "delete" | "update"]);
}

/**
 * Resources that cannot stay while `root` is deleted and made again: those of which an input depends on it, and whose
 * provider would replace them were that input to change. In dependency order.
 */
export async function dependentReplacements(
  root: ResourceState,
  resources: Iterable<ResourceState>,
  providerOf: (state: ResourceState) => ProviderInstance | undefined,
): Promise<{ state: ResourceState; keys: string[] }[]> {
  const replaced = new Set([root.urn]);
  const result: { state: ResourceState; keys: string[] }[] = [];
  for (const state of resources) {
    if (!state.custom || state.external === true || state === root) continue;
    const inputs: PropertyMap = { ...state.inputs };
    const affected = Object.keys(inputs).filter((key) => state.propertyDependencies[key]?.some((urn) => replaced.has(urn)));
    if (affected.length === 0) continue;
    for (const key of affected) inputs[key] = UNKNOWN;
    const diff = await providerOf(state)?.diff({
      urn: state.urn, type: state.type, id: state.id ?? "", oldInputs: state.inputs, oldOutputs: state.outputs,
      newInputs: inputs, ignoreChanges: [],
    });
    if (diff === undefined || diff.replaceKeys.length === 0) continue;
    replaced.add(state.urn);
    result.push({ state, keys: diff.replaceKeys });
  }
  return result;
}
