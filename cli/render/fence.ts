import { describeSystem } from "../../components/recovery/fence/identity";
import type { BmcFault, Look, LostPod } from "../../components/recovery/fence/facts";
import type { FenceAction, FenceEvent, FenceLimits, FenceState, Outcome } from "../../components/recovery/fence/plan";
import type { ReleaseOutcome } from "../../components/recovery/fence/release";
import { exitCodes, type ExitCode } from "../exit";
import { table } from "../table";
import type { Terminal } from "../terminal";

/** Which server, as commands and sentences name it. */
export interface FencedServer {
  environment: string;
  server: string;
}

type Style = Terminal["style"];

const many = (count: number, one: string, more = `${one}s`): string => `${count} ${count === 1 ? one : more}`;

/** What a look found, as a table. */
export function renderLook(look: Look, { server, environment }: FencedServer, style: Style): string {
  const { node, bmc, ssh } = look;
  const rows = [
    ["  node", nodeWords(look)],
    ["  SSH", ssh === undefined ? "not asked: it is reached through a bastion only" : ssh === "answers" ? "answers" : "does not answer"],
    ["  BMC", "fault" in bmc ? style("red", bmc.fault.message) : `${describeSystem(bmc.system.identity)}, power ${bmc.system.power}`],
    ...("facts" in node ? [["  volumes", node.facts.volumes === 0 ? "none attached" : `${node.facts.volumes} attached`]] : []),
  ];
  return `${style("bold", `${server} of ${environment}`)}\n${table(rows)}${"facts" in node ? renderPods(node.facts.pods) : ""}`;
}

function nodeWords({ node }: Look): string {
  if ("missing" in node) return "not in the cluster";
  if ("unreachable" in node) return `not known: ${node.unreachable}`;
  const { ready, notReady, tainted } = node.facts;
  return `${ready ? "Ready" : `not Ready${notReady === undefined ? "" : ` since ${notReady.since}: ${notReady.reason}`}`}${tainted ? "; it has the taint of a fenced node" : ""}`;
}

const fates: Record<LostPod["then"], string> = { elsewhere: "made anew on another node", waits: "made anew, and waits", gone: "gone for good: nothing makes it anew" };

function renderPods(pods: readonly LostPod[]): string {
  if (pods.length === 0) return "  no pod ends with it\n";
  const rows = pods.map(({ namespace, name, owner, then, because }) => [`${namespace}/${name}`, owner ?? "", `${fates[then]}${because === undefined ? "" : `: ${because}`}`]);
  return `${many(pods.length, "pod")} ${pods.length === 1 ? "ends" : "end"} with it, and what ${pods.length === 1 ? "it has" : "they have"} on emptyDir volumes:\n${table(rows, "  ")}`;
}

/** What would be done. */
export function renderIntent(look: Look, limits: FenceLimits, { server }: FencedServer): string {
  const off = "system" in look.bmc && look.bmc.system.power === "Off";
  const power = off ? `${server} is off already.` : `${server} is told to shut down; its power is cut after ${limits.gracefulSeconds} s.`;
  return `${power} When its BMC has said Off ${limits.offReads} times in a row and its node is not Ready, the node gets the taint out-of-service: its pods are deleted, its volumes detached.\n`;
}

/** What is being done now. */
export function doing(action: FenceAction, { phase }: FenceState, { server }: FencedServer): string {
  switch (action.do) {
    case "reset":
      return action.type === "ForceOff" ? `cutting the power of ${server}` : `telling ${server} to shut down`;
    case "taint":
      return "setting the taint";
    case "untaint":
      return "taking the taint away";
    default:
      return phase === "watching" ? "waiting for the pods to go" : phase === "confirming" ? "reading whether it stays off, and whether the cluster has noticed" : `waiting for ${server} to be off`;
  }
}

/** One line for what has come about; undefined for what is not worth one. */
export function happened(before: FenceState | undefined, event: FenceEvent, after: FenceState): string | undefined {
  if (event.kind === "reset") return event.fault === undefined ? (after.phase === "cutting-power" ? "power off was asked: ForceOff" : "power off was asked: GracefulShutdown") : event.fault.message;
  if (event.kind === "bmc" && "fault" in event.reading) return before?.fault?.message === event.reading.fault.message ? undefined : event.reading.fault.message;
  if (event.kind === "bmc" && "system" in event.reading && before?.lastPower !== event.reading.system.power) return `the BMC says ${event.reading.system.power}`;
  if (event.kind === "taint" && event.unreachable === undefined) return before?.phase === "untainting" ? "the taint is away" : "the taint is set";
  return undefined;
}

/** A verdict in words, and the command's exit code. */
export interface Verdict {
  good: boolean;
  text: string;
  exit: ExitCode;
}

const bad = (text: string, exit: ExitCode = exitCodes.finding): Verdict => ({ good: false, text, exit });

const mendableByHand = (fault: BmcFault): boolean => ["certificate", "password", "wrong-system", "redirect", "not-redfish"].includes(fault.kind);

