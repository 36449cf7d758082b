import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PowerState } from "../../../components/recovery/fence/facts";
import type { Outcome } from "../../../components/recovery/fence/plan";
import { badPassword, Killed, limits, serverError, unreachable, World } from "./world";

function world(change: (world: World) => void = () => undefined): World {
  const made = new World();
  change(made);
  return made;
}

async function ended(change: (world: World) => void): Promise<{ world: World; outcome: Outcome }> {
  const made = world(change);
  return { world: made, outcome: (await made.fence()).outcome };
}

const lastReads = (reads: readonly unknown[]): unknown[] => reads.slice(-limits.offReads);

describe("a fence that goes well", () => {
  it("asks for a shutdown, cuts the power when that does not come, reads Off three times, taints, and waits for the pods", async () => {
    const { world: end, outcome } = await ended(() => undefined);
    expect(outcome).toEqual({ kind: "fenced" });
    expect(end.log).toEqual(["GracefulShutdown", "ForceOff", "taint"]);
    expect(lastReads(end.taintedAfterReads[0] ?? [])).toEqual(["Off", "Off", "Off"]);
    expect([end.power, end.tainted, end.pods]).toEqual(["Off", true, []]);
  });

  it("cuts no power where the system shuts down by itself", async () => {
    const { world: end } = await ended((it) => (it.takes.GracefulShutdown = 12));
    expect(end.log).toEqual(["GracefulShutdown", "taint"]);
  });

  it("gives the shutdown its time, and not much more", async () => {
    const asked: number[] = [];
    const made = world();
    await made.fence({ onAction: ({ do: what }) => what === "reset" && asked.push(made.seconds) });
    expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBeGreaterThan(limits.gracefulSeconds);
    expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBeLessThan(limits.gracefulSeconds + 5);
  });

  it("switches nothing where the server is off already", async () => {
    const { world: end, outcome } = await ended((it) => (it.power = "Off"));
    expect([outcome.kind, end.log]).toEqual(["fenced", ["taint"]]);
    expect(lastReads(end.taintedAfterReads[0] ?? [])).toEqual(["Off", "Off", "Off"]);
  });

  it("asks for no shutdown that the BMC does not offer, and for one where it does not say what it offers", async () => {
    expect((await ended((it) => (it.resetTypes = ["On", "ForceOff"]))).world.log).toEqual(["ForceOff", "taint"]);
    expect((await ended((it) => (it.resetTypes = undefined))).world.log[0]).toBe("GracefulShutdown");
  });

  it("cuts the power where the BMC refuses the shutdown", async () => {
    const { world: end } = await ended((it) => (it.resetFault = (type) => (type === "GracefulShutdown" ? { kind: "refused", message: "no" } : undefined)));
    expect(end.log).toEqual(["GracefulShutdown", "ForceOff", "taint"]);
  });

  it("counts reads anew after each that says anything else, a fault among them", async () => {
    for (const fault of [unreachable, serverError]) {
      const { world: end, outcome } = await ended((it) => {
        it.power = "Off";
        let read = 0;
        // The look is the first; the third read of the run fails.
        it.bmcFault = () => (++read === 4 ? fault : undefined);
      });
      expect(outcome.kind).toBe("fenced");
      expect(end.taintedAfterReads[0]).toEqual(["Off", "Off", "fault", "Off", "Off", "Off"]);
    }
  });

  it("does not mind an order whose answer is lost", async () => {
    const { world: end, outcome } = await ended((it) => (it.resetFault = () => unreachable));
    expect([outcome.kind, end.log]).toEqual(["fenced", ["GracefulShutdown", "ForceOff", "taint"]]);
  });

  it("sets the taint again where somebody takes it away, and gives up where that goes on", async () => {
    const once = world();
    let taken = false;
    const first = await once.fence({ onEvent: ({ kind }) => {
      if (kind !== "taint" || taken) return;
      taken = true;
      once.tainted = false;
    } });
    expect([first.outcome.kind, once.log.filter((what) => what === "taint").length]).toEqual(["fenced", 2]);
    const always = world();
    const second = await always.fence({ onEvent: ({ kind }) => kind === "taint" && (always.tainted = false) });
    expect(second.outcome).toEqual({ kind: "not-tainted", reason: "somebody takes the taint away again." });
  });
});

