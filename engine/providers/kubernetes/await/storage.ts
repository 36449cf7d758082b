import { isDeepStrictEqual } from "node:util";
import { isMap } from "../../../values";
import { get, text } from "../object";
import type { Judge, Surroundings } from "./progress";
import { condition } from "./workloads";

async function bindsAtFirstUse(className: string, { api, signal }: Surroundings): Promise<boolean> {
  const [found] = await api.list("storage.k8s.io/v1", "StorageClass", "", { fieldSelector: `metadata.name=${className}` }, { signal });
  return text(found, "volumeBindingMode") === "WaitForFirstConsumer";
}

export const volumeClaim: Judge = async (live, around) => {
  const phase = text(live, "status", "phase") ?? "";
  if (phase === "Bound") return { done: true, status: "bound" };
  const className = text(live, "spec", "storageClassName") ?? "";
  if (phase === "Pending" && className !== "" && await bindsAtFirstUse(className, around)) {
    return { done: true, status: "bound when a pod uses it" };
  }
  if (phase === "Lost") return { done: false, status: "lost", failed: "the volume it was bound to is gone" };
  return { done: false, status: className === "" ? "waiting for a volume that fits" : `waiting for storage class "${className}" to provide a volume` };
};

export const volume: Judge = (live) => {
  const phase = text(live, "status", "phase") ?? "";
  return { done: phase === "Available" || phase === "Bound", status: phase === "" ? "waiting to become available" : phase };
};

export const quota: Judge = (live) => ({
  done: isDeepStrictEqual(get(live, "spec", "hard"), get(live, "status", "hard")), status: "waiting for the quota to be counted",
});

export const secret: Judge = (live) => {
  if (text(live, "type") !== "kubernetes.io/service-account-token") return { done: true, status: "ready" };
  const data = get(live, "data");
  return { done: isMap(data) && Object.keys(data).length > 0, status: "waiting for its token" };
};

export const definition: Judge = (live) => {
  const refused = condition(live, "NamesAccepted");
  if (refused?.status === "False") return { done: false, status: refused.message, failed: `its names are not accepted: ${refused.message}` };
  return { done: condition(live, "Established")?.status === "True", status: "waiting to be established" };
};
