import type { AliasSpec, Goal, ResourceState } from "./model";
import { makeUrn, parseUrn, STACK_TYPE } from "./urn";

/** Finds the old resource of a registration by its URN or by what it says it was called before. */
export class Aliases {
  /** New URN to the old one under which it was found. */
  private readonly found = new Map<string, string>();
  /** Old URN to the new one that claimed it. */
  private readonly claimed = new Map<string, string>();

  constructor(
    private readonly olds: ReadonlyMap<string, ResourceState>,
    private readonly stack: string,
    private readonly project: string,
  ) {}

  /** @throws Error when two resources claim the same old one */
  find(urn: string, goal: Goal): { old: ResourceState; alias?: string } | undefined {
    const claimant = this.claimed.get(urn);
    if (claimant !== undefined) throw new Error(`${urn} was claimed as an alias by ${claimant} already; a resource can have one successor`);
    for (const candidate of [urn, ...this.candidates(goal)]) {
      const old = this.olds.get(candidate);
      if (old === undefined) continue;
      if (candidate === urn) return { old };
      const other = this.claimed.get(candidate);
      if (other !== undefined) throw new Error(`both ${urn} and ${other} have the alias ${candidate}; take it from one of them`);
      this.claimed.set(candidate, urn);
      this.found.set(urn, candidate);
      return { old, alias: candidate };
    }
    return undefined;
  }

  /** Whether an old URN goes on under a new one. */
  isClaimed(urn: string): boolean {
    return this.claimed.has(urn);
  }

  /** All aliases of a registration as URNs, those that follow from its parent's included. */
  candidates(goal: Goal): string[] {
    const own = goal.aliases.map((alias) => this.resolve(goal, alias));
    const result = new Set(own);
    const parentAlias = this.found.get(goal.parent);
    if (parentAlias !== undefined) {
      const parentName = parseUrn(goal.parent).name;
      result.add(this.inherit(goal.type, goal.name, parentName, parentAlias));
      for (const urn of own) {
        const { type, name } = parseUrn(urn);
        result.add(this.inherit(type, name, parentName, parentAlias));
      }
    }
    return [...result];
  }

  private resolve(goal: Goal, alias: string | AliasSpec): string {
    if (typeof alias === "string") return alias;
    const given = alias.parentUrn === undefined ? goal.parent : (this.found.get(alias.parentUrn) ?? alias.parentUrn);
    const atTop = alias.noParent === true || (given !== "" && parseUrn(given).qualifiedType === STACK_TYPE);
    const { stack = this.stack, project = this.project, type = goal.type, name = goal.name } = alias;
    return makeUrn(stack, project, atTop ? "" : given, type, name);
  }

  /** A child named after its parent (`{parent}-suffix`) was named after the parent's old name before. */
  private inherit(type: string, name: string, parentName: string, parentAlias: string): string {
    const oldName = name.startsWith(parentName) ? parseUrn(parentAlias).name + name.slice(parentName.length) : name;
    return makeUrn(this.stack, this.project, parentAlias, type, oldName);
  }
}
