import { mayPass, type BmcFault, type BmcReading, type Look, type NodeReading, type PowerState, type ResetType } from "./facts";

/** How long each part of a fence may take, and how sure it must be. */
export interface FenceLimits {
  /** For the operating system to shut down by itself, before the power is cut. */
  gracefulSeconds: number;
  /** For the power to be off once it has been cut. */
  forcedSeconds: number;
  /** Reads in a row that must say Off. */
  offReads: number;
  readEverySeconds: number;
  /** For the reads in a row, and for the cluster to notice that the node is gone. */
  confirmSeconds: number;
  /** For the pods to be deleted after the taint. The garbage collector of pods looks every 20 s. */
  podsSeconds: number;
}

/** Of a server that has stopped answering, which will hardly shut down by itself. */
export const silentServerLimits: FenceLimits = { gracefulSeconds: 30, forcedSeconds: 60, offReads: 3, readEverySeconds: 2, confirmSeconds: 120, podsSeconds: 180 };
/** Of a server that runs: its services get the time that they take to end. */
export const runningServerLimits: FenceLimits = { ...silentServerLimits, gracefulSeconds: 180 };

/** How a fence ended. */
export type Outcome =
  /** Off, tainted, and no pod left. */
  | { kind: "fenced" }
  /** Off and tainted; these pods are still there. */
  | { kind: "pods-remain"; pods: readonly string[] }
  /** Off, but the API server could not be told. */
  | { kind: "not-tainted"; reason: string }
  /** The taint is to go, and the API server could not be told; `after` is what went wrong before that. */
  | { kind: "taint-stays"; reason: string; after?: Outcome }
  /** The BMC or the cluster contradicts that it is off. Not tainted. */
  | { kind: "on-again" | "still-on" | "node-alive" }
  | { kind: "bmc"; fault: BmcFault }
  /** By the user. */
  | { kind: "stopped" };

export type FenceAction =
  | { do: "reset"; type: ResetType }
  | { do: "read-bmc"; afterSeconds: number }
  | { do: "read-node" }
  | { do: "taint" }
  | { do: "untaint" }
  | { do: "end"; outcome: Outcome };

export type FenceEvent =
  /** What a reset was answered with; undefined where it was accepted. */
  | { kind: "reset"; fault?: BmcFault }
  | { kind: "bmc"; reading: BmcReading }
  | { kind: "node"; reading: NodeReading }
  /** What setting or taking the taint was answered with; undefined where it is done. */
  | { kind: "taint"; unreachable?: string }
  | { kind: "stop" };

type Phase = "shutting-down" | "cutting-power" | "confirming" | "tainting" | "watching" | "untainting" | "ended";

export interface FenceState {
  phase: Phase;
  /** When the phase began, in milliseconds of the caller's clock. */
  since: number;
  /** Reads in a row, up to now, that said Off. */
  offReads: number;
  /** Whether the node may have the taint. */
  tainted: boolean;
  /** When this run first set it. */
  taintedAt: number | undefined;
  /** What the BMC offers; undefined where it does not say. */
  resetTypes: readonly string[] | undefined;
  /** The last fault that may pass. */
  fault: BmcFault | undefined;
  /** What follows once the taint is away; undefined where that is powering off. */
  then: Outcome | undefined;
  lastPower: PowerState | undefined;
}

export interface FenceStep {
  state: FenceState;
  action: FenceAction;
}

/**
 * What to do first, after a look that {@link judge} let pass. Pure, as {@link nextFenceStep} is: nothing is remembered between
 * two runs, for the BMC and the API server know all that a run which was cut off has done.
 */
export function firstFenceStep(look: Look, now: number): FenceStep {
  const system = "system" in look.bmc ? look.bmc.system : undefined;
  const tainted = "facts" in look.node && look.node.facts.tainted;
  const state: FenceState = { phase: "confirming", since: now, offReads: 0, tainted, taintedAt: undefined, resetTypes: system?.resetTypes, fault: undefined, then: undefined, lastPower: system?.power };
  if (system?.power === "Off") return { state, action: { do: "read-bmc", afterSeconds: 0 } };
  // The taint says that the server is off. It must not say so of one that runs, not even for the time that fencing takes.
  if (tainted) return { state: { ...state, phase: "untainting" }, action: { do: "untaint" } };
  return powerOff(state, now);
}

/** What to do next. `now` is in milliseconds and never goes back. Pure. */
export function nextFenceStep(state: FenceState, event: FenceEvent, now: number, limits: FenceLimits): FenceStep {
  if (event.kind === "stop") return end(state, { kind: "stopped" });
  switch (event.kind) {
    case "reset":
      return afterReset(state, event.fault, now, limits);
    case "bmc":
      return "fault" in event.reading ? afterFault(state, event.reading.fault, now, limits) : afterPower({ ...state, lastPower: event.reading.system.power }, event.reading.system.power, now, limits);
    case "node":
      return afterNode(state, event.reading, now, limits);
    case "taint":
      return afterTaint(state, event.unreachable, now);
  }
}

const offers = ({ resetTypes }: FenceState, type: ResetType): boolean => resetTypes === undefined || resetTypes.includes(type);

function powerOff(state: FenceState, now: number): FenceStep {
  if (!offers(state, "GracefulShutdown")) return cutPower(state, now);
  return { state: { ...state, phase: "shutting-down", since: now, offReads: 0 }, action: { do: "reset", type: "GracefulShutdown" } };
}

function cutPower(state: FenceState, now: number): FenceStep {
  return { state: { ...state, phase: "cutting-power", since: now, offReads: 0 }, action: { do: "reset", type: "ForceOff" } };
}

function end(state: FenceState, outcome: Outcome): FenceStep {
  return { state: { ...state, phase: "ended" }, action: { do: "end", outcome } };
}

