import { mayPass, type BmcFault, type BmcReading, type NodeReading } from "./facts";

export interface ReleaseLimits {
  /** For the power to be on once that was asked. */
  powerOnSeconds: number;
  /** For the node to be Ready: servers with many GPUs and much memory take minutes to test themselves. */
  readySeconds: number;
  readEverySeconds: number;
}

export const releaseLimits: ReleaseLimits = { powerOnSeconds: 120, readySeconds: 1200, readEverySeconds: 5 };

/** Within it a kubelet renews its lease several times: every 10 s. */
const leaseSeconds = 60;

export type ReleaseOutcome =
  /** The node is Ready and has no taint of a fence; `hadTaint` says whether this run took it away. */
  | { kind: "released"; hadTaint: boolean }
  | { kind: "no-node" | "still-off" | "not-ready" | "not-fenced" | "stopped" }
  | { kind: "api-unreachable"; reason: string }
  | { kind: "bmc"; fault: BmcFault };

export type ReleaseAction = { do: "power-on" } | { do: "untaint" } | { do: "read"; afterSeconds: number } | { do: "end"; outcome: ReleaseOutcome };

export interface ReleaseState {
  since: number;
  /** When power on was asked. */
  poweredAt: number | undefined;
  /** The kubelet's lease when this run first saw the node Ready. */
  lease: { renewed: string; seenAt: number } | undefined;
}

/** Before anything was read. */
export function releaseStart(now: number): ReleaseState {
  return { since: now, poweredAt: undefined, lease: undefined };
}

/**
 * What to do after one reading of the BMC and the node. The node's own word counts for the taint: it must be Ready and have
 * renewed its lease while this runs, for what the API server has of it may be from before the fence. Pure.
 */
export function nextReleaseStep(state: ReleaseState, { bmc, node }: { bmc: BmcReading; node: NodeReading }, now: number, limits: ReleaseLimits): { state: ReleaseState; action: ReleaseAction } {
  const end = (outcome: ReleaseOutcome): { state: ReleaseState; action: ReleaseAction } => ({ state, action: { do: "end", outcome } });
  const readOn = (next: ReleaseState = state): { state: ReleaseState; action: ReleaseAction } => ({ state: next, action: { do: "read", afterSeconds: limits.readEverySeconds } });
  const late = now - state.since > limits.readySeconds * 1000;
  if ("missing" in node) return end({ kind: "no-node" });
  if ("facts" in node) {
    const { ready, tainted, leaseRenewed } = node.facts;
    if (ready && !tainted) return end({ kind: "released", hadTaint: false });
    if (ready && leaseRenewed !== undefined) {
      const { lease } = state;
      if (lease === undefined) return readOn({ ...state, lease: { renewed: leaseRenewed, seenAt: now } });
      if (lease.renewed !== leaseRenewed) return { state, action: { do: "untaint" } };
      // The BMC is not needed while the node may speak for itself: a new board has another one.
      if (now - lease.seenAt <= leaseSeconds * 1000) return readOn();
    }
    if (!ready && !tainted) return end({ kind: "not-fenced" });
  }
  if ("fault" in bmc && (late || !mayPass(bmc.fault))) return end({ kind: "bmc", fault: bmc.fault });
  if ("system" in bmc && bmc.system.power === "Off") {
    if (state.poweredAt === undefined) return { state: { ...state, since: now, poweredAt: now }, action: { do: "power-on" } };
    if (now - state.poweredAt > limits.powerOnSeconds * 1000) return end({ kind: "still-off" });
  }
  if (!late) return readOn();
  return end("unreachable" in node ? { kind: "api-unreachable", reason: node.unreachable } : { kind: "not-ready" });
}
