import type { DiffRequest, DiffResult } from "../provider";
import { readCheckpoint } from "./checkpoint";
import type { Cluster } from "./cluster";
import { condition } from "./await/workloads";
import { diffObjects } from "./diff";
import { replacesUnready, replacingPaths } from "./force-new";
import { normalize } from "./normalize";
import { annotation, isNamed, isPatch, kindOf, nameOf, namespaceOf, objectOf, prune, remove, set, text } from "./object";
import type { KubeObject } from "./object";
import type { Settings } from "./settings";

/**
 * Compares the new inputs with the live object as last seen, as far as the old inputs reach into it: what others changed
 * in the meantime shows after a refresh, what the server adds never does.
 */
export async function diffObject({ type, oldOutputs, newInputs, ignoreChanges }: DiffRequest, settings: Settings, cluster: Cluster): Promise<DiffResult> {
  const { inputs, live } = readCheckpoint(oldOutputs);
  const now = placed(normalize(objectOf(newInputs)), await cluster.isNamespaced(objectOf(newInputs)));
  const known = placed(seen(live, normalize(inputs), now), namespaceOf(now) !== "");
  const result = diffObjects(known, now, replacingPaths(now, isPatch(type, now), settings), ignoreChanges);
  const replaceKeys = [...result.replaceKeys];
  if (replacesUnready(now) && await isUnreadyJob(live, cluster)) replaceKeys.push('metadata.annotations["pulumi.com/replaceUnready"]');
  const changed = result.changes === "some" || replaceKeys.length > 0 || (settings.alwaysRender && settings.renderYamlToDirectory !== undefined);
  return {
    ...result,
    changes: changed ? "some" : "none",
    replaceKeys,
    deleteBeforeReplace: replaceKeys.length > 0 && isNamed(now) && annotation(now, "pulumi.com/autonamed") !== "true" &&
      nameOf(now) === nameOf(live) && namespaceOf(now) === namespaceOf(live),
  };
}

function placed(object: KubeObject, namespaced: boolean): KubeObject {
  if (!namespaced) return remove(object, ["metadata", "namespace"]);
  return text(object, "metadata", "namespace") === undefined && object["metadata"] !== undefined && !hasUnknownNamespace(object)
    ? set(object, ["metadata", "namespace"], "default") : object;
}

function hasUnknownNamespace(object: KubeObject): boolean {
  const metadata = object["metadata"];
  return typeof metadata === "object" && metadata !== null && "namespace" in metadata && metadata.namespace !== "";
}

function seen(live: KubeObject, oldInputs: KubeObject, now: KubeObject): KubeObject {
  let result = prune(live, oldInputs);
  for (const field of ["apiVersion", "kind"]) {
    const value = now[field];
    if (result[field] === undefined && value !== undefined) result = { ...result, [field]: value };
  }
  result = remove(result, ["metadata", "resourceVersion"]);
  return nameOf(now) === "" ? result : set(result, ["metadata", "name"], nameOf(live));
}

async function isUnreadyJob(live: KubeObject, cluster: Cluster): Promise<boolean> {
  if (kindOf(live) !== "Job") return false;
  const signal = AbortSignal.timeout(10_000);
  const api = await cluster.apiIfReachable(signal);
  if (api === undefined) return false;
  try {
    return condition(await api.get(live, { signal, retries: 1 }), "Complete")?.status !== "True";
  } catch {
    return false;
  }
}
