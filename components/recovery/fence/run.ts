import { setTimeout as pause } from "node:timers/promises";
import { mayPass, type BmcFault, type BmcReading, type Look, type NodeReading, type ResetType } from "./facts";
import { firstFenceStep, nextFenceStep, type FenceAction, type FenceEvent, type FenceLimits, type FenceState, type Outcome } from "./plan";
import { nextReleaseStep, releaseStart, type ReleaseLimits, type ReleaseOutcome } from "./release";

/** One server's switch. Neither call throws: what went wrong is a fault. */
export interface BmcPort {
  read: () => Promise<BmcReading>;
  /** @returns undefined where the BMC accepted it */
  reset: (type: ResetType) => Promise<BmcFault | undefined>;
}

/** One server's node. No call throws. */
export interface NodePort {
  read: () => Promise<NodeReading>;
  /** Sets or takes the taint out-of-service; done already is well. @returns why it could not */
  setTaint: (wanted: boolean) => Promise<string | undefined>;
}

export interface Clock {
  /** Milliseconds; never goes back. */
  now: () => number;
  /** Ends early, without an error, when the signal says so. */
  sleep: (seconds: number, signal: AbortSignal) => Promise<void>;
}

/** The machine's own. */
export const wallClock: Clock = {
  now: () => performance.now(),
  sleep: (seconds, signal) => pause(seconds * 1000, undefined, { signal }).catch(() => undefined),
};

/** For a BMC that is busy: one more try after this long. */
const lookAgainSeconds = 2;

/** Asks everybody what there is to know, at the same time. Changes nothing. */
export async function lookAt({ bmc, node, answers, clock }: Pick<RunOptions, "bmc" | "node" | "clock"> & { answers: () => Promise<Look["ssh"]> }): Promise<Look> {
  const ask = async (): Promise<BmcReading> => {
    const reading = await bmc.read();
    if (!("fault" in reading) || !mayPass(reading.fault)) return reading;
    await clock.sleep(lookAgainSeconds, new AbortController().signal);
    return bmc.read();
  };
  const [found, its, ssh] = await Promise.all([ask(), node.read(), answers()]);
  return { bmc: found, node: its, ...(ssh === undefined ? {} : { ssh }) };
}

export interface RunOptions {
  bmc: BmcPort;
  node: NodePort;
  clock: Clock;
  /** Stops it: what is under way is finished, nothing new is started. */
  signal: AbortSignal;
}

export interface FenceRun extends RunOptions {
  look: Look;
  limits: FenceLimits;
  /** Told of each action before it is done and of what came of it. */
  onAction?: (action: FenceAction, state: FenceState) => void;
  onEvent?: (event: FenceEvent, state: FenceState) => void;
}

/** Carries out {@link nextFenceStep} until it ends. */
export async function runFence({ look, bmc, node, clock, limits, signal, onAction, onEvent }: FenceRun): Promise<{ outcome: Outcome; state: FenceState }> {
  let { state, action } = firstFenceStep(look, clock.now());
  for (;;) {
    if (action.do === "end") return { outcome: action.outcome, state };
    onAction?.(action, state);
    // A taint that must not stay is taken away even when the user is in a hurry.
    const event: FenceEvent = signal.aborted && action.do !== "untaint" ? { kind: "stop" } : await perform(action, { bmc, node, clock, signal });
    ({ state, action } = nextFenceStep(state, event, clock.now(), limits));
    onEvent?.(event, state);
  }
}

async function perform(action: Exclude<FenceAction, { do: "end" }>, { bmc, node, clock, signal }: RunOptions): Promise<FenceEvent> {
  switch (action.do) {
    case "reset": {
      const fault = await bmc.reset(action.type);
      return { kind: "reset", ...(fault === undefined ? {} : { fault }) };
    }
    case "read-bmc":
      await clock.sleep(action.afterSeconds, signal);
      return signal.aborted ? { kind: "stop" } : { kind: "bmc", reading: await bmc.read() };
    case "read-node":
      return { kind: "node", reading: await node.read() };
    case "taint":
    case "untaint": {
      const unreachable = await node.setTaint(action.do === "taint");
      return { kind: "taint", ...(unreachable === undefined ? {} : { unreachable }) };
    }
  }
}

export interface ReleaseRun extends RunOptions {
  limits: ReleaseLimits;
  /** Asked before the power is switched on. */
  mayPowerOn: () => Promise<boolean>;
  onReading?: (bmc: BmcReading, node: NodeReading) => void;
}

/** Carries out {@link nextReleaseStep} until it ends. */
export async function runRelease({ bmc, node, clock, limits, signal, mayPowerOn, onReading }: ReleaseRun): Promise<ReleaseOutcome> {
  let state = releaseStart(clock.now());
  let afterSeconds = 0;
  for (;;) {
    await clock.sleep(afterSeconds, signal);
    if (signal.aborted) return { kind: "stopped" };
    const readings = { bmc: await bmc.read(), node: await node.read() };
    onReading?.(readings.bmc, readings.node);
    const step = nextReleaseStep(state, readings, clock.now(), limits);
    state = step.state;
    afterSeconds = limits.readEverySeconds;
    switch (step.action.do) {
      case "end":
        return step.action.outcome;
      case "untaint": {
        const unreachable = await node.setTaint(false);
        return unreachable === undefined ? { kind: "released", hadTaint: true } : { kind: "api-unreachable", reason: unreachable };
      }
      case "power-on": {
        if (!(await mayPowerOn())) return { kind: "stopped" };
        const fault = await bmc.reset("On");
        if (fault !== undefined && !mayPass(fault)) return { kind: "bmc", fault };
        break;
      }
      case "read":
        break;
    }
  }
}
