interface Resource {
  urn: string;
  type: string;
  dependencies?: string[];
  propertyDependencies?: Record<string, string[] | null>;
}

interface Deployment {
  resources?: Resource[];
  pending_operations?: unknown[];
}

/**
 * A state for a cluster that is gone: its objects are left out, so that `up` makes them in the new one. Everything else,
 * secrets among it, stays as it was saved.
 * @param stack as `pulumi stack export` prints it
 */
export function withoutCluster(stack: string): string {
  const document = JSON.parse(stack) as { deployment?: Deployment };
  const { deployment } = document;
  if (deployment?.resources === undefined) return stack;
  const gone = new Set(deployment.resources.filter(({ type }) => type.startsWith("kubernetes:")).map(({ urn }) => urn));
  const left = (urns: string[]): string[] => urns.filter((urn) => !gone.has(urn));
  deployment.resources = deployment.resources
    .filter(({ urn }) => !gone.has(urn))
    .map(({ dependencies, propertyDependencies, ...resource }) => ({
      ...resource,
      ...(dependencies === undefined ? {} : { dependencies: left(dependencies) }),
      ...(propertyDependencies === undefined ? {} : { propertyDependencies: Object.fromEntries(Object.entries(propertyDependencies).map(([key, urns]) => [key, urns === null ? null : left(urns)])) }),
    }));
  delete deployment.pending_operations;
  return `${JSON.stringify(document, null, 4)}\n`;
}

/** URNs of the commands that read a cluster's kubeconfig and token from its servers: a new cluster has others. */
export function readsOfCluster(urns: Iterable<string>): string[] {
  return [...urns].filter((urn) => urn.includes("command:remote:Command::") && /-(kubeconfig|k3s-token)$/.test(urn));
}
