import { annotation, apiVersionOf, kindOf } from "./object";
import type { KubeObject } from "./object";

const DEFAULT_TIMEOUT_SECONDS = 600;

export function skipsAwait(inputs: KubeObject): boolean {
  return annotation(inputs, "pulumi.com/skipAwait") === "true";
}

/** Kinds of which a delete, too, is not waited for under `pulumi.com/skipAwait`, as the plugin does it. */
const SKIPPED_DELETES = [
  "v1/Namespace", "v1/Pod", "v1/ReplicationController", "apps/v1/DaemonSet", "apps/v1/Deployment", "apps/v1/StatefulSet", "batch/v1/Job",
];

export function skipsDeleteAwait(inputs: KubeObject): boolean {
  return skipsAwait(inputs) && SKIPPED_DELETES.includes(`${apiVersionOf(inputs)}/${kindOf(inputs)}`);
}

export function forcesPatch(inputs: KubeObject): boolean {
  return annotation(inputs, "pulumi.com/patchForce") === "true";
}

/** How long to wait: `customTimeouts`, the annotation, or ten minutes. */
export function timeoutSecondsOf(inputs: KubeObject, customTimeout: number | undefined): number {
  if (customTimeout !== undefined && customTimeout > 0) return customTimeout;
  const annotated = annotation(inputs, "pulumi.com/timeoutSeconds") ?? "";
  return /^\d+$/.test(annotated) && Number(annotated) > 0 ? Number(annotated) : DEFAULT_TIMEOUT_SECONDS;
}

export function propagationOf(inputs: KubeObject): "Foreground" | "Background" | "Orphan" {
  const policy = annotation(inputs, "pulumi.com/deletionPropagationPolicy")?.toLowerCase();
  return policy === "orphan" ? "Orphan" : policy === "background" ? "Background" : "Foreground";
}

/** Conditions that the program asks to be waited for. @throws Error when they cannot be read */
export function waitForOf(object: KubeObject): string[] {
  const value = annotation(object, "pulumi.com/waitFor") ?? "";
  if (value === "") return [];
  let expressions: unknown = value;
  try {
    expressions = JSON.parse(value);
  } catch {
    // One expression, not a list of them.
  }
  const list = Array.isArray(expressions) ? (expressions as unknown[]).map(String) : [value];
  if (list.length === 0) throw new Error("pulumi.com/waitFor names no condition; give at least one");
  for (const expression of list) {
    if (!/^(jsonpath|condition)=/.test(expression)) {
      throw new Error(`pulumi.com/waitFor: "${expression}" begins with neither "jsonpath=" nor "condition="`);
    }
  }
  return list;
}
