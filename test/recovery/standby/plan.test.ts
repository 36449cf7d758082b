import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderStandby } from "../../../cli/render/recovery";
import { parseEnvironment, type EnvironmentInput } from "../../../components/environment";
import { planWorkloads } from "../../../components/inference";
import { nodePorts } from "../../../components/recovery/standby/node-ports";
import { planStandby } from "../../../components/recovery/standby/plan";
import { planSite } from "../../../components/site/plan";
import { generatedEnvironment } from "../../support/environments";
import { plainPaper } from "../../support/paper";
import { balancersOf, bare, planOf, shipped } from "./environments";

type StandbyInput = NonNullable<NonNullable<EnvironmentInput["recovery"]>["standby"]>;
const standby = (change: StandbyInput) => (input: EnvironmentInput): void => {
  input.recovery = { ...input.recovery, standby: { ...input.recovery?.standby, ...change } };
};

describe("the balancers", () => {
  it("are servers without GPUs first, on two racks where they can be", () => {
    expect(balancersOf(shipped("sme-production")).balancers).toEqual([
      { server: "store-01", address: "10.20.0.21", priority: 150, witnesses: ["10.20.0.11", "10.20.0.12"] },
      { server: "gpu-01", address: "10.20.0.11", priority: 130, witnesses: ["10.20.0.21", "10.20.0.12"] },
    ]);
    const large = shipped("large-cluster");
    const [first, second] = balancersOf(large).balancers;
    expect([first?.server, second?.server].every((name) => name?.startsWith("ctrl-"))).toBe(true);
    expect(large.servers[first?.server ?? ""]?.rack?.name).not.toBe(large.servers[second?.server ?? ""]?.rack?.name);
  });

  it("are those that the environment names, in its order", () => {
    const named = balancersOf(shipped("sme-production", standby({ balancers: ["gpu-02", "store-01", "gpu-01"] })));
    expect(named.balancers.map(({ server, priority }) => [server, priority])).toEqual([["gpu-02", 150], ["store-01", 130], ["gpu-01", 110]]);
  });

  it("of two servers have no witness, for one that failed would look like a network that did", () => {
    const plan = planOf(bare(2));
    expect(plan.balancer?.balancers.map(({ witnesses }) => witnesses)).toEqual([[], []]);
    expect(plan.notes.join()).toContain("both hold the address");
    expect(planOf(bare(3)).balancer?.balancers.every(({ witnesses }) => witnesses.length === 2)).toBe(true);
    expect(planOf(bare(3)).notes.join()).not.toContain("both hold");
  });

  it("of two servers ask what else the environment names, the other server as well: either one says that the network works", () => {
    const plan = planOf(bare(2, standby({ witnesses: ["10.100.0.254"] })));
    const [first, second] = plan.balancer?.balancers ?? [];
    expect(first?.witnesses).toEqual(["10.100.0.254", second?.address]);
    expect(second?.witnesses).toEqual(["10.100.0.254", first?.address]);
    expect(plan.notes.join()).not.toContain("both hold");
    expect(planOf(bare(9, standby({ witnesses: ["10.100.0.254"] }))).balancer?.balancers.every(({ witnesses }) => witnesses.length === 4 && witnesses[0] === "10.100.0.254")).toBe(true);
  });

  it.each([
    ["router.example", "is a name, and balancers ask it without asking DNS"],
    ["10.100.0.250", "is the virtual address, which moves with what it should bear witness to"],
    [bare(2).servers["gpu-0002"]?.address ?? "", "is the address of gpu-0002: other servers are asked anyway"],
  ])("refuse %s as a witness: it %s", (witness, message) => {
    expect(planOf(bare(2, standby({ witnesses: ["10.100.0.254", witness] }))).findings).toEqual([expect.objectContaining({ keys: ["recovery", "standby", "witnesses", "1"], value: witness, message })]);
  });

  it("say that nothing authenticates VRRP", () => {
    expect(planOf(shipped("sme-production")).notes[0]).toMatch(/not authenticated/);
  });
});

describe("what is balanced", () => {
  it("is each service that a second server could answer for, active replicas first", () => {
    const { services } = balancersOf(shipped("sme-production"));
    expect(services.map(({ name, hosts, healthPath, publicPaths }) => ({ name, hosts, healthPath, publicPaths }))).toEqual([{ name: "assistant", hosts: ["assistant"], healthPath: "/health", publicPaths: ["/v1"] }]);
    expect(services[0]?.targets.map(({ name, address, role }) => ({ name, address, role }))).toEqual([
      { name: "assistant-gpu-01", address: "10.20.0.11", role: "active" },
      { name: "assistant-gpu-02-standby", address: "10.20.0.12", role: "standby" },
    ]);
  });

  it("is asked for by the service's hostname, in whatever case", () => {
    const named = shipped("sme-production", (input) => Object.assign(input.services?.["assistant"] ?? {}, { hostname: "Assistant.corp.example" }));
    expect(balancersOf(named).services[0]?.hosts).toEqual(["assistant.corp.example"]);
  });

  it("is the environment's units where there is no cluster", () => {
    expect(balancersOf(bare(3)).services).toEqual([
      {
        name: "answers", hosts: ["answers"], healthPath: "/health", publicPaths: [], silenceSeconds: 600,
        targets: [
          { name: "gpu-0001", server: "gpu-0001", address: "10.100.0.1", port: 8000, role: "active", weight: 1 },
          { name: "gpu-0002", server: "gpu-0002", address: "10.100.0.2", port: 8000, role: "standby", weight: 1 },
        ],
      },
    ]);
  });
});

