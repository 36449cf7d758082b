import type { BmcFault, BmcReading, Look, NodeFacts, NodeReading, PowerState, ResetType } from "../../../components/recovery/fence/facts";
import type { FenceAction, FenceEvent, FenceLimits } from "../../../components/recovery/fence/plan";
import { lookAt, runFence, type BmcPort, type Clock, type NodePort } from "../../../components/recovery/fence/run";

export const limits: FenceLimits = { gracefulSeconds: 30, forcedSeconds: 60, offReads: 3, readEverySeconds: 2, confirmSeconds: 120, podsSeconds: 180 };

export const unreachable: BmcFault = { kind: "unreachable", message: "The BMC does not answer." };
export const serverError: BmcFault = { kind: "server-error", message: "The BMC answers 500." };
export const badPassword: BmcFault = { kind: "password", message: "The BMC does not take the password." };

/** Stands for SIGKILL: no code runs after it. */
export class Killed extends Error {}

/** A server, its BMC and its cluster, in a time of their own. What a test does not change behaves well. */
export class World {
  seconds = 0;
  power: PowerState = "On";
  tainted = false;
  pods = ["training/finetune-0"];
  resetTypes: readonly string[] | undefined = ["On", "ForceOff", "GracefulShutdown"];
  /** How long each way of switching takes; Infinity: never. */
  takes: Record<ResetType, number> = { GracefulShutdown: Infinity, ForceOff: 4, On: 5 };
  /** What the BMC answers in place of the truth, at a time. */
  bmcFault: (seconds: number) => BmcFault | undefined = () => undefined;
  /** What it says in place of the truth. */
  bmcLie: (power: PowerState, seconds: number) => PowerState = (power) => power;
  resetFault: (type: ResetType) => BmcFault | undefined = () => undefined;
  apiFault: (seconds: number) => string | undefined = () => undefined;
  /** Whether the kubelet reports, whatever the BMC says. */
  alive = false;
  /** What the garbage collector of pods needs after the taint. */
  podsGoAfter = 20;
  ssh: Look["ssh"] = "silent";
  /** Everything that was asked, in order. */
  readonly log: string[] = [];
  /** What the BMC was read as, in order. */
  readonly reads: (PowerState | "fault")[] = [];
  readonly taintedAfterReads: (PowerState | "fault")[][] = [];
  /** The call, from 1, at which the process is killed: before it or after it has had its effect. */
  killAt: { call: number; after: boolean } | undefined;
  private calls = 0;
  private pending: { at: number; power: PowerState } | undefined;
  private taintedAt = 0;

  readonly clock: Clock = {
    now: () => this.seconds * 1000,
    sleep: (seconds) => {
      this.seconds += seconds;
      return Promise.resolve();
    },
  };

  readonly bmc: BmcPort = {
    read: () => this.called((): BmcReading => {
      this.seconds += 0.5;
      const fault = this.bmcFault(this.seconds);
      if (fault !== undefined) {
        this.reads.push("fault");
        return { fault };
      }
      this.settle();
      const power = this.bmcLie(this.power, this.seconds);
      this.reads.push(power);
      return { system: { identity: { id: "1" }, power, ...(this.resetTypes === undefined ? {} : { resetTypes: this.resetTypes }) } };
    }),
    reset: (type) => this.called(() => {
      this.log.push(type);
      const fault = this.resetFault(type);
      if (fault === undefined || fault.kind === "unreachable") this.pending = { at: this.seconds + this.takes[type], power: type === "On" ? "On" : "Off" };
      return fault;
    }),
  };

  readonly node: NodePort = {
    read: () => this.called((): NodeReading => {
      const reason = this.apiFault(this.seconds);
      if (reason !== undefined) return { unreachable: reason };
      this.settle();
      return { facts: this.facts() };
    }),
    setTaint: (wanted) => this.called(() => {
      const reason = this.apiFault(this.seconds);
      if (reason !== undefined) return reason;
      this.log.push(wanted ? "taint" : "untaint");
      if (wanted) this.taintedAfterReads.push(this.reads.slice());
      if (wanted && !this.tainted) this.taintedAt = this.seconds;
      this.tainted = wanted;
      return undefined;
    }),
  };

  facts(): NodeFacts {
    if (this.tainted && !this.alive && this.seconds - this.taintedAt >= this.podsGoAfter) this.pods = [];
    const pods = this.pods.map((each) => ({ namespace: each.split("/")[0] ?? "", name: each.split("/")[1] ?? "", then: "gone" as const }));
    return { ready: this.alive, tainted: this.tainted, leaseRenewed: String(this.alive ? Math.floor(this.seconds / 10) : 0), pods, volumes: 0 };
  }

  look(): Promise<Look> {
    return lookAt({ bmc: this.bmc, node: this.node, clock: this.clock, answers: () => Promise.resolve(this.ssh) });
  }

  /** What a run of the command does after its question. */
  async fence(options: { signal?: AbortSignal; onAction?: (action: FenceAction) => void; onEvent?: (event: FenceEvent) => void } = {}): ReturnType<typeof runFence> {
    const look = await this.look();
    this.reads.length = 0;
    return runFence({ look, bmc: this.bmc, node: this.node, clock: this.clock, limits, signal: new AbortController().signal, ...options });
  }

  /** How often anything was asked. */
  get asked(): number {
    return this.calls;
  }

  private settle(): void {
    if (this.pending === undefined || this.seconds < this.pending.at) return;
    this.power = this.pending.power;
    this.pending = undefined;
  }

  private called<T>(effect: () => T): Promise<T> {
    this.calls += 1;
    const killed = this.killAt?.call === this.calls;
    if (killed && this.killAt?.after === false) return Promise.reject(new Killed());
    const result = effect();
    return killed ? Promise.reject(new Killed()) : Promise.resolve(result);
  }
}
