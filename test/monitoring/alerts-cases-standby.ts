import { ends, fromNow, jumps, onlyWell, steady, swing, type Signal } from "./alerts-timeline";
import type { Case } from "./alerts-promtool";
import { node } from "./alerts-series";

const balancers = ["ctrl-01", "ctrl-02"] as const;
const [holder, other] = balancers;
const address = "10.30.0.50";

const looked = (server: string): string => node("node_textfile_mtime_seconds", { file: "/var/lib/rackwright/metrics/rackwright-standby.prom" }, server);
/** Of a balancer that looks all the time. */
const fresh: Readonly<Record<string, Signal>> = Object.fromEntries(balancers.map((server) => [looked(server), fromNow(-10, -10)]));
const stale = (server: string): Readonly<Record<string, Signal>> => ({ [looked(server)]: fromNow(-10, -130) });
const held = (server: string): string => node("rackwright_balancer_address_held", { address }, server);
const program = (name: string, server: string): string => node("rackwright_balancer_program_up", { program: name }, server);
const answers = Object.fromEntries(balancers.map((server) => [node("up", {}, server), steady(1)]));
const works = Object.fromEntries(balancers.flatMap((server) => ["haproxy", "keepalived"].map((name) => [program(name, server), steady(1)])));

const active = { name: "foundation", replica: "foundation-gpu-01", kind: "active" } as const;
const standby = { name: "foundation", replica: "foundation-gpu-02-standby", kind: "standby" } as const;
const up = (replica: typeof active | typeof standby, server: string = holder): string => node("rackwright_balancer_replica_up", replica, server);
const failures = (replica: typeof active | typeof standby, server: string = holder): string => node("rackwright_balancer_replica_failures_total", replica, server);
const ofReplica = { service: "foundation", role: "active", replica: active.replica };
const unreachable = (input: Case["input"], quiet: Case["quiet"]): Case => ({
  input: { ...fresh, [up(active)]: steady(1), [up(active, other)]: steady(1), ...input }, labels: ofReplica, summary: "foundation-gpu-01 (foundation, active) does not answer a balancer", quiet,
});

export const standbyCases: Readonly<Record<string, readonly Case[]>> = {
  VirtualAddressMoved: [
    {
      input: { ...fresh, [held(holder)]: swing(1, 0, 0), [held(other)]: swing(0, 1, 1) }, trouble: 15, calm: 20, settles: 0, labels: { server: other, address }, summary: "10.30.0.50 has moved to ctrl-02",
      quiet: { "its keepalived was restarted and holds it again": { [held(holder)]: swing(1, 1), [held(other)]: steady(0) }, "nobody holds it": { [held(holder)]: swing(1, 0, 0), [held(other)]: steady(0) } },
    },
    { input: { ...fresh, [held(holder)]: ends(1), [held(other)]: swing(0, 1, 1) }, trouble: 15, calm: 20, labels: { server: other, address }, summary: "10.30.0.50 has moved to ctrl-02", quiet: { "it fell silent and nobody has taken the address": { [held(other)]: steady(0) } } },
  ],
  VirtualAddressLost: [
    { input: { ...fresh, [held(holder)]: swing(1, 0), [held(other)]: steady(0) }, labels: { address }, summary: "No balancer is seen to hold 10.30.0.50", quiet: { "the other one does": { [held(other)]: swing(0, 1) } } },
    { input: { ...fresh, [held(holder)]: onlyWell(1), [held(other)]: steady(0) }, labels: { address }, summary: "No balancer is seen to hold 10.30.0.50", quiet: { "the other one does": { [held(other)]: swing(0, 1) }, "neither says anything, which ServerDown and BalancerDown tell": { [held(other)]: onlyWell(0) } } },
    { input: { ...fresh, ...stale(holder), [held(holder)]: steady(1), [held(other)]: steady(0) }, labels: { address }, summary: "No balancer is seen to hold 10.30.0.50", quiet: { "it looks late": { [looked(holder)]: fromNow(-10, -110) } } },
  ],
  VirtualAddressHeldTwice: [{
    input: { ...fresh, [held(holder)]: steady(1), [held(other)]: swing(0, 1) }, labels: { address }, summary: "2 balancers hold 10.30.0.50",
    quiet: { "it moves": { [held(holder)]: swing(1, 0) }, "one of the two has not looked since it moved": stale(holder) },
  }],
  BalancerDown: [
    ...(["haproxy", "keepalived"] as const).map((name): Case => ({
      input: { ...fresh, ...answers, ...works, [program(name, holder)]: swing(1, 0) }, labels: { server: holder }, summary: "The balancer on ctrl-01 does not work", quiet: { "it works": { [program(name, holder)]: steady(1) } },
    })),
    { input: { ...fresh, ...answers, ...works, [program("haproxy", other)]: swing(1, 0) }, labels: { server: other }, summary: "The balancer on ctrl-02 does not work", quiet: { "it works": { [program("haproxy", other)]: steady(1) } } },
    ...balancers.map((server): Case => ({ input: { ...fresh, ...answers, ...works, ...stale(server) }, labels: { server }, summary: `The balancer on ${server} does not work`, quiet: { "it looks late": { [looked(server)]: fromNow(-10, -110) }, "its server does not answer, which ServerDown tells": { [node("up", {}, server)]: swing(1, 0) } } })),
    ...balancers.map((server): Case => ({
      input: { ...fresh, ...answers, ...works, [program("haproxy", server)]: onlyWell(1), [program("keepalived", server)]: onlyWell(1) }, labels: { server }, summary: `The balancer on ${server} does not work`, quiet: { "it says so of one program": { [program("haproxy", server)]: steady(1) } },
    })),
  ],
  ServiceOnStandby: [{
    input: { ...fresh, [up(active)]: swing(1, 0), [up(active, other)]: swing(1, 0), [up(standby)]: steady(1), [up(standby, other)]: steady(0) }, labels: { service: "foundation" }, summary: "foundation is answered by its standby",
    quiet: { "another balancer reaches the active one": { [up(active, other)]: steady(1) }, "the standby does not answer either": { [up(standby)]: swing(1, 0) } },
  }],
  ReplicaTakenOut: [{
    input: { [failures(active)]: jumps(1), [failures(active, other)]: jumps(1) }, calm: 20, trouble: 14, settles: 2, labels: ofReplica, summary: "foundation-gpu-01 (foundation, active) stopped answering the balancers",
    quiet: { "once, long ago": { [failures(active)]: steady(3), [failures(active, other)]: steady(2) }, "HAProxy was started anew, which counts from nothing": { [failures(active)]: swing(3, 0, 0), [failures(active, other)]: steady(1) } },
  }],
  ReplicaUnreachable: [
    unreachable({ [up(active, other)]: swing(1, 0) }, { "both reach it": { [up(active, other)]: steady(1) }, "a balancer that has not looked since": { ...stale(other) } }),
    unreachable({ [up(active)]: swing(1, 0), [up(active, other)]: swing(1, 0) }, { "both reach it": { [up(active)]: steady(1), [up(active, other)]: steady(1) } }),
  ],
  ServiceUnreachable: [{
    input: { ...fresh, [up(active)]: swing(1, 0), [up(standby)]: steady(0), [up(active, other)]: swing(1, 0) }, labels: { service: "foundation" }, summary: "No replica of foundation answers the balancers",
    quiet: { "the standby answers": { [up(standby)]: steady(1) }, "another balancer reaches one": { [up(active, other)]: steady(1) } },
  }],
};
