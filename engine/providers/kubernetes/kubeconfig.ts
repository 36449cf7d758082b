import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { parse } from "yaml";

/** A problem with a kubeconfig. Its message never quotes the content, which holds keys. */
export class BadKubeconfig extends Error {}

/** The part of a kubeconfig that is needed to find the cluster. Credentials stay in `document`. */
export interface Kubeconfig {
  currentContext: string;
  contexts: Map<string, { cluster: string; user: string; namespace?: string }>;
  /** Settings of each cluster as the file has them. */
  clusters: Map<string, Record<string, unknown>>;
  /** The text as read; relative paths in it start from `folder`. */
  document: string;
  folder: string;
}

interface Document {
  "current-context"?: unknown;
  contexts?: unknown;
  clusters?: unknown;
}

function named(list: unknown, field: string): [string, Record<string, unknown>][] {
  if (!Array.isArray(list)) return [];
  return (list as unknown[]).flatMap((item) => {
    if (typeof item !== "object" || item === null) return [];
    const { name, [field]: value } = item as Record<string, unknown>;
    const known = typeof name === "string" && typeof value === "object" && value !== null;
    return known ? [[name, value as Record<string, unknown>] as [string, Record<string, unknown>]] : [];
  });
}

function parsed(document: string, folder: string, where: string): Kubeconfig {
  let content: unknown;
  try {
    content = parse(document);
  } catch {
    throw new BadKubeconfig(`${where} is not YAML`);
  }
  if (typeof content !== "object" || content === null) {
    throw new BadKubeconfig(`${where} is neither the path of a file that exists nor the content of a kubeconfig`);
  }
  const { "current-context": current, contexts, clusters } = content as Document;
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return {
    currentContext: text(current),
    contexts: new Map(named(contexts, "context").map(([name, { cluster, user, namespace }]) => [
      name, { cluster: text(cluster), user: text(user), ...(typeof namespace === "string" && namespace !== "" ? { namespace } : {}) },
    ])),
    clusters: new Map(named(clusters, "cluster")),
    document,
    folder,
  };
}

/** Reads what the provider's `kubeconfig` holds: the content, or the path of a file. @throws BadKubeconfig */
export function readKubeconfig(pathOrContent: string, where = "the provider's kubeconfig"): Kubeconfig {
  const path = pathOrContent.replace(/^~(?=$|\/)/, homedir());
  // A path is one line; a content longer than any path is not looked for.
  if (!path.includes("\n") && path.length < 4096 && existsSync(path)) {
    return parsed(readFileSync(path, "utf8"), dirname(resolve(path)), path);
  }
  return parsed(pathOrContent, process.cwd(), where);
}

/** What kubectl uses without arguments: the first file of $KUBECONFIG that exists, or `~/.kube/config`. @throws BadKubeconfig */
export function ambientKubeconfig(env: NodeJS.ProcessEnv): Kubeconfig {
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  const files = listed.length > 0 ? listed : [join(homedir(), ".kube", "config")];
  const found = files.filter((file) => existsSync(file));
  const [file] = found;
  if (file === undefined) {
    throw new BadKubeconfig(`there is no kubeconfig: looked for ${files.join(", ")}; give the provider one, or set KUBECONFIG`);
  }
  if (found.length > 1) {
    throw new BadKubeconfig(`KUBECONFIG names ${String(found.length)} files, which the embedded engine does not merge; name one, or merge them by: kubectl config view --flatten`);
  }
  return readKubeconfig(file);
}

/** Overrides that a provider resource may set. */
export interface Overrides {
  context?: string;
  cluster?: string;
}

export interface ActiveContext {
  /** @default - none is current */
  context?: string;
  cluster: Record<string, unknown>;
  clusterName: string;
  user: string;
  namespace?: string;
}

/** The context in use, or undefined where the kubeconfig names none that exists. */
export function activeContext(config: Kubeconfig, overrides: Overrides): ActiveContext | undefined {
  const name = overrides.context ?? config.currentContext;
  const context = config.contexts.get(name);
  if (context === undefined) return undefined;
  const clusterName = overrides.cluster ?? context.cluster;
  const cluster = config.clusters.get(clusterName);
  if (cluster === undefined) return undefined;
  return { context: name, cluster, clusterName, user: context.user, ...(context.namespace === undefined ? {} : { namespace: context.namespace }) };
}
