import { describe, expect, it } from "vitest";
import { recoveryHazards } from "../../../cli/pr/hazards-recovery";
import { pairServers } from "../../../cli/pr/pairs";
import type { Side } from "../../../cli/pr/plan-side";
import { planCost } from "../../../components/cost";
import { parseEnvironment, type EnvironmentInput } from "../../../components/environment";
import { planServer } from "../../../components/servers/plan";
import { planSite } from "../../../components/site/plan";
import { gpuServer, labEnvironment } from "./fixture";

function side(change: (input: EnvironmentInput) => void = () => undefined): Side {
  const input = labEnvironment();
  input.servers["gpu-03"] = gpuServer(3);
  input.recovery = { standby: { mode: "keepalived", virtualAddress: "192.0.2.200", balancers: ["gpu-01", "gpu-03"] } };
  change(input);
  const parsed = parseEnvironment(input);
  if (!parsed.ok) throw new Error(`the environment is wrong: ${JSON.stringify(parsed.problems)}`);
  const { environment } = parsed;
  return { environment, workloads: planSite(environment).workloads, servers: new Map(Object.keys(environment.servers).map((name) => [name, planServer(environment, name)])), cost: planCost(environment), secrets: new Map(), encryptionSalt: undefined };
}

function hazards(before: Side, after: Side): string[] {
  return recoveryHazards({ base: before, head: after, servers: pairServers(before, after), steps: [] }).map(({ kind, text }) => `${kind}: ${text.text}`);
}

const standby = (input: EnvironmentInput, change: NonNullable<EnvironmentInput["recovery"]>["standby"]): void => {
  input.recovery = { ...input.recovery, standby: { ...input.recovery?.standby, ...change } };
};

function rename(input: EnvironmentInput, was: string, name: string): void {
  const { [was]: server, ...others } = input.servers;
  if (server === undefined) throw new Error(`there is no ${was}`);
  input.servers = { ...others, [name]: server };
  standby(input, { balancers: (input.recovery?.standby?.balancers ?? []).map((each) => (each === was ? name : each)) });
}

describe("what a change does to standbys", () => {
  it("says nothing where nothing of them changes", () => {
    expect(hazards(side(), side())).toEqual([]);
  });

  it("says that nothing switches any more", () => {
    expect(hazards(side(), side((input) => (input.recovery = { standby: { mode: "none" } })))).toEqual(["unprotected: nothing switches to standbys any more (recovery.standby.mode becomes none): a server that fails takes its services along."]);
  });

  it.each([
    ["address", { virtualAddress: "192.0.2.201" }, "192.0.2.201:8000"],
    ["port", { port: 8080 }, "192.0.2.200:8080"],
  ] as const)("says to whom another %s must be told", (_, change, now) => {
    // Port 80 is k3s' own.
    const before = side((input) => standby(input, { port: 8000 }));
    const after = side((input) => standby(input, { port: 8000, ...change }));
    expect(hazards(before, after)).toEqual([`interrupts: clients get no answer at \`192.0.2.200:8000\` any more; from then on it is \`${now}\`. Let names and firewalls follow in the same hour.`]);
  });

  it("says that the address is given up", () => {
    const [text] = hazards(side(), side((input) => standby(input, { mode: "kubernetes", switchWithinSeconds: 60, virtualAddress: undefined, balancers: undefined })));
    expect(text).toMatch(/^interrupts: the virtual address `192\.0\.2\.200` is given up \(recovery\.standby\.mode becomes `kubernetes`\)/);
  });

  it("says that the address moves where a balancer is one no more, and how long that takes", () => {
    const [text, ...others] = hazards(side(), side((input) => standby(input, { balancers: ["gpu-01", "gpu-02"] })));
    expect(others).toEqual([]);
    expect(text).toMatch(/^interrupts: `gpu-03` is a balancer no more: where it holds the virtual address `192\.0\.2\.200`, that moves within \d+(\.\d+)? s, and requests under way end in an error\.$/);
  });

  it("says nothing of a balancer that is renamed", () => {
    expect(hazards(side(), side((input) => rename(input, "gpu-03", "gpu-33")))).toEqual([]);
  });
});

describe("what a change does to backups", () => {
  it("says where older ones stay when they go elsewhere", () => {
    const before = side();
    const after = side((input) => {
      for (const name of ["gpu-02", "gpu-03"]) delete input.servers[name]?.tiers?.cold;
    });
    expect(hazards(before, after)).toEqual(["by-hand: backups of `gpu-01` go to its own cold tier from now on, the first one whole. Older ones stay in the cold tier of `gpu-02`: keep it until the new place has as many days as you need."]);
  });

  it("says what is not backed up any more", () => {
    const after = side((input) => (input.recovery = { ...input.recovery, backup: { enabled: false } }));
    expect(hazards(side(), after)).toEqual(["unprotected: `gpu-01` is not backed up any more (the cluster's data). What there is stays in the cold tier of `gpu-02`."]);
  });

  it("says that those of a server that leaves stay", () => {
    const before = side((input) => (input.training = { tuning: { launcher: "torchrun", servers: ["gpu-03"], gpusPerServer: 1, command: ["python3", "train.py"] } }));
    const after = side((input) => {
      delete input.servers["gpu-03"];
      standby(input, { balancers: ["gpu-01", "gpu-02"] });
    });
    expect(hazards(before, after)).toContain("by-hand: backups of `gpu-03` stay in the cold tier of `gpu-01`: nothing clears them away.");
  });

  it("says nothing of the place where the server that keeps them is renamed", () => {
    expect(hazards(side(), side((input) => rename(input, "gpu-02", "gpu-02b"))).filter((text) => text.includes("backups"))).toEqual([]);
  });
});
