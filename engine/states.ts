import type { Goal, ResourceState } from "./model";
import type { Registered } from "./monitor";
import type { Provider } from "./providers/provider";

/** The resource as a registration wants it; what only a step can tell is still missing. */
export function newState(goal: Goal, urn: string, provider: string): ResourceState {
  // Sorted, because the SDK names them in an order that changes from run to run.
  const propertyDependencies: Record<string, string[]> = {};
  for (const key of Object.keys(goal.propertyDependencies).sort()) {
    propertyDependencies[key] = [...(goal.propertyDependencies[key] ?? [])].sort();
  }
  const state: ResourceState = {
    urn, custom: goal.custom, type: goal.type, inputs: goal.inputs, outputs: {},
    dependencies: [...goal.dependencies].sort(), propertyDependencies,
  };
  if (goal.parent !== "") state.parent = goal.parent;
  if (provider !== "") state.provider = provider;
  if (goal.protect) state.protect = true;
  if (goal.retainOnDelete) state.retainOnDelete = true;
  if (goal.deletedWith !== "") state.deletedWith = goal.deletedWith;
  if (goal.additionalSecretOutputs.length > 0) state.additionalSecretOutputs = goal.additionalSecretOutputs;
  if (goal.ignoreChanges.length > 0) state.ignoreChanges = goal.ignoreChanges;
  if (goal.replaceOnChanges.length > 0) state.replaceOnChanges = goal.replaceOnChanges;
  if (Object.keys(goal.customTimeouts).length > 0) state.customTimeouts = goal.customTimeouts;
  return state;
}

/** The default provider of a package, as Pulumi names and configures it. */
export function providerGoal(provider: Provider, version: string): Goal {
  const used = version === "" ? provider.version : version;
  return {
    type: `pulumi:providers:${provider.package}`,
    name: `default_${used.replace(/[.+-]/g, "_")}`,
    custom: true,
    parent: "",
    inputs: { __internal: {}, ...provider.providerInputs, version: used },
    provider: "",
    version: "",
    protect: false,
    retainOnDelete: false,
    dependencies: [],
    propertyDependencies: {},
    ignoreChanges: [],
    replaceOnChanges: [],
    additionalSecretOutputs: [],
    aliases: [],
    customTimeouts: {},
    deletedWith: "",
  };
}

/** What the program is told about a resource. */
export function registeredOf(state: ResourceState): Registered {
  return { urn: state.urn, id: state.id ?? "", outputs: state.outputs, result: "success" };
}