/** @returns 3 where something could not be reached, 2 where the environment or a secret is to be corrected. */
export function exitOfFault(fault: BmcFault): ExitCode {
  if (fault.kind === "refused") return exitCodes.finding;
  return mendableByHand(fault) ? exitCodes.badInput : exitCodes.unreachable;
}

/** How a fence ended, and what to do. */
export function verdictOf(outcome: Outcome, state: FenceState, { environment, server }: FencedServer): Verdict {
  const again = `Run \`rackwright fence ${environment} ${server}\` again`;
  const untainted = state.taintedAt === undefined ? "No taint is set." : `The taint is taken away again; pods that it deleted may run elsewhere by now, and ${server} starts none of them by itself.`;
  switch (outcome.kind) {
    case "fenced":
      return { good: true, text: `${server} is off and nothing of it runs any more: its pods are deleted, its volumes may be used elsewhere. When it is repaired: rackwright fence ${environment} ${server} --release`, exit: exitCodes.well };
    case "pods-remain":
      return bad(outcome.pods.length === 0
        ? `${server} is off and its node has the taint, but the API server stopped answering before the pods were gone. ${again} when it answers: it goes on from here.`
        : `${server} is off and its node has the taint, but ${many(outcome.pods.length, "pod is", "pods are")} still there: ${outcome.pods.join(", ")}. A finalizer holds them, or no controller manager runs: \`kubectl describe pod\` tells which. ${again} to go on from here.`);
    case "not-tainted":
      return bad(`${server} is off, but its node has no taint, so that its pods and volumes stay where they are: ${outcome.reason} ${again} when that is mended: nothing is powered off a second time, it goes on from here.`, exitCodes.unreachable);
    case "taint-stays": {
      const before = outcome.after === undefined ? "" : ` Before that: ${verdictOf(outcome.after, { ...state, taintedAt: undefined }, { environment, server }).text}`;
      return bad(`The node ${server} has the taint out-of-service although the server is not surely off, and it could not be taken away: ${outcome.reason} ${again} as soon as the API server answers.${before}`, exitCodes.unreachable);
    }
    case "on-again":
      return bad(`The BMC said Off and then no longer: somebody, a watchdog or the BMC's own rule for power that returns switched ${server} on. ${untainted} Find out who, switch that off, and run this again.`);
    case "still-on":
      return bad(`${server} does not go off, although its BMC took the order to cut the power. ${untainted} Pull its plugs, see that the BMC still answers (else restart it), and run this again.`);
    case "node-alive":
      return bad(`The BMC says Off, yet the node ${server} goes on reporting to the cluster: the BMC is not that of ${server}, or does not tell the truth. No taint is set. Find out which server went dark and switch it on; correct servers.${server}.bmc.`);
    case "bmc":
      return bad(`${outcome.fault.message} ${untainted} Whether ${server} is off is not known: ${state.lastPower === undefined ? "the BMC last gave no answer" : `the BMC last said ${state.lastPower}`}. ${again} when that is mended.`, exitOfFault(outcome.fault));
    case "stopped":
      return bad(`Stopped. ${state.lastPower === undefined ? "What the power does is not known" : `The BMC last said ${state.lastPower}`}; the node has ${state.tainted ? "the" : "no"} taint. ${again} to go on from here.`);
  }
}

/** How a release ended, and what to do. */
export function verdictOfRelease(outcome: ReleaseOutcome, { environment, server }: FencedServer): Verdict {
  const again = `Run \`rackwright fence ${environment} ${server} --release\` again`;
  switch (outcome.kind) {
    case "released":
      return { good: true, text: outcome.hadTaint ? `${server} is Ready and takes pods again: the taint is away.` : `${server} is Ready and has no taint of a fence: there was nothing to do.`, exit: exitCodes.well };
    case "no-node":
      return bad(`The cluster has no node ${server}. Where it was removed, bring it back with \`rackwright up ${environment}\`.`);
    case "not-fenced":
      return bad(`${server} has no taint of a fence, and its node is not Ready: fencing is not what keeps it away. \`kubectl describe node ${server}\` says more.`);
    case "still-off":
      return bad(`${server} was told to power on and its BMC still says Off. The taint stays. Look at the server: power supplies, the BMC's log. ${again} then.`);
    case "not-ready":
      return bad(`${server} is powered on, but its node does not become Ready and renew its lease. The taint stays. Look at its console and at \`systemctl status k3s k3s-agent\` (or kubelet). ${again} then.`);
    case "api-unreachable":
      return bad(`The API server does not answer: ${outcome.reason} The taint stays. ${again} then.`, exitCodes.unreachable);
    case "bmc":
      return bad(`${outcome.fault.message} The node is not Ready, so that the taint stays. ${again} when that is mended, or power ${server} on by hand.`, exitOfFault(outcome.fault));
    case "stopped":
      return bad(`Stopped. The taint stays until ${server} is Ready. ${again} to go on.`);
  }
}
