import { describe, expect, it } from "vitest";
import type { BmcReading, Look, NodeFacts, PowerState } from "../../../components/recovery/fence/facts";
import { judge, type JudgeOptions } from "../../../components/recovery/fence/judge";
import { badPassword } from "./world";

const facts = (more: Partial<NodeFacts> = {}): NodeFacts => ({ ready: false, notReady: { since: "2026-01-01T00:00:00Z", reason: "Kubelet stopped posting node status." }, tainted: false, pods: [], volumes: 0, ...more });
const bmc = (power: PowerState = "On", uuid?: string): BmcReading => ({ system: { identity: { id: "1", ...(uuid === undefined ? {} : { uuid }) }, power } });
const look = (more: Partial<Look> = {}): Look => ({ node: { facts: facts() }, bmc: bmc(), ssh: "silent", ...more });
const decided = (looked: Look, options: Partial<JudgeOptions> = {}) => judge(looked, { server: "gpu-01", forceRunning: false, statesUuid: false, ...options });

describe("a server may be powered off", () => {
  it("where its node is not Ready and it answers nobody", () => {
    expect(decided(look())).toBeUndefined();
    const { ssh: _, ...behindBastion } = look();
    expect(decided(behindBastion)).toBeUndefined();
  });

  it("never while it works, unless its user says so", () => {
    for (const working of [look({ node: { facts: facts({ ready: true }) } }), look({ ssh: "answers" })]) {
      expect(decided(working)).toMatchObject({ kind: "running", message: expect.stringMatching(/Nothing was switched.*--force-running/) as string });
      expect(decided(working, { forceRunning: true })).toBeUndefined();
    }
  });

  it("never where nobody knows whether it works, unless its user says so; where it is off already, that is known", () => {
    const node = { unreachable: "nothing listens." };
    expect(decided(look({ node }))).toMatchObject({ kind: "api-unreachable", message: expect.stringContaining("nothing listens. Nothing was switched.") as string });
    expect(decided(look({ node }), { forceRunning: true })).toBeUndefined();
    expect(decided(look({ node, bmc: bmc("Off") }))).toBeUndefined();
  });

  it("never on the word of a BMC that cannot be believed, whatever the user says", () => {
    for (const forceRunning of [false, true]) expect(decided(look({ bmc: { fault: badPassword } }), { forceRunning })).toEqual({ kind: "bmc", fault: badPassword });
  });

  it("never where the cluster has no such node, whatever the user says", () => {
    expect(decided(look({ node: { missing: true } }), { forceRunning: true })).toMatchObject({ kind: "no-node" });
  });

  it("where it is off already, whatever its node says: nothing is switched", () => {
    expect(decided(look({ bmc: bmc("Off"), node: { facts: facts({ ready: true }) } }))).toBeUndefined();
  });

  it("says how a server that is up again loses the taint of its fence", () => {
    expect(decided(look({ node: { facts: facts({ ready: true, tainted: true }) } }))?.kind).toBe("running");
    expect(decided(look({ node: { facts: facts({ ready: true, tainted: true }) } }))).toMatchObject({ message: expect.stringContaining("--release") as string });
  });
});

describe("the cluster's own word for which machine a node is", () => {
  const uuid = "38947555-7742-3448-3784-823347823834";
  const node = { facts: facts({ systemUuid: uuid }) };

  it("agrees, in either order of bytes, or says nothing", () => {
    for (const says of [uuid, uuid.toUpperCase(), "55759438-4277-4834-3784-823347823834", undefined]) expect(decided(look({ node, bmc: bmc("On", says) }))).toBeUndefined();
    expect(decided(look({ bmc: bmc("On", uuid) }))).toBeUndefined();
  });

  it("contradicts: nothing is switched, whatever the user says, unless the environment states the BMC's", () => {
    const other = bmc("On", "00000000-7742-3448-3784-823347823834");
    expect(decided(look({ node, bmc: other }), { forceRunning: true })).toMatchObject({ kind: "other-machine", message: expect.stringMatching(/two machines\. Nothing was switched\. .*servers\.gpu-01\.bmc\.uuid/) as string });
    expect(decided(look({ node, bmc: other }), { statesUuid: true })).toBeUndefined();
  });
});