describe("a fence that fails ends without a taint", () => {
  it.each<[string, (world: World) => void, Outcome["kind"]]>([
    ["the BMC takes the order and the server stays on", (it) => (it.takes.ForceOff = Infinity), "still-on"],
    ["the BMC refuses to cut the power", (it) => (it.resetFault = () => ({ kind: "refused", message: "no" })), "bmc"],
    ["the password is refused", (it) => (it.resetFault = () => badPassword), "bmc"],
    ["the BMC goes away once the order is given", (it) => (it.bmcFault = (seconds) => (seconds > 5 ? unreachable : undefined)), "bmc"],
    ["the BMC becomes another one's", (it) => (it.bmcFault = (seconds) => (seconds > 5 ? { kind: "wrong-system", message: "other" } : undefined)), "bmc"],
    ["it says Off once and On then", (it) => (it.bmcLie = (power, seconds) => (seconds > 36 && seconds < 39 ? "Off" : power === "Off" ? "On" : power)), "on-again"],
    ["it says Off while the node reports on", (it) => Object.assign(it, { power: "Off", alive: true }), "node-alive"],
    ["it hangs between on and off", (it) => (it.bmcLie = (power) => (power === "Off" ? "PoweringOff" : power)), "still-on"],
    ["the API server is away", (it) => (it.apiFault = (seconds) => (seconds > 3 ? "connection refused." : undefined)), "not-tainted"],
  ])("%s", async (_what, change, kind) => {
    const { world: end, outcome } = await ended(change);
    expect(outcome.kind).toBe(kind);
    expect(end.tainted).toBe(false);
    expect(end.log).not.toContain("taint");
  });

  it.each<[string, PowerState]>([["On", "On"], ["on its way", "PoweringOn"], ["paused", "Paused"]])("the server is %s again after the taint: it is taken away", async (_what, power) => {
    const made = world();
    const { outcome } = await made.fence({ onEvent: ({ kind }) => kind === "taint" && made.tainted && (made.power = power) });
    expect(outcome).toEqual({ kind: "on-again" });
    expect([made.log.at(-1), made.tainted]).toEqual(["untaint", false]);
  });

  it("the BMC goes away after the taint: it is taken away", async () => {
    const made = world();
    const { outcome } = await made.fence({ onEvent: ({ kind }) => kind === "taint" && made.tainted && (made.bmcFault = () => unreachable) });
    expect([outcome.kind, made.tainted]).toEqual(["bmc", false]);
  });

  it("says so where the taint cannot be taken away", async () => {
    const made = world();
    const { outcome } = await made.fence({ onEvent: ({ kind }) => {
      if (kind !== "taint" || !made.tainted) return;
      made.power = "On";
      made.apiFault = () => "connection refused.";
    } });
    expect(outcome).toEqual({ kind: "taint-stays", reason: "connection refused.", after: { kind: "on-again" } });
  });
});

