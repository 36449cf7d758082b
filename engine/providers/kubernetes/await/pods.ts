import { isMap } from "../../../values";
import type { PropertyMap } from "../../../values";
import type { Api } from "../api";
import { get, kindOf, maps, nameOf, namespaceOf, number, text } from "../object";
import type { KubeObject } from "../object";
import { condition } from "./workloads";

const MAX_PODS = 5;
const MAX_EVENTS = 3;

function selectorOf(object: KubeObject): string | undefined {
  if (kindOf(object) === "Job") return `batch.kubernetes.io/job-name=${nameOf(object)}`;
  const labels = get(object, "spec", "selector", "matchLabels") ?? (kindOf(object) === "ReplicationController" ? get(object, "spec", "selector") : undefined);
  if (!isMap(labels)) return undefined;
  return Object.entries(labels).map(([key, value]) => `${key}=${typeof value === "string" ? value : ""}`).join(",");
}

async function podsOf(object: KubeObject, api: Api, signal: AbortSignal): Promise<KubeObject[]> {
  if (kindOf(object) === "Pod") return [object];
  const labelSelector = selectorOf(object);
  return labelSelector === undefined ? [] : api.list("v1", "Pod", namespaceOf(object), { labelSelector }, { signal });
}

function isFine(pod: KubeObject): boolean {
  return condition(pod, "Ready")?.status === "True" || text(pod, "status", "phase") === "Succeeded";
}

function containers(pod: KubeObject): PropertyMap[] {
  return [...maps(pod, "status", "initContainerStatuses"), ...maps(pod, "status", "containerStatuses")];
}

function ended(status: PropertyMap): { code: number; reason: string; message: string } | undefined {
  for (const path of [["state", "terminated"], ["lastState", "terminated"]]) {
    const found = get(status, ...path);
    if (isMap(found)) return { code: number(found, "exitCode") ?? 0, reason: text(found, "reason") ?? "", message: text(found, "message") ?? "" };
  }
  return undefined;
}

/** Why one pod is not ready, in a few words, and what to do about it. Undefined where it only needs time. */
export function troubleOf(pod: KubeObject): { text: string; crashed?: string } | undefined {
  const scheduled = condition(pod, "PodScheduled");
  if (scheduled?.status === "False") {
    return { text: `is not scheduled: ${scheduled.message}; make room on these nodes, or correct what the pod asks for` };
  }
  for (const status of containers(pod)) {
    const name = text(status, "name") ?? "";
    const reason = text(status, "state", "waiting", "reason") ?? "";
    const message = text(status, "state", "waiting", "message") ?? "";
    if (/ImagePull|InvalidImageName|ErrImage/.test(reason)) {
      return { text: `container ${name}: ${reason}: ${message || text(status, "image") || ""}; is the image in the registry or mirror that the nodes use?` };
    }
    const last = ended(status);
    if (reason === "CrashLoopBackOff" || (last !== undefined && last.code !== 0)) {
      const memory = last?.reason === "OOMKilled" ? "; it needs more memory than its limit" : "";
      return { text: `container ${name}: ${reason || "ended"}${last === undefined ? "" : `: exit code ${String(last.code)} (${last.reason}) ${last.message}`.trimEnd()}${memory}`, crashed: name };
    }
    if (reason !== "" && reason !== "ContainerCreating" && reason !== "PodInitializing") return { text: `container ${name}: ${reason}: ${message}` };
  }
  const unready = condition(pod, "Ready");
  if (text(pod, "status", "phase") === "Running" && unready?.status === "False") {
    return { text: `is running, not ready: ${unready.message}; its readiness probe does not pass yet` };
  }
  return undefined;
}

/** One line for the progress display: the first trouble among the pods. */
export async function firstTrouble(object: KubeObject, api: Api, signal: AbortSignal): Promise<string | undefined> {
  for (const pod of await podsOf(object, api, signal)) {
    const trouble = isFine(pod) ? undefined : troubleOf(pod);
    if (trouble !== undefined) return `pod ${nameOf(pod)} ${trouble.text}`;
  }
  return undefined;
}

async function warnings(object: KubeObject, api: Api, signal: AbortSignal): Promise<string[]> {
  const fieldSelector = `involvedObject.uid=${text(object, "metadata", "uid") ?? ""},type=Warning`;
  const events = await api.list("v1", "Event", namespaceOf(object) || "default", { fieldSelector }, { signal });
  const messages = events.map((event) => `${text(event, "reason") ?? ""}: ${text(event, "message") ?? ""}`);
  return [...new Set(messages)].slice(-MAX_EVENTS);
}

/** Everything that may tell why a workload is not ready: its pods with their reasons, the last log lines, events. */
export async function report(object: KubeObject, api: Api, signal: AbortSignal): Promise<string[]> {
  const namespace = namespaceOf(object) || "default";
  const lines = await warnings(object, api, signal);
  const pods = (await podsOf(object, api, signal)).filter((pod) => !isFine(pod));
  for (const pod of pods.slice(0, MAX_PODS)) {
    const trouble = troubleOf(pod);
    lines.push(`pod ${nameOf(pod)} ${trouble?.text ?? `is ${text(pod, "status", "phase") ?? "Pending"}`}`);
    if (trouble === undefined) lines.push(...(await warnings(pod, api, signal)).map((warning) => `  ${warning}`));
    if (trouble?.crashed === undefined) continue;
    const log = await api.podLog(namespace, nameOf(pod), trouble.crashed, true, { signal, retries: 0 }) ||
      await api.podLog(namespace, nameOf(pod), trouble.crashed, false, { signal, retries: 0 });
    lines.push(...log.trimEnd().split("\n").filter((line) => line !== "").map((line) => `  | ${line}`));
  }
  if (pods.length > MAX_PODS) lines.push(`and ${String(pods.length - MAX_PODS)} more pods that are not ready`);
  if (pods.length > 0) lines.push(`look further with: kubectl -n ${namespace} describe pod ${nameOf(pods[0] ?? {})}`);
  return lines;
}
