import { isDeepStrictEqual } from "node:util";
import { containsUnknown, revealSecrets, sameValue } from "../../values";
import type { Value } from "../../values";
import type { DiffResult, Inputs } from "../provider";
import { activeContext, BadKubeconfig, readKubeconfig } from "./kubeconfig";
import { isSealed, parseSettings } from "./settings";

const IDENTITY = ["kubeconfig", "context", "cluster"];

function activeCluster(inputs: Inputs): Record<string, unknown> | undefined {
  const { kubeconfig, context, cluster } = parseSettings(inputs, {});
  if (kubeconfig === undefined) return undefined;
  try {
    const overrides = { ...(context === undefined ? {} : { context }), ...(cluster === undefined ? {} : { cluster }) };
    return activeContext(readKubeconfig(kubeconfig), overrides)?.cluster;
  } catch (error) {
    if (error instanceof BadKubeconfig) return undefined;
    throw error;
  }
}

function open(value: Value | undefined): Value | undefined {
  return value === undefined ? undefined : revealSecrets(value);
}

/**
 * Whether a change of the provider's settings leads to another cluster, so that everything in it has to be made anew. A
 * cluster has no identity of its own: its entry in the kubeconfig is taken for it, or `clusterIdentifier` where given.
 */
export function diffSettings(olds: Inputs, news: Inputs): DiffResult {
  const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])].sort();
  const changedKeys = keys.filter((key) => !sameValue(olds[key], news[key]));
  const result = (changed: string[], replaceKeys: string[]): DiffResult => ({
    changes: changed.length === 0 ? "none" : "some", changedKeys: changed, replaceKeys: [...new Set(replaceKeys)], deleteBeforeReplace: false,
  });
  if (changedKeys.length === 0) return result([], []);
  const before = open(olds["clusterIdentifier"]);
  const now = open(news["clusterIdentifier"]);
  if (before !== undefined && now !== undefined && sameValue(before, now)) return result(changedKeys, []);
  const replaceKeys = before !== undefined && now !== undefined ? ["clusterIdentifier"] : [];
  // What is not known may be another cluster.
  const unknown = IDENTITY.find((key) => containsUnknown(news[key]));
  if (unknown !== undefined) return result([unknown], [...replaceKeys, unknown]);
  if (changedKeys.includes("renderYamlToDirectory")) replaceKeys.push("renderYamlToDirectory");
  if (!isSealed(olds["kubeconfig"])) {
    const [oldCluster, newCluster] = [activeCluster(olds), activeCluster(news)];
    if (oldCluster !== undefined && newCluster !== undefined && !isDeepStrictEqual(oldCluster, newCluster)) {
      replaceKeys.push(...IDENTITY.filter((key) => changedKeys.includes(key)));
    }
  }
  return result(changedKeys, replaceKeys);
}