describe("a fence that is not finished", () => {
  it("keeps the taint while pods are held, and names them", async () => {
    const { world: end, outcome } = await ended((it) => (it.podsGoAfter = Infinity));
    expect(outcome).toEqual({ kind: "pods-remain", pods: ["training/finetune-0"] });
    expect([end.power, end.tainted]).toEqual(["Off", true]);
  });

  it("goes on where the API server comes back, without another order to the BMC", async () => {
    const made = world((it) => (it.apiFault = (seconds) => (seconds > 3 ? "connection refused." : undefined)));
    expect((await made.fence()).outcome.kind).toBe("not-tainted");
    const orders = [...made.log];
    made.apiFault = () => undefined;
    expect((await made.fence()).outcome.kind).toBe("fenced");
    expect(made.log).toEqual([...orders, "taint"]);
  });

  it("takes the taint away before it powers off a server that was fenced and runs", async () => {
    const { world: end, outcome } = await ended((it) => (it.tainted = true));
    expect(outcome.kind).toBe("fenced");
    expect(end.log).toEqual(["untaint", "GracefulShutdown", "ForceOff", "taint"]);
  });

  it("stops when the user says so, before anything new is started", async () => {
    for (let call = 3; call < 12; call++) {
      const made = world();
      const stop = new AbortController();
      const { outcome } = await made.fence({ signal: stop.signal, onEvent: () => made.asked >= call && stop.abort() });
      expect(outcome).toEqual({ kind: "stopped" });
      expect(made.asked).toBe(call);
    }
  });
});

const power = fc.constantFrom<PowerState>("On", "Off", "PoweringOn", "PoweringOff", "Paused");
const unruly = fc.record({
  reads: fc.array(fc.oneof({ arbitrary: fc.constant("truth" as const), weight: 6 }, { arbitrary: power, weight: 2 }, { arbitrary: fc.constantFrom(unreachable, serverError, badPassword), weight: 1 }), { maxLength: 60 }),
  api: fc.array(fc.constantFrom(undefined, undefined, undefined, "connection refused."), { maxLength: 60 }),
  graceful: fc.constantFrom(5, Infinity),
  forced: fc.constantFrom(4, Infinity),
  start: fc.constantFrom<PowerState>("On", "Off"),
  tainted: fc.boolean(),
  alive: fc.boolean(),
});

function unrulyWorld({ reads, api, graceful, forced, start, tainted, alive }: typeof unruly extends fc.Arbitrary<infer T> ? T : never): World {
  return world((it) => {
    Object.assign(it, { power: start, tainted, alive });
    it.takes = { GracefulShutdown: graceful, ForceOff: forced, On: 5 };
    let read = 0;
    let call = 0;
    it.bmcFault = () => {
      const next = reads[read++];
      it.bmcLie = (truth) => (typeof next === "string" && next !== "truth" ? next : truth);
      return typeof next === "object" ? next : undefined;
    };
    it.apiFault = () => api[call++];
  });
}

describe("whatever the BMC and the API server do", () => {
  it("a taint is set only after the last three reads said Off, and stays only where the last one does", async () => {
    await fc.assert(
      fc.asyncProperty(unruly, async (script) => {
        const made = unrulyWorld(script);
        const { outcome } = await made.fence();
        for (const [index, reads] of made.taintedAfterReads.entries()) expect(index === 0 ? lastReads(reads) : reads.slice(-1)).toEqual(index === 0 ? ["Off", "Off", "Off"] : ["Off"]);
        if (made.tainted && outcome.kind !== "taint-stays" && !(script.tainted && made.taintedAfterReads.length === 0 && script.api.includes("connection refused."))) expect(made.reads.at(-1)).toBe("Off");
        if (outcome.kind === "fenced") expect([made.tainted, made.pods, made.reads.at(-1)]).toEqual([true, [], "Off"]);
        expect(made.log).not.toContain("On");
        expect(made.log.filter((what) => what === "ForceOff").length).toBeLessThanOrEqual(1);
        expect(made.seconds).toBeLessThan(600);
      }),
      { numRuns: 400 },
    );
  });

  it("killed at any call and started again, it ends as if it had not been", async () => {
    const whole = world();
    await whole.fence();
    for (let call = 1; call <= whole.asked; call++) {
      for (const after of [false, true]) {
        const made = world();
        made.killAt = { call, after };
        await expect(made.fence()).rejects.toBeInstanceOf(Killed);
        made.killAt = undefined;
        expect((await made.fence()).outcome).toEqual({ kind: "fenced" });
        expect([made.power, made.tainted, made.pods]).toEqual([whole.power, whole.tainted, whole.pods]);
      }
    }
  });
});
