import { get, maps, number, text } from "../object";
import type { KubeObject } from "../object";
import type { Judge, Progress } from "./progress";

interface Condition {
  status: string;
  reason: string;
  message: string;
}

export function condition(object: KubeObject, type: string): Condition | undefined {
  const found = maps(object, "status", "conditions").find((one) => text(one, "type") === type);
  if (found === undefined) return undefined;
  return { status: text(found, "status") ?? "", reason: text(found, "reason") ?? "", message: text(found, "message") ?? "" };
}

function isObserved(object: KubeObject): boolean {
  return (number(object, "status", "observedGeneration") ?? 0) >= (number(object, "metadata", "generation") ?? 1);
}

const NOT_SEEN: Progress = { done: false, status: "waiting for its controller to see it" };

function status(object: KubeObject, field: string): number {
  return number(object, "status", field) ?? 0;
}

export const deployment: Judge = (live) => {
  if (!isObserved(live)) return NOT_SEEN;
  const wanted = number(live, "spec", "replicas") ?? 1;
  const updated = status(live, "updatedReplicas");
  const ready = Math.min(status(live, "readyReplicas"), updated);
  const progress = `${String(ready)} of ${String(wanted)} pods ready`;
  if (get(live, "spec", "paused") === true) return { done: true, status: "paused" };
  const available = condition(live, "Available")?.status === "True";
  const progressing = condition(live, "Progressing");
  const failure = condition(live, "ReplicaFailure");
  if (updated < wanted || status(live, "replicas") > updated || ready < wanted || !available || (wanted > 0 && progressing?.reason !== "NewReplicaSetAvailable")) {
    const trouble = failure?.status === "True" ? failure.message : progressing?.status === "False" ? progressing.message : "";
    return { done: false, status: trouble === "" ? progress : `${progress}: ${trouble}` };
  }
  return { done: true, status: progress };
};

export const statefulSet: Judge = (live) => {
  if (!isObserved(live)) return NOT_SEEN;
  const wanted = number(live, "spec", "replicas") ?? 1;
  const ready = status(live, "readyReplicas");
  const line = `${String(ready)} of ${String(wanted)} pods ready`;
  if (status(live, "replicas") !== wanted || ready < wanted) return { done: false, status: line };
  const onDelete = text(live, "spec", "updateStrategy", "type") === "OnDelete";
  const partition = number(live, "spec", "updateStrategy", "rollingUpdate", "partition") ?? 0;
  const rolled = text(live, "status", "updateRevision") === text(live, "status", "currentRevision") ||
    (partition > 0 && status(live, "updatedReplicas") >= Math.max(0, wanted - partition));
  return { done: onDelete || rolled, status: rolled ? line : `${line}, ${String(status(live, "updatedReplicas"))} of the new revision` };
};

export const daemonSet: Judge = (live) => {
  if (!isObserved(live)) return NOT_SEEN;
  const wanted = number(live, "status", "desiredNumberScheduled");
  if (wanted === undefined) return NOT_SEEN;
  const fields = ["currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"];
  const least = Math.min(...fields.map((field) => status(live, field)));
  return { done: least >= wanted, status: `${String(least)} of ${String(wanted)} nodes have it ready` };
};

export const job: Judge = (live) => {
  const failed = condition(live, "Failed");
  const counts = `active ${String(status(live, "active"))}, succeeded ${String(status(live, "succeeded"))}, failed ${String(status(live, "failed"))}`;
  if (failed?.status === "True") return { done: false, status: counts, failed: `the job failed: [${failed.reason}] ${failed.message}` };
  if (get(live, "spec", "suspend") === true) return { done: true, status: "suspended" };
  return { done: condition(live, "Complete")?.status === "True", status: counts };
};

export const pod: Judge = (live) => {
  const phase = text(live, "status", "phase") ?? "Pending";
  if (phase === "Succeeded" || condition(live, "Ready")?.status === "True") return { done: true, status: phase };
  if (phase === "Failed") return { done: false, status: phase, failed: `the pod failed: ${text(live, "status", "message") ?? text(live, "status", "reason") ?? ""}` };
  return { done: false, status: phase };
};

export const replicationController: Judge = (live) => {
  const wanted = number(live, "spec", "replicas") ?? 1;
  const available = status(live, "availableReplicas");
  return { done: available === wanted, status: `${String(available)} of ${String(wanted)} pods available` };
};
