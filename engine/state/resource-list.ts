interface Listed {
  urn: string;
  id?: string;
  delete?: boolean;
  parent?: string;
  provider?: string;
  dependencies?: string[];
  propertyDependencies?: Record<string, string[] | null>;
  deletedWith?: string;
}

/** What a resource is filed under: one that waits for its deletion does not stand in the way of its replacement. */
export function keyOf(resource: Listed): string {
  return resource.delete === true ? `${resource.urn}#${resource.id ?? ""}` : resource.urn;
}

/** The resources of a stack, in an order in which everything stands after what it depends on. */
export class ResourceList<T extends Listed> {
  private readonly entries = new Map<string, T>();
  private readonly renamed = new Map<string, string>();

  constructor(resources: Iterable<T>) {
    for (const resource of resources) this.put(resource);
  }

  get(key: string): T | undefined {
    return this.entries.get(key);
  }

  /** Adds a resource, or takes the place of the one under the same key. `over` names one that it also replaces. */
  put(resource: T, over?: string): void {
    const key = keyOf(resource);
    if (over !== undefined && over !== key) this.entries.delete(over);
    this.entries.set(key, resource);
  }

  remove(key: string): void {
    this.entries.delete(key);
  }

  /** Notes that a resource has a new URN: `sorted` makes all that refer to the old one refer to the new one. */
  rename(from: string, to: string): void {
    this.renamed.set(from, to);
  }

  values(): Iterable<T> {
    return this.entries.values();
  }

  /** In dependency order; otherwise as they were put. */
  sorted(): T[] {
    if (this.renamed.size > 0) {
      for (const [key, resource] of this.entries) this.entries.set(key, withUrns(resource, this.renamed));
    }
    const result: T[] = [];
    const seen = new Set<T>();
    const byUrn = new Map<string, T>();
    for (const resource of this.entries.values()) {
      if (resource.delete !== true || !byUrn.has(resource.urn)) byUrn.set(resource.urn, resource);
    }
    const visit = (resource: T): void => {
      if (seen.has(resource)) return;
      seen.add(resource);
      for (const urn of dependenciesOf(resource)) {
        const dependency = byUrn.get(urn);
        if (dependency !== undefined) visit(dependency);
      }
      result.push(resource);
    };
    for (const resource of this.entries.values()) visit(resource);
    return result;
  }
}

/** URNs of everything that has to be there before the resource: parent, provider and all dependencies. */
export function dependenciesOf(resource: Listed): string[] {
  const urns = [...(resource.dependencies ?? [])];
  if (resource.parent !== undefined) urns.push(resource.parent);
  if (resource.provider !== undefined) urns.push(providerUrn(resource.provider));
  if (resource.deletedWith !== undefined) urns.push(resource.deletedWith);
  for (const key in resource.propertyDependencies) urns.push(...(resource.propertyDependencies[key] ?? []));
  return urns;
}

/** The URN in a provider reference `<urn>::<id>`. */
export function providerUrn(reference: string): string {
  return reference.slice(0, reference.lastIndexOf("::"));
}

function withUrns<T extends Listed>(resource: T, renamed: Map<string, string>): T {
  const current = (urn: string): string => renamed.get(urn) ?? urn;
  const { parent, provider, deletedWith, propertyDependencies } = resource;
  return {
    ...resource,
    ...(parent === undefined ? {} : { parent: current(parent) }),
    ...(provider === undefined ? {} : { provider: provider.replace(providerUrn(provider), current) }),
    ...(deletedWith === undefined ? {} : { deletedWith: current(deletedWith) }),
    ...(resource.dependencies === undefined ? {} : { dependencies: resource.dependencies.map(current) }),
    ...(propertyDependencies === undefined
      ? {}
      : {
          propertyDependencies: Object.fromEntries(
            Object.entries(propertyDependencies).map(([key, urns]) => [key, (urns ?? []).map(current)]),
          ),
        }),
  };
}