/** Ends without a taint. */
function fail(state: FenceState, outcome: Outcome, now: number): FenceStep {
  if (!state.tainted) return end(state, outcome);
  return { state: { ...state, phase: "untainting", since: now, then: outcome }, action: { do: "untaint" } };
}

const late = ({ since }: FenceState, now: number, seconds: number): boolean => now - since > seconds * 1000;

function readOn(state: FenceState, { readEverySeconds }: FenceLimits): FenceStep {
  return { state, action: { do: "read-bmc", afterSeconds: readEverySeconds } };
}

function afterReset(state: FenceState, fault: BmcFault | undefined, now: number, limits: FenceLimits): FenceStep {
  // No answer says nothing of whether the order arrived: the power does.
  if (fault === undefined || mayPass(fault)) return readOn({ ...state, fault }, limits);
  if (fault.kind === "refused" && state.phase === "shutting-down") return cutPower(state, now);
  return fail(state, { kind: "bmc", fault }, now);
}

function limitOf(phase: Phase, limits: FenceLimits): number {
  if (phase === "shutting-down") return limits.gracefulSeconds;
  if (phase === "cutting-power") return limits.forcedSeconds;
  return phase === "watching" ? limits.podsSeconds : limits.confirmSeconds;
}

function afterFault(state: FenceState, fault: BmcFault, now: number, limits: FenceLimits): FenceStep {
  if (!mayPass(fault)) return fail(state, { kind: "bmc", fault }, now);
  const unsure = { ...state, fault, offReads: 0, lastPower: undefined };
  if (!late(state, now, limitOf(state.phase, limits))) return readOn(unsure, limits);
  return state.phase === "shutting-down" ? cutPower(unsure, now) : fail(unsure, { kind: "bmc", fault }, now);
}

function afterPower(state: FenceState, power: PowerState, now: number, limits: FenceLimits): FenceStep {
  const off = power === "Off";
  switch (state.phase) {
    case "shutting-down":
      if (off) return confirm(state, now, limits);
      return late(state, now, limits.gracefulSeconds) ? cutPower(state, now) : readOn(state, limits);
    case "cutting-power":
      if (off) return confirm(state, now, limits);
      return late(state, now, limits.forcedSeconds) ? fail(state, { kind: "still-on" }, now) : readOn(state, limits);
    case "confirming":
      if (off) return confirm(state, now, limits);
      return notOff(state, power, now, limits);
    default:
      if (!off) return notOff(state, power, now, limits);
      return { state: { ...state, offReads: state.offReads + 1 }, action: { do: "read-node" } };
  }
}

/** One more read that says Off. */
function confirm(state: FenceState, now: number, limits: FenceLimits): FenceStep {
  const offReads = state.offReads + 1;
  const since = state.phase === "confirming" ? state.since : now;
  const confirming: FenceState = { ...state, phase: "confirming", since, offReads };
  return offReads < limits.offReads ? readOn(confirming, limits) : { state: confirming, action: { do: "read-node" } };
}

/** Not off any more: on its way down it may still be, anything else is somebody's doing. */
function notOff(state: FenceState, power: PowerState, now: number, limits: FenceLimits): FenceStep {
  const unsure = { ...state, offReads: 0 };
  if (state.tainted || power === "On" || power === "PoweringOn") return fail(unsure, { kind: "on-again" }, now);
  return late(state, now, limits.confirmSeconds) ? fail(unsure, { kind: "still-on" }, now) : readOn(unsure, limits);
}

function afterNode(state: FenceState, reading: NodeReading, now: number, limits: FenceLimits): FenceStep {
  if ("missing" in reading) return end({ ...state, tainted: false }, { kind: "fenced" });
  const overdue = late(state, now, limitOf(state.phase, limits));
  if (state.phase === "confirming") {
    if ("unreachable" in reading) return overdue ? fail(state, { kind: "not-tainted", reason: reading.unreachable }, now) : readOn(state, limits);
    const known = { ...state, tainted: reading.facts.tainted };
    // Whose lease is renewed runs, whatever a BMC says.
    if (reading.facts.ready) return overdue ? fail(known, { kind: "node-alive" }, now) : readOn(known, limits);
    return { state: { ...state, phase: "tainting", tainted: true }, action: { do: "taint" } };
  }
  if ("unreachable" in reading) return overdue ? end(state, { kind: "pods-remain", pods: [] }) : readOn(state, limits);
  const { pods, tainted } = reading.facts;
  if (!tainted) return overdue ? end(state, { kind: "not-tainted", reason: "somebody takes the taint away again." }) : { state: { ...state, phase: "tainting" }, action: { do: "taint" } };
  if (pods.length === 0) return end(state, { kind: "fenced" });
  return overdue ? end(state, { kind: "pods-remain", pods: pods.map(({ namespace, name }) => `${namespace}/${name}`) }) : readOn(state, limits);
}

function afterTaint(state: FenceState, unreachable: string | undefined, now: number): FenceStep {
  if (state.phase === "untainting") {
    if (unreachable === undefined) return state.then === undefined ? powerOff({ ...state, tainted: false }, now) : end({ ...state, tainted: false }, state.then);
    return end(state, { kind: "taint-stays", reason: unreachable, ...(state.then === undefined ? {} : { after: state.then }) });
  }
  if (unreachable !== undefined) return end(state, { kind: "not-tainted", reason: unreachable });
  // Between the last read and the taint somebody may have switched it on.
  const taintedAt = state.taintedAt ?? now;
  return { state: { ...state, phase: "watching", since: taintedAt, taintedAt, offReads: 0 }, action: { do: "read-bmc", afterSeconds: 0 } };
}
