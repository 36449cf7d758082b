import { Aliases } from "./aliases";
import { deleteAll, deleterOf } from "./deletes";
import { dependentReplacements, differenceOf } from "./difference";
import type { Goal, ResourceState, Snapshot } from "./model";
import { Stopped } from "./monitor";
import type { ProgramCalls, Registered } from "./monitor";
import { ignoreChanges } from "./paths";
import type { PolicyChecks } from "./policy-check";
import type { PolicySubject } from "./policy-pack";
import { diffProviders } from "./providers/provider-resource";
import type { ProviderInstance } from "./providers/provider";
import type { Run } from "./run";
import { newState, providerGoal, registeredOf } from "./states";
import { providerUrn } from "./state/resource-list";
import { NO_DIFFERENCE, Steps } from "./steps";
import type { Difference } from "./steps";
import { isProviderType, makeUrn, packageOf, stackUrn } from "./urn";
import { containsUnknown, sameValue } from "./values";
import type { PropertyMap } from "./values";

/** Makes the provider resources of the state known to what refers to them. */
export function configureAll(run: Run, { resources }: Snapshot): void {
  for (const state of resources) if (isProviderType(state.type)) run.providers.configure(state);
}

/** A provider resource keeps the version of the plugin among its inputs. */
function withVersion(goal: Goal): Goal {
  if (!isProviderType(goal.type) || goal.version === "") return goal;
  return { ...goal, inputs: { __internal: {}, ...goal.inputs, version: goal.version } };
}

/** One registration on its way. */
interface Registration {
  goal: Goal;
  urn: string;
  old?: ResourceState;
  next: ResourceState;
  provider?: ProviderInstance;
  /** A policy changed the inputs. */
  remediated?: boolean;
}

/** A failure that has been reported with everything the user needs. */
class Reported extends Error {}