describe("node ports", () => {
  const named = (names: readonly string[]) => [{ workloads: names.map((name) => ({ name })) }] as unknown as Parameters<typeof nodePorts>[0];
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/), { minLength: 1, maxLength: 300 });

  it("are one for each workload, in Kubernetes' range, whatever the order", () => {
    fc.assert(fc.property(names, (list) => {
      const ports = nodePorts(named(list));
      expect(new Set(ports.values()).size).toBe(list.length);
      for (const port of ports.values()) expect(port >= 30000 && port <= 32767).toBe(true);
      expect(nodePorts(named([...list].reverse()))).toEqual(ports);
    }));
  });

  it("stay when a workload comes whose own port is free", () => {
    const before = nodePorts(named(["assistant-gpu-01", "assistant-gpu-02-standby"]));
    const after = nodePorts(named(["assistant-gpu-01", "another-gpu-01", "assistant-gpu-02-standby"]));
    for (const [name, port] of before) expect(after.get(name)).toBe(port);
  });

  it("fill the range without two alike, and no further", () => {
    const list = Array.from({ length: 2768 }, (_, index) => `w-${index}`);
    expect(new Set(nodePorts(named(list)).values()).size).toBe(2768);
    expect(() => nodePorts(named([...list, "one-more"]))).toThrow("2769 workloads");
  });
});

describe("the budget", () => {
  it("adds up what each failure takes at worst, of the very settings", () => {
    const { budget } = planOf(shipped("sme-production"));
    expect(Object.fromEntries(budget.map(({ failure, seconds }) => [failure, seconds]))).toEqual({
      // 1 s to the next check, 0.5 s to the second; then two attempts to connect with a second between.
      "engine-process": 2.5,
      // Both checks wait for a second.
      "engine-hang": 4.5,
      // So do both attempts.
      "node-crash": 6.5,
      "network-cut": 6.5,
      // Three seconds, (256 - 130) / 256 of one, and the next opening packet of a client after seven.
      "balancer-node": 7,
      "balancer-process": 3.492,
    });
    for (const { lines, seconds } of budget) expect(lines.reduce((sum, line) => sum + line.seconds, 0)).toBeCloseTo(seconds, 6);
  });

  it("of Kubernetes alone is longer than that of balancers, and within thirty seconds on k3s", () => {
    const { budget, findings } = planOf(shipped("sme-production", (input) => (input.recovery = { ...input.recovery, standby: { mode: "kubernetes" } })));
    expect(Object.fromEntries(budget.map(({ failure, seconds }) => [failure, seconds]))).toEqual({ "engine-process": 5, "engine-hang": 23, "node-crash": 25, "network-cut": 25 });
    expect(findings).toEqual([]);
  });

  it("refuses an environment that could take longer than it allows, with the lines", () => {
    const impatient = shipped("sme-production", standby({ switchWithinSeconds: 5 }));
    const { findings } = planOf(impatient);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ keys: ["recovery", "standby", "switchWithinSeconds"], value: 5, fix: "Write 7 or more." });
    expect(findings[0]?.message).toMatch(/a balancer that crashes or is cut off may take, 7 s: detect 3 s \(.*\), decide 0\.492 s \(.*\), move 0 s \(.*\), retry 3\.508 s/);
    expect(planSite(impatient).findings).toEqual(findings);
    expect(planOf(shipped("sme-production", standby({ switchWithinSeconds: 7 }))).findings).toEqual([]);
  });

  it("of an existing cluster has Kubernetes' own fifty seconds, which are too many", () => {
    const existing = shipped("sme-production", (input) => {
      input.cluster = { distribution: "existing" };
      input.recovery = { ...input.recovery, standby: { mode: "kubernetes" } };
    });
    const { findings } = planOf(existing);
    expect(findings[0]?.message).toMatch(/a server that crashes may take, 58 s: .*Kubernetes' defaults/);
    expect(findings[0]?.fix).toMatch(/keepalived/);
  });

  it("is none where nothing stands by", () => {
    const environment = shipped("dev-test");
    expect(planStandby(environment, planWorkloads(environment))).toBeUndefined();
  });
});

