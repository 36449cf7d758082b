import { describe, expect, it } from "vitest";
import { releaseLimits, type ReleaseOutcome } from "../../../components/recovery/fence/release";
import { runRelease } from "../../../components/recovery/fence/run";
import { badPassword, unreachable, World } from "./world";

/** A fenced server: off, tainted, its node as it was last heard of. */
function fenced(change: (world: World) => void = () => undefined): World {
  const world = new World();
  Object.assign(world, { power: "Off", tainted: true, pods: [] });
  change(world);
  return world;
}

async function released(world: World, options: { mayPowerOn?: boolean; bootSeconds?: number; signal?: AbortSignal } = {}): Promise<ReleaseOutcome> {
  const { mayPowerOn = true, bootSeconds = 60, signal = new AbortController().signal } = options;
  let onSince: number | undefined;
  return runRelease({
    bmc: world.bmc, node: world.node, clock: world.clock, signal, limits: releaseLimits, mayPowerOn: () => Promise.resolve(mayPowerOn),
    onReading: () => {
      if (world.power !== "On") return;
      onSince ??= world.seconds;
      if (world.seconds - onSince >= bootSeconds) world.alive = true;
    },
  });
}

describe("a release", () => {
  it("powers on, waits for the node, and takes the taint away only then", async () => {
    const world = fenced();
    expect(await released(world)).toEqual({ kind: "released", hadTaint: true });
    expect([world.log, world.tainted, world.power]).toEqual([["On", "untaint"], false, "On"]);
    expect(world.seconds).toBeGreaterThan(60);
  });

  it("switches nothing on that its user does not want on", async () => {
    const world = fenced();
    expect(await released(world, { mayPowerOn: false })).toEqual({ kind: "stopped" });
    expect([world.log, world.tainted, world.power]).toEqual([[], true, "Off"]);
  });

  it("believes no node that is Ready without having renewed its lease meanwhile", async () => {
    const world = fenced((it) => (it.power = "On"));
    const stale = world.facts.bind(world);
    world.facts = () => ({ ...stale(), ready: true, leaseRenewed: "before the fence" });
    expect(await released(world)).toEqual({ kind: "not-ready" });
    expect([world.log, world.tainted]).toEqual([[], true]);
  });

  it("needs no BMC where the node itself reports: a new board has another one", async () => {
    for (const fault of [unreachable, badPassword]) {
      const world = fenced((it) => Object.assign(it, { power: "On", alive: true, bmcFault: () => fault }));
      // A fault that lasts ends it where the node says nothing; here the node speaks first.
      expect(await released(world)).toEqual({ kind: "released", hadTaint: true });
    }
  });

  it("does nothing where there is nothing to do, or where a fence is not what keeps the node away", async () => {
    expect(await released(fenced((it) => Object.assign(it, { power: "On", alive: true, tainted: false })))).toEqual({ kind: "released", hadTaint: false });
    expect(await released(fenced((it) => (it.tainted = false)))).toEqual({ kind: "not-fenced" });
  });

  it.each<[string, (world: World) => void, ReleaseOutcome]>([
    ["the server does not go on", (it) => (it.takes.On = Infinity), { kind: "still-off" }],
    ["the BMC is away", (it) => (it.bmcFault = () => unreachable), { kind: "bmc", fault: unreachable }],
    ["the password is refused", (it) => (it.bmcFault = () => badPassword), { kind: "bmc", fault: badPassword }],
    ["the BMC refuses to power on", (it) => (it.resetFault = () => ({ kind: "refused", message: "no" })), { kind: "bmc", fault: { kind: "refused", message: "no" } }],
    ["the API server is away", (it) => (it.apiFault = () => "connection refused."), { kind: "api-unreachable", reason: "connection refused." }],
  ])("keeps the taint where %s", async (_what, change, outcome) => {
    const world = fenced(change);
    expect(await released(world)).toEqual(outcome);
    expect(world.tainted).toBe(true);
  });

  it("keeps the taint where the node does not come, within its time", async () => {
    const world = fenced();
    expect(await released(world, { bootSeconds: Infinity })).toEqual({ kind: "not-ready" });
    expect([world.tainted, world.seconds > releaseLimits.readySeconds, world.seconds < releaseLimits.readySeconds + 60]).toEqual([true, true, true]);
  });

  it("stops when the user says so", async () => {
    expect(await released(fenced(), { signal: AbortSignal.abort() })).toEqual({ kind: "stopped" });
  });
});
