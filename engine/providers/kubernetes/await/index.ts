import { setTimeout as sleep } from "node:timers/promises";
import type { ProviderLog } from "../../provider";
import { skipsAwait, waitForOf } from "../annotations";
import type { Api } from "../api";
import { isNotFound, Unreachable } from "../api-error";
import { apiVersionOf, describe, get, isDefinition, kindOf, maps, text } from "../object";
import type { KubeObject } from "../object";
import { ingress, service } from "./network";
import { firstTrouble, report } from "./pods";
import type { Judge, Progress, Surroundings } from "./progress";
import { definition, quota, secret, volume, volumeClaim } from "./storage";
import { waitFor } from "./wait-for";
import { daemonSet, deployment, job, pod, replicationController, statefulSet } from "./workloads";

const JUDGES: Record<string, Judge> = {
  "apps/v1/Deployment": deployment,
  "apps/v1/StatefulSet": statefulSet,
  "apps/v1/DaemonSet": daemonSet,
  "batch/v1/Job": job,
  "networking.k8s.io/v1/Ingress": ingress,
  "v1/PersistentVolume": volume,
  "v1/PersistentVolumeClaim": volumeClaim,
  "v1/Pod": pod,
  "v1/ReplicationController": replicationController,
  "v1/ResourceQuota": quota,
  "v1/Secret": secret,
  "v1/Service": service,
};

const FIRST_MS = 100;
const LONGEST_MS = 2_000;
/** Pods are looked at this often while a workload is not ready. */
const PODS_MS = 10_000;

/** The object is there and did not become ready. */
export class NotReady extends Error {
  constructor(message: string, readonly live: KubeObject) {
    super(message);
  }
}

export interface Waiting {
  api: Api;
  inputs: KubeObject;
  live: KubeObject;
  existed: boolean;
  timeoutSeconds: number;
  signal: AbortSignal;
  log: ProviderLog;
}

/** What has to hold before a step counts as done; none for kinds that are ready as soon as they are there. */
function judgesOf(inputs: KubeObject, live: KubeObject): Judge[] {
  if (skipsAwait(inputs)) return [];
  const asked = waitForOf(inputs);
  if (asked.length > 0) return asked.map(waitFor);
  if (isDefinition(live)) return [definition];
  const judge = JUDGES[`${apiVersionOf(live)}/${kindOf(live)}`];
  return judge === undefined ? [] : [judge];
}

/** Waits until the object is ready, telling how it comes along. @throws NotReady when it fails, or time is up, or the user cancels */
export async function untilReady({ api, inputs, live, existed, timeoutSeconds, signal, log }: Waiting): Promise<KubeObject> {
  const judges = judgesOf(inputs, live);
  if (judges.length === 0) return live;
  const ends = Date.now() + timeoutSeconds * 1_000;
  let [fingerprint, since] = ["", Date.now()];
  const around: Surroundings = {
    api, inputs, existed, signal,
    quietMs: (seen) => {
      if (seen !== fingerprint) [fingerprint, since] = [seen, Date.now()];
      return Date.now() - since;
    },
  };
  let current = live;
  let told = "";
  let podsAt = Date.now();
  let status = "";
  for (let wait = FIRST_MS; ; wait = Math.min(wait * 1.5, LONGEST_MS)) {
    if (signal.aborted) throw new NotReady(`${describe(live)}: cancelled while it was not ready (${status})`, current);
    try {
      const progress = await judged(judges, current, around);
      ({ status } = progress);
      if (progress.failed !== undefined) throw await notReady(progress.failed, current, api);
      if (progress.done) return current;
      if (Date.now() >= ends) throw await notReady(`not ready after ${String(timeoutSeconds)} s: ${status}`, current, api);
      let line = status;
      if (Date.now() - podsAt >= PODS_MS) {
        podsAt = Date.now();
        line = (await firstTrouble(current, api, signal)) ?? status;
      }
      if (line !== told) log("info", line);
      told = line;
      await sleep(Math.min(wait, Math.max(ends - Date.now(), 0)), undefined, { signal });
      current = await api.get(current, { signal });
    } catch (error) {
      if (isCancelled(signal)) continue;
      if (isNotFound(error)) throw new NotReady(`${describe(live)} was deleted by somebody else while it was waited for`, current);
      // The server may be back in a moment; the object is there.
      if (!(error instanceof Unreachable)) throw error;
      if (Date.now() >= ends) throw new NotReady(`${describe(live)}: ${error.message}`, current);
    }
  }
}

function isCancelled(signal: AbortSignal): boolean {
  return signal.aborted;
}

async function judged(judges: Judge[], live: KubeObject, around: Surroundings): Promise<Progress> {
  const all = await Promise.all(judges.map(async (judge) => judge(live, around)));
  return all.find(({ failed }) => failed !== undefined) ?? all.find(({ done }) => !done) ?? all[0] ?? { done: true, status: "" };
}

async function notReady(reason: string, live: KubeObject, api: Api): Promise<NotReady> {
  let details: string[] = [];
  try {
    details = await report(live, api, AbortSignal.timeout(10_000));
  } catch {
    // What is known is told; the report is an extra.
  }
  return new NotReady([`${describe(live)}: ${reason}`, ...details].join("\n  "), live);
}

/** Waits until the object is gone, telling what holds it. @throws NotReady when time is up or the user cancels */
export async function untilGone({ api, live, timeoutSeconds, signal, log }: Omit<Waiting, "inputs" | "existed">): Promise<void> {
  const ends = Date.now() + timeoutSeconds * 1_000;
  const uid = get(live, "metadata", "uid");
  let current = live;
  let told = "";
  for (let wait = FIRST_MS; ; wait = Math.min(wait * 1.5, LONGEST_MS)) {
    try {
      current = await api.get(current, { signal });
    } catch (error) {
      if (isNotFound(error)) return;
      if (!(error instanceof Unreachable) && !signal.aborted) throw error;
    }
    // Another object of that name has taken its place.
    if (uid !== undefined && get(current, "metadata", "uid") !== uid) return;
    const held = heldBy(current);
    if (signal.aborted) throw new NotReady(`${describe(live)}: cancelled while it was being deleted${held}`, current);
    if (Date.now() >= ends) throw new NotReady(`${describe(live)} is still there after ${String(timeoutSeconds)} s${held}`, current);
    if (held !== told && wait > 1_000) log("info", `being deleted${held}`);
    told = held;
    await sleep(wait, undefined, { signal }).catch(() => undefined);
  }
}

/** What keeps an object that is being deleted: finalizers, and for a namespace what is still in it. */
function heldBy(object: KubeObject): string {
  const finalizers = get(object, "metadata", "finalizers");
  const names = Array.isArray(finalizers) ? finalizers.map(String) : [];
  const remaining = maps(object, "status", "conditions")
    .filter((one) => get(one, "status") === "True" && get(one, "type") !== "Ready")
    .map((one) => text(one, "message") ?? "")
    .filter((message) => message !== "");
  const parts = [...(names.length > 0 ? [`finalizers: ${names.join(", ")}`] : []), ...remaining];
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}