describe("what cannot work", () => {
  const found = (environment: ReturnType<typeof bare>) => planOf(environment).findings.map(({ keys, message }) => `${keys.join(".")} ${message}`);

  it.each<[string, () => ReturnType<typeof bare>, RegExp]>([
    ["a name in place of an address", () => bare(3, standby({ virtualAddress: "services.example.org" })), /^recovery\.standby\.virtualAddress is a name/],
    ["an address of another IP version", () => bare(3, standby({ virtualAddress: "fd00::50" })), /another IP version than the address of the balancer gpu-0001, 10\.100\.0\.1$/],
    ["a balancer with a name", () => bare(3, (input) => Object.assign(input.servers["gpu-0001"] ?? {}, { address: "gpu-0001.example.org" })), /^servers\.gpu-0001\.address is a name, but the server is a balancer/],
    ["a replica's server with a name", () => bare(4, (input) => {
      Object.assign(input.servers["gpu-0001"] ?? {}, { address: "gpu-0001.example.org" });
      standby({ balancers: ["gpu-0003", "gpu-0004"] })(input);
    }), /^servers\.gpu-0001\.address is a name, but balancers reach replicas there/],
    ["a port that k3s takes", () => shipped("sme-production", standby({ port: 80 })), /^recovery\.standby\.port is taken by k3s/],
    ["a port among the node ports", () => shipped("sme-production", standby({ port: 30000 })), /^recovery\.standby\.port is taken by k3s/],
    ["the unit's own port on a balancer", () => bare(3, standby({ port: 8000 })), /^recovery\.standby\.port is the port of answers/],
    ["no unit without a cluster", () => bare(3, standby({ units: {} })), /^recovery\.standby\.units names nothing/],
    ["one name for two units", () => bare(3, standby({ units: { a: { port: 1, servers: ["gpu-0001"], standbyServers: ["gpu-0002"], hostname: "A.example" }, b: { port: 2, servers: ["gpu-0001"], standbyServers: ["gpu-0002"], hostname: "a.example" } } })), /^recovery\.standby\.units\.b\.hostname is how clients ask for a as well/],
  ])("%s", (_, make, expected) => {
    expect(found(make()).filter((text) => expected.test(text))).toHaveLength(1);
  });

  it.each<[string, StandbyInput, string, RegExp]>([
    ["an unknown balancer", { balancers: ["gpu-0001", "gpu-0009"] }, "recovery.standby.balancers[1]", /is not a server/],
    ["a balancer twice", { balancers: ["gpu-0001", "gpu-0001"] }, "recovery.standby.balancers[1]", /named twice/],
    ["one balancer", { balancers: ["gpu-0001"] }, "recovery.standby.balancers", />=2|at least 2|too small/i],
    ["balancers without keepalived", { mode: "none", balancers: ["gpu-0001", "gpu-0002"], units: {} }, "recovery.standby.balancers", /the mode is none/],
    ["units without keepalived", { mode: "none" }, "recovery.standby.units", /the mode is none/],
    ["a unit on an unknown server", { units: { a: { port: 1, servers: ["gpu-0001"], standbyServers: ["nowhere"] } } }, "recovery.standby.units.a.standbyServers[0]", /is not a server/],
    ["a standby beside the active one", { units: { a: { port: 1, servers: ["gpu-0001"], standbyServers: ["gpu-0001"] } } }, "recovery.standby.units.a.standbyServers[0]", /what fails with the active one/],
  ])("%s is found with the file", (_, change, path, message) => {
    const input = generatedEnvironment(3);
    input.recovery = { standby: { mode: "keepalived", virtualAddress: "10.100.0.250", units: { answers: { port: 8000, servers: ["gpu-0001"], standbyServers: ["gpu-0002"] } } } };
    standby(change)(input);
    const parsed = parseEnvironment(input);
    if (parsed.ok) throw new Error("nothing was found");
    expect(parsed.problems.map((problem) => problem.path)).toContain(path);
    expect(parsed.problems.find((problem) => problem.path === path)?.message).toMatch(message);
  });

  it("is a cluster's environment with units", () => {
    expect(() => shipped("sme-production", standby({ units: { a: { port: 1, servers: ["gpu-01"], standbyServers: ["gpu-02"] } } }))).toThrow("are for sites without a cluster");
  });

  it("is nothing in the shipped environments", () => {
    for (const name of ["sme-production", "large-cluster"]) expect(planOf(shipped(name)).findings, name).toEqual([]);
  });
});

describe("the plan as text", () => {
  it("names who switches, where to, and how long each failure takes", () => {
    const text = renderStandby(planOf(shipped("sme-production")), plainPaper);
    expect(text).toMatch(/^ {2}standby {2}keepalived: HAProxy on store-01 and gpu-01, at 10\.20\.0\.50 port 8080;\n {4}within 30 s\n {4}assistant: gpu-01, gpu-02 as standby\n/);
    expect(text).toMatch(/a server that crashes: 6\.5 s at worst\n +detect +3\.5 s .*\n.*\n +retry +3 s/);
  });

  it("says nothing where nothing stands by", () => expect(renderStandby(undefined, plainPaper)).toBe(""));
});
