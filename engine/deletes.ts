import type { ResourceState } from "./model";
import type { ProviderRegistry } from "./providers";
import type { ProviderInstance } from "./providers/provider";
import type { Run } from "./run";
import { Stopped } from "./monitor";
import { dependenciesOf } from "./state/resource-list";
import type { Steps } from "./steps";

/** The provider that deletes a resource; none for components, and for what only leaves the state. */
export function deleterOf(state: ResourceState, providers: ProviderRegistry): ProviderInstance | undefined {
  if (!state.custom || state.external === true || state.retainOnDelete === true) return undefined;
  return providers.instance(state);
}

/**
 * Deletes resources, each after everything that depends on it. Where one fails, what it depends on stays.
 * @param condemned URNs that are deleted in this run: what is `deletedWith` one of them only leaves the state
 */
export async function deleteAll(run: Run, steps: Steps, resources: ResourceState[], condemned: ReadonlySet<string>): Promise<void> {
  const protectedOnes = resources.filter((state) => state.protect === true);
  for (const { urn } of protectedOnes) {
    run.fail(
      `${urn} is protected and would be deleted; set protect to false in the program and run up, and then delete it`,
      urn,
    );
  }
  if (protectedOnes.length > 0) return;
  const tasks = new Map<ResourceState, Promise<boolean>>();
  const users = usersOf(resources);
  const remove = (state: ResourceState): Promise<boolean> => {
    const task = tasks.get(state) ?? removeAfter(state, (users.get(state) ?? []).map(remove));
    tasks.set(state, task);
    return task;
  };
  const removeAfter = async (state: ResourceState, before: Promise<boolean>[]): Promise<boolean> => {
    if ((await Promise.all(before)).includes(false)) return false;
    if (run.stopped) return false;
    try {
      const gone = state.deletedWith !== undefined && condemned.has(state.deletedWith);
      const provider = gone ? undefined : deleterOf(state, run.providers);
      await steps.delete(provider, state, state.delete === true ? "delete-replaced" : "delete");
      return true;
    } catch (error) {
      if (!(error instanceof Stopped)) run.fail(error instanceof Error ? error.message : String(error), state.urn);
      return false;
    }
  };
  // From the back: those that others depend on stand first, so users' tasks are there when theirs are made.
  await Promise.all([...resources].reverse().map(remove));
}

/** For each resource those in the list that depend on it. */
function usersOf(resources: ResourceState[]): Map<ResourceState, ResourceState[]> {
  const byUrn = new Map<string, ResourceState[]>();
  for (const state of resources) byUrn.set(state.urn, [...(byUrn.get(state.urn) ?? []), state]);
  const users = new Map<ResourceState, ResourceState[]>();
  for (const state of resources) {
    for (const urn of new Set(dependenciesOf(state))) {
      for (const dependency of byUrn.get(urn) ?? []) {
        // A live resource depends on the live one of that URN, not on the one that it has replaced.
        if (dependency === state || (dependency.delete === true && state.delete !== true)) continue;
        users.set(dependency, [...(users.get(dependency) ?? []), state]);
      }
    }
  }
  return users;
}
