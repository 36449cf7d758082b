import { allocatorSamples, engineSamples } from "./exposition-engine";
import { clusterSamples } from "./exposition-cluster";
import { exposition, type Sample } from "./exposition";
import { gpuSamples } from "./exposition-gpu";
import { latencySamples, nodeSamples } from "./exposition-node";
import type { Source } from "./routes";
import type { PodState, SiteState } from "./state";

/** Torch knows the GPU that its process has; several of one pod are said to be the first. */
function uuidOf(state: SiteState, pod: PodState): string {
  return state.servers[pod.server]?.gpus.find(({ parts }) => parts.some(({ holder }) => holder?.pod === pod.name))?.uuid ?? "";
}

/** What the emulated exporter at an address says now. Nothing for what real programs say themselves. */
export function samplesAt(source: Source, state: SiteState, now: number, meterMetric?: string): readonly Sample[] {
  switch (source.job) {
    case "node":
    case "gpu":
    case "latency": {
      const server = state.servers[source.server];
      const of = { node: nodeSamples, gpu: gpuSamples, latency: latencySamples }[source.job];
      return server === undefined ? [] : of(server, now);
    }
    case "engine":
    case "allocator": {
      const pod = state.cluster?.pods.find(({ namespace, name }) => namespace === source.namespace && name === source.pod);
      if (pod === undefined) return [];
      if (source.job === "engine") return pod.engine === undefined ? [] : engineSamples(pod.engine, now);
      return pod.allocator === undefined ? [] : allocatorSamples(pod.allocator, uuidOf(state, pod), now);
    }
    case "kube-state-metrics":
      return state.cluster === undefined ? [] : clusterSamples(state.cluster);
    case "meter":
      return meterMetric === undefined ? [] : [[meterMetric, {}, state.meterWatts]];
    default:
      return [];
  }
}

export function textAt(source: Source, state: SiteState, now: number, meterMetric?: string): string {
  return exposition(samplesAt(source, state, now, meterMetric));
}