/** Turns what the program registers into steps, and deletes what it no longer registers. */
export class Deployment implements ProgramCalls {
  private readonly steps: Steps;
  private readonly aliases: Aliases;
  private readonly olds = new Map<string, ResourceState>();
  private readonly news = new Map<string, { state: ResourceState; goal: Goal; old?: ResourceState }>();
  /** URNs that failed or were left out because of one that did. */
  private readonly failed = new Set<string>();
  private readonly registered = new Map<string, Promise<Registered>>();
  private readonly replaced = new Set<string>();
  /** Deleted before they were registered, because of something they depend on; with the inputs that ask for it. */
  private readonly deletedFirst = new Map<string, string[]>();
  private readonly condemned: ResourceState[] = [];
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly run: Run,
    private readonly snapshot: Snapshot,
    private readonly policies: PolicyChecks | undefined,
    private readonly forceReplace: ReadonlySet<string>,
  ) {
    this.steps = new Steps(run, snapshot.cutOff);
    for (const state of snapshot.resources) if (state.delete !== true) this.olds.set(state.urn, state);
    configureAll(run, snapshot);
    this.aliases = new Aliases(this.olds, run.stack, run.project);
  }

  get rootUrn(): string {
    return stackUrn(this.run.stack, this.run.project);
  }

  /** Outputs of the stack. */
  get outputs(): PropertyMap {
    return this.news.get(this.rootUrn)?.state.outputs ?? {};
  }

  log(...[severity, message, urn]: Parameters<ProgramCalls["log"]>): void {
    if (severity === "error") this.run.failed = true;
    this.run.events.log(severity, message, urn);
  }

  requirePackage(name: string): void {
    this.run.providers.forPackage(name);
  }

  async register(goal: Goal): Promise<Registered> {
    return this.once(goal, (urn) => this.process(urn, goal));
  }

  async read(goal: Goal, id: string): Promise<Registered> {
    return this.once(goal, async (urn) => {
      this.run.providers.refuse(goal.type);
      const next = newState(goal, urn, await this.providerReference(goal));
      const provider = this.run.providers.instance(next);
      next.external = true;
      if (containsUnknown(goal.inputs)) return registeredOf(next);
      await this.steps.read(provider, next, id);
      this.news.set(urn, { state: next, goal });
      return registeredOf(next);
    });
  }

  registerOutputs(urn: string, outputs: PropertyMap): void {
    const entry = this.news.get(urn);
    if (entry === undefined) throw new Error(`outputs were registered for ${urn}, which has not been registered`);
    this.run.mask.learn(outputs);
    const { state, old } = entry;
    const changed = !sameValue(state.outputs, outputs);
    const op = old === undefined ? "create" : sameValue(old.inputs, state.inputs) ? "same" : "update";
    state.outputs = outputs;
    if (changed) this.run.record((store) => { store.put(state); });
    const step = old === undefined ? { op, new: state } as const : { op, old, new: state } as const;
    this.run.described(step);
  }

  /** Waits for what the program has begun, judges the stack and deletes what is no longer wanted. */
  async finish(): Promise<void> {
    await Promise.allSettled(this.registered.values());
    if (this.run.failed || this.run.stopped) return;
    await this.policies?.stack([...this.news.values()].map(({ state, goal }) => this.subject(state, goal, state.outputs)), this.rootUrn);
    if (this.run.violated && !this.run.preview) return;
    const gone = this.snapshot.resources.filter((state) => this.isGone(state));
    const urns = new Set(gone.filter((state) => state.delete !== true).map(({ urn }) => urn));
    await deleteAll(this.run, this.steps, [...gone, ...this.condemned], urns);
  }

  private isGone(state: ResourceState): boolean {
    if (state.delete === true) return true;
    return !this.registered.has(state.urn) && !this.aliases.isClaimed(state.urn);
  }

  /** Answers each URN once; a failure becomes an answer that lets the program go on with what does not depend on it. */
  private async once(goal: Goal, work: (urn: string) => Promise<Registered>): Promise<Registered> {
    this.run.throwIfStopped();
    const urn = makeUrn(this.run.stack, this.run.project, goal.parent, goal.type, goal.name);
    if (this.registered.has(urn)) {
      this.run.fail(`two resources have the URN ${urn}; give one of them another name`, urn);
      throw new Error(`duplicate resource URN ${urn}`);
    }
    const result = this.guarded(urn, goal, work);
    this.registered.set(urn, result);
    return result;
  }

  private async guarded(urn: string, goal: Goal, work: (urn: string) => Promise<Registered>): Promise<Registered> {
    try {
      this.run.mask.learn(goal.inputs);
      if (this.dependsOnFailure(goal)) {
        this.failed.add(urn);
        return { urn, id: "", outputs: {}, result: "skip" };
      }
      return await work(urn);
    } catch (error) {
      this.failed.add(urn);
      if (error instanceof Stopped) throw error;
      if (!(error instanceof Reported)) this.run.fail(error instanceof Error ? error.message : String(error), urn);
      return { urn, id: "", outputs: {}, result: "fail" };
    }
  }

  private dependsOnFailure(goal: Goal): boolean {
    const urns = [goal.parent, goal.deletedWith, goal.provider === "" ? "" : providerUrn(goal.provider), ...goal.dependencies, ...Object.values(goal.propertyDependencies).flat()];
    return urns.some((urn) => this.failed.has(urn));
  }

  private async process(urn: string, goal: Goal): Promise<Registered> {
    if (goal.custom) this.run.providers.refuse(goal.type);
    const found = this.aliases.find(urn, goal);
    const old = found?.old;
    if (found?.alias !== undefined) {
      const { alias } = found;
      this.run.record((store) => { store.rename(alias, urn); });
    }
    const next = newState(withVersion(goal), urn, await this.providerReference(goal));
    const provider = goal.custom ? this.run.providers.instance(next) : undefined;
    const registration: Registration = {
      goal, urn, next, ...(old === undefined ? {} : { old }), ...(provider === undefined ? {} : { provider }),
    };
    await this.check(registration);
    await this.judge(registration, found?.alias);
    await this.inTurn(() => this.decide(registration));
    if (isProviderType(goal.type)) this.run.providers.configure(next);
    this.news.set(urn, { state: next, goal, ...(old === undefined ? {} : { old }) });
    return registeredOf(next);
  }

  /** `<urn>::<id>` of the provider; registers the default provider of the package and version on first use. */
  private async providerReference(goal: Goal): Promise<string> {
    if (!goal.custom || isProviderType(goal.type) || goal.provider !== "") return goal.provider;
    const provider = this.run.providers.forPackage(packageOf(goal.type));
    const wanted = providerGoal(provider, goal.version);
    const urn = makeUrn(this.run.stack, this.run.project, "", wanted.type, wanted.name);
    const { id } = await (this.registered.get(urn) ?? this.register(wanted));
    return `${urn}::${id}`;
  }

  /** Whether the resource has come under a provider that manages something else, such as another cluster. */
  private providerReplaced(old: ResourceState, next: ResourceState): boolean {
    if (old.provider === next.provider || old.provider === undefined || next.provider === undefined) return false;
    const before = this.olds.get(providerUrn(old.provider));
    const now = this.news.get(providerUrn(next.provider))?.state;
    if (before === undefined || now === undefined) return false;
    const provider = this.run.providers.forPackage(packageOf(now.type));
    return diffProviders(provider, before.inputs, now.inputs).replaceKeys.length > 0;
  }

  private async check({ goal, urn, old, next, provider }: Registration): Promise<void> {
    const fresh = old === undefined || old.external === true || this.deletedFirst.has(urn) || this.forceReplace.has(urn);
    if (!fresh && goal.ignoreChanges.length > 0) {
      const kept = ignoreChanges(next.inputs, old.inputs, goal.ignoreChanges);
      next.inputs = kept.inputs;
      if (kept.unmatched.length > 0) {
        const paths = kept.unmatched.map((path) => `"${path}"`).join(", ");
        this.run.events.log("info", `cannot ignore changes in added or removed elements of the path: ${paths}`, urn);
      }
    }
    if (provider === undefined) return;
    const { inputs, failures } = await provider.check({
      urn, type: goal.type, news: next.inputs, ...(fresh ? {} : { olds: old.inputs }),
    });
    next.inputs = inputs;
    if (failures.length === 0) return;
    for (const { property, reason } of failures) {
      this.run.fail(`${goal.type} "${goal.name}"${property === "" ? "" : `: ${property}`}: ${reason}`, urn);
    }
    throw new Reported();
  }

  private subject(state: ResourceState, goal: Goal, properties: PropertyMap, alias?: string): PolicySubject {
    const provider = state.provider === undefined ? undefined : this.news.get(providerUrn(state.provider));
    return {
      state, properties, ignoreChanges: goal.ignoreChanges, aliases: alias === undefined ? [] : [alias],
      ...(goal.deleteBeforeReplace === undefined ? {} : { deleteBeforeReplace: goal.deleteBeforeReplace }),
      ...(provider === undefined ? {} : { provider: provider.state }),
    };
  }

  private async judge(registration: Registration, alias: string | undefined): Promise<void> {
    if (this.policies === undefined) return;
    const { goal, next } = registration;
    const { inputs, forbidden } = await this.policies.resource(this.subject(next, goal, next.inputs, alias));
    registration.remediated = !sameValue(next.inputs, inputs);
    next.inputs = inputs;
    if (!forbidden || this.run.preview) return;
    this.run.stop(`${next.urn} violates a mandatory policy; nothing more is changed`);
    throw new Reported();
  }

  /** Decisions are made one after another: what is deleted first for the sake of one is known to the next. */
  private async inTurn(decide: () => Promise<() => Promise<void>>): Promise<void> {
    const before = this.turn;
    let pass = (): void => undefined;
    this.turn = new Promise((resolve) => { pass = resolve; });
    await before;
    let step: () => Promise<void>;
    try {
      this.run.throwIfStopped();
      step = await decide();
    } finally {
      pass();
    }
    await step();
  }

  private async decide({ goal, urn, old, next, provider, remediated }: Registration): Promise<() => Promise<void>> {
    if (old === undefined) return () => this.steps.create(provider, next);
    if (old.external === true) return () => this.steps.create(provider, next, old);
    const keys = this.deletedFirst.get(urn);
    if (keys !== undefined) {
      this.replaced.add(urn);
      const difference: Difference = { ...NO_DIFFERENCE, changed: true, replace: true, keys };
      return async () => { await this.steps.replace(provider, old, next, difference, false); };
    }
    const difference = await differenceOf(provider, old, next, goal, {
      replace: this.forceReplace.has(urn),
      deletedWithReplaced: this.replaced.has(goal.deletedWith),
      providerReplaced: this.providerReplaced(old, next),
    });
    if (!difference.changed) return () => { this.steps.same(old, next); return Promise.resolve(); };
    if (!difference.replace) return () => this.steps.update(provider, old, next, difference);
    if (old.protect === true && next.protect === true) {
      this.run.fail(`${urn} is protected and would be replaced; set protect to false in the program to let it be`, urn);
      if (!this.run.preview) throw new Reported();
    }
    this.replaced.add(urn);
    // What is made anew starts from what the program says, also where changes were ignored or a name had been chosen.
    if (provider !== undefined && !isProviderType(goal.type) && remediated !== true) {
      next.inputs = (await provider.check({ urn, type: goal.type, news: goal.inputs })).inputs;
    }
    const deleteFirst = goal.deleteBeforeReplace ?? difference.deleteBeforeReplace;
    if (!deleteFirst && old.pendingReplacement !== true) {
      return async () => {
        const condemned = await this.steps.replace(provider, old, next, difference, true);
        if (condemned !== undefined) this.condemned.push(condemned);
      };
    }
    const dependents = deleteFirst ? await this.dependentsToDelete(old) : [];
    return async () => {
      for (const dependent of dependents) await this.steps.delete(deleterOf(dependent, this.run.providers), dependent, "delete-replaced", true);
      if (old.pendingReplacement !== true) await this.steps.delete(deleterOf(old, this.run.providers), old, "delete-replaced", true);
      await this.steps.replace(provider, old, next, difference, false);
    };
  }

  /** What has to go before `root` can go, in the order of deletion; marked, so that its registration makes it anew. */
  private async dependentsToDelete(root: ResourceState): Promise<ResourceState[]> {
    const candidates = this.snapshot.resources.filter((state) => state.delete !== true && !this.registered.has(state.urn));
    const dependents = await dependentReplacements(root, candidates, (state) => deleterOf(state, this.run.providers));
    const blocked = dependents.filter(({ state }) => state.protect === true);
    for (const { state: { urn } } of blocked) {
      this.run.fail(`${urn} is protected, and would have to be deleted to replace ${root.urn}; set its protect to false first`, urn);
    }
    if (blocked.length > 0) throw new Reported();
    const result = dependents.filter(({ state }) => !this.deletedFirst.has(state.urn)).reverse();
    for (const { state, keys } of result) this.deletedFirst.set(state.urn, keys);
    return result.map(({ state }) => state);
  }
}
