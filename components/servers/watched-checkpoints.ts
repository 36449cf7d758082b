import type { Environment } from "../environment/schema";
import { checkpointsFolder, checkpointTier } from "../training/checkpoint-volumes";

/** Checkpoints of one training job on one server. */
export interface WatchedCheckpoints {
  job: string;
  path: string;
  /** Processes of the job on this server, and whether it is the job's first one: what makes a checkpoint whole there. */
  processes: number;
  first: boolean;
}

/** Where the training jobs of a server keep their checkpoints. */
export function watchedCheckpoints(environment: Environment, name: string): WatchedCheckpoints[] {
  const server = Object.hasOwn(environment.servers, name) ? environment.servers[name] : undefined;
  const tier = checkpointTier(environment, name);
  if (server === undefined || tier === undefined) return [];
  return Object.entries(environment.training).flatMap(([job, { servers, gpusPerServer }]) =>
    servers.includes(name)
      ? [{ job, path: `${tier.mount}/${checkpointsFolder}/${job}`, processes: gpusPerServer ?? server.gpus?.count ?? server.npus?.count ?? 1, first: servers[0] === name }]
      : [],
  );
}
