import type { BmcFault, Look, NodeFacts } from "./facts";
import { describeSystem, sameUuid } from "./identity";

/** Why nothing is done. */
export type Refusal =
  | { kind: "bmc"; fault: BmcFault }
  | { kind: "no-node" | "running" | "api-unreachable" | "other-machine"; message: string };

export interface JudgeOptions {
  server: string;
  /** The user's word that a server which may be at work is to be powered off. */
  forceRunning: boolean;
  /** Whether servers.<name>.bmc.uuid states the UUID: then the kubelet's need not agree. */
  statesUuid: boolean;
}

/**
 * Whether a server may be powered off, after a look at it. Powering off what works is the worst that fencing can do, so that
 * whatever is not known counts against it. Pure.
 * @returns why not, and what to do; undefined where it may.
 */
export function judge(look: Look, options: JudgeOptions): Refusal | undefined {
  const { bmc, node } = look;
  if ("fault" in bmc) return { kind: "bmc", fault: bmc.fault };
  if ("missing" in node) return { kind: "no-node", message: `The cluster has no node ${options.server}: nothing of it is to be taken over. Nothing was switched.` };
  if ("facts" in node) return otherMachine(node.facts, look, options) ?? running(node.facts, look, options);
  if (options.forceRunning || bmc.system.power === "Off") return undefined;
  return { kind: "api-unreachable", message: `The API server does not answer, so that nobody knows whether ${options.server} works: ${node.unreachable} Nothing was switched. Bring the API server back first; to power the server off all the same, say --force-running (its pods move when the API server is back and this is run again).` };
}

function otherMachine({ systemUuid }: NodeFacts, { bmc }: Look, { server, statesUuid }: JudgeOptions): Refusal | undefined {
  if (statesUuid || "fault" in bmc || systemUuid === undefined) return undefined;
  const { identity } = bmc.system;
  if (identity.uuid === undefined || sameUuid(identity.uuid, systemUuid)) return undefined;
  return { kind: "other-machine", message: `The BMC answers for ${describeSystem(identity)}, but the node ${server} reported UUID ${systemUuid} to the cluster: they are two machines. Nothing was switched. Correct servers.${server}.bmc.address; where the firmware is known to say two UUIDs, write the BMC's as servers.${server}.bmc.uuid.` };
}

/** A server that is off, or about to be, is not powered off by what follows. */
function running({ ready, tainted }: NodeFacts, { ssh, bmc }: Look, { server, forceRunning }: JudgeOptions): Refusal | undefined {
  if (forceRunning || ("system" in bmc && bmc.system.power === "Off")) return undefined;
  const stays = tainted ? ` It has the taint of a fenced node: \`rackwright fence <environment> ${server} --release\` takes that away.` : "";
  if (ready) return { kind: "running", message: `${server} is Ready: it works. Nothing was switched.${stays} To power off a server that works, drain it first and say --force-running.` };
  if (ssh === "answers") return { kind: "running", message: `${server} answers over SSH, so that it runs although its node is not Ready. Nothing was switched.${stays} Restart what reports it (\`systemctl restart k3s-agent\`, k3s or kubelet) and look again; to power it off all the same, say --force-running.` };
  return undefined;
}
