import { checkpointsClaim, namespaces } from "../cluster/names";
import type { KubernetesObject } from "../cluster/object";
import { gibOf, volumePair } from "../cluster/volumes";
import type { Environment } from "../environment/schema";
import { planTiers, type TierPlan } from "../servers/tiers-plan";

/** Folder below a tier's mount that holds one folder a job. */
export const checkpointsFolder = "checkpoints";

/** The tier that keeps a server's checkpoints: the one that `recovery.checkpoints.tier` names, else warm, else cold. */
export function checkpointTier(environment: Environment, server: string): TierPlan | undefined {
  const spec = Object.hasOwn(environment.servers, server) ? environment.servers[server] : undefined;
  if (spec === undefined) return undefined;
  const tiers = planTiers(server, spec);
  const { tier } = environment.recovery.checkpoints;
  const wanted = tier === undefined ? (["warm", "cold"] as const) : [tier];
  return wanted.map((name) => tiers.find((candidate) => candidate.tier === name)).find((found) => found !== undefined);
}

/** Job that makes a server's volume and claim: the first by name of those that train there, for several may share a server. */
export function makesCheckpointVolume(environment: Environment, job: string, server: string): boolean {
  const [first] = Object.keys(environment.training).filter((name) => environment.training[name]?.servers.includes(server) === true).sort();
  return first === job;
}

/** A server's checkpoints as a volume that no other server has, and the claim that pods there use. */
export function checkpointVolume(server: string, { mount, usableGB }: TierPlan): KubernetesObject[] {
  const { volume, claim } = volumePair({ name: checkpointsClaim(server), namespace: namespaces.training, gib: gibOf(usableGB), accessMode: "ReadWriteOnce", source: { local: { path: `${mount}/${checkpointsFolder}` } }, server });
  return [volume, claim];
}
