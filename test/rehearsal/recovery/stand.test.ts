import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { haproxyConfig } from "../../../components/recovery/standby/haproxy";
import { configurations } from "../../../rehearsal/recovery/balancer-host";
import { rehearseFaults } from "../../../rehearsal/recovery/faults";
import { readScenario, scenarioNames } from "../../../rehearsal/recovery/scenarios";
import { balancersOf, bare, shipped } from "../../recovery/standby/environments";
import { full } from "../../support/full";

const hasNamespaces = process.getuid?.() === 0 && spawnSync("ip", ["netns", "list"]).status === 0;
if (!hasNamespaces) process.stderr.write("no network namespaces here (they take root): the balancers were not run\n");

/** Namespaces of this process, as `ip` names them. */
const ownNamespaces = (): string[] => spawnSync("ip", ["netns", "list"], { encoding: "utf8" }).stdout.split("\n").filter((line) => line.startsWith(`rackwright-${process.pid}-`));

describe("the configuration of a rehearsal", () => {
  it("is the generated one but for places of this machine, and for the user, whose change would let HAProxy outlive a killed rehearsal", () => {
    const plan = balancersOf(bare(3));
    const [own] = plan.balancers;
    if (own === undefined) throw new Error("no balancer");
    const generated = haproxyConfig(plan).split("\n");
    const rehearsed = configurations({ plan, own, folder: "/tmp/folder", healthScript: "/tmp/health.sh" }).haproxy.split("\n");
    expect(generated.filter((line) => !rehearsed.includes(line))).toEqual(["  stats socket /run/haproxy/admin.sock mode 660 level admin", "  user haproxy", "  group haproxy"]);
    expect(rehearsed.filter((line) => !generated.includes(line))).toEqual(["  stats socket /tmp/folder/admin.sock mode 660 level admin"]);
  });
});

describe.skipIf(!hasNamespaces)("the real HAProxy and keepalived with the generated configuration", () => {
  const rehearse = (environment: ReturnType<typeof bare>, names: readonly string[], signal?: AbortSignal) =>
    rehearseFaults(environment, { name: "site", workDir: "", scenarios: names.map(readScenario), runs: 1, onProgress: () => undefined, ...(signal === undefined ? {} : { signal }) });

  it("switch to the standby, and the address to the other balancer, within the limit", async () => {
    const report = await rehearse(bare(3), full ? scenarioNames() : ["network-cut-both-ways", "two-in-a-row"]);
    expect(report.runs.flatMap(({ problems }) => problems)).toEqual([]);
    expect(report.ok).toBe(true);
    for (const { clients, address } of report.runs) {
      expect(clients.requests).toBeGreaterThan(50);
      expect(address.samples).toBeGreaterThan(50);
    }
    expect(ownNamespaces()).toEqual([]);
  }, full ? 300_000 : 90_000);

  it("never hold the address twice on two servers with a witness, whoever is cut off", async () => {
    const two = bare(2, (input) => Object.assign(input.recovery?.standby ?? {}, { witnesses: ["10.100.0.254"] }));
    const report = await rehearse(two, ["balancer-network-cut"]);
    expect(report.runs.map(({ problems, address }) => ({ problems, double: address.double }))).toEqual([{ problems: [], double: 0 }]);
  }, 90_000);

  it("leave nothing behind when the rehearsal is stopped", async () => {
    const stop = new AbortController();
    const running = rehearse(bare(2), ["engine-dies"], stop.signal);
    const deadline = Date.now() + 30_000;
    while (ownNamespaces().length === 0 && Date.now() < deadline) await new Promise((wait) => setTimeout(wait, 50));
    stop.abort();
    await expect(running).rejects.toThrow("stopped");
    expect(ownNamespaces()).toEqual([]);
  });

  it("say what keeps them from being rehearsed", async () => {
    await expect(rehearse(shipped("dev-test"), ["engine-dies"])).rejects.toThrow("recovery.standby.mode is none");
    const six = bare(3, (input) => {
      Object.assign(input.recovery?.standby ?? {}, { virtualAddress: "fd00::50" });
      for (const [index, server] of Object.values(input.servers).entries()) server.address = `fd00::${index + 1}`;
    });
    await expect(rehearse(six, ["engine-dies"])).rejects.toThrow("needs IPv4 addresses");
  });
});
