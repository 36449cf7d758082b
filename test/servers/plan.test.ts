import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseEnvironment, type Environment, type EnvironmentInput } from "../../components/environment";
import { commandLine, planServer, type HostStep, type ServerPlan } from "../../components/servers/plan";
import { validEnvironment } from "../support/arbitraries";
import { hostKey } from "../support/environments";

function parsed(input: EnvironmentInput): Environment {
  const result = parseEnvironment(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.environment;
}

function environment(change: (input: EnvironmentInput) => void = () => undefined): Environment {
  const input: EnvironmentInput = {
    site: { name: "lab", internetAccess: true },
    ssh: { user: "ops", port: 2222, dialTimeoutSeconds: 30 },
    servers: {
      "gpu-01": {
        address: "192.0.2.11",
        hostKey: hostKey("gpu-01"),
        cpu: { model: "epyc-7543" },
        memoryGiB: 256,
        pcieGeneration: 4,
        gpus: { model: "a40", count: 2 },
        drives: {
          "nvme-A_1": { kind: "nvme", capacityGB: 3840 },
          "nvme-A_2": { kind: "nvme", capacityGB: 3840 },
          "ata-B_1": { kind: "hdd", capacityGB: 8000 },
        },
        tiers: { hot: { level: "raid0", drives: ["nvme-A_2", "nvme-A_1"], chunkKiB: 256 }, cold: { level: "single", drives: ["ata-B_1"], mount: "/data/archive" } },
      },
    },
  };
  change(input);
  return parsed(input);
}

function step(plan: ServerPlan, name: string): HostStep {
  const found = plan.steps.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no step ${name} among ${plan.steps.map((each) => each.name).join(", ")}`);
  return found;
}

/** Values of a flag, in order. */
function flag({ args }: HostStep, name: string): string[] {
  return args.flatMap((word, index) => (word === name ? [args[index + 1] ?? ""] : []));
}

describe("the plan of a server", () => {
  it("has its steps in the order in which they are done", () => {
    const plan = planServer(environment(), "gpu-01");
    expect(plan.steps.map(({ kind, name, script, dependsOn }) => ({ kind, name, script, dependsOn }))).toEqual([
      { kind: "base-environment", name: "gpu-01-base", script: "base-environment.sh", dependsOn: [] },
      { kind: "storage-tier", name: "gpu-01-hot", script: "storage-tier.sh", dependsOn: ["gpu-01-base"] },
      { kind: "storage-tier", name: "gpu-01-cold", script: "storage-tier.sh", dependsOn: ["gpu-01-base"] },
      { kind: "gpu-driver", name: "gpu-01-driver", script: "gpu-driver.sh", dependsOn: ["gpu-01-base"] },
      { kind: "monitoring", name: "gpu-01-monitoring", script: "monitoring.sh", dependsOn: ["gpu-01-base", "gpu-01-hot", "gpu-01-cold", "gpu-01-driver"] },
    ]);
  });

  it("keeps the order of an array's drives, which decides who mirrors whom", () => {
    expect(flag(step(planServer(environment(), "gpu-01"), "gpu-01-hot"), "--drive")).toEqual(["nvme-A_2", "nvme-A_1"]);
  });

  it("hands a tier's figures to the script", () => {
    expect(step(planServer(environment(), "gpu-01"), "gpu-01-hot").args).toEqual([
      "--tier", "hot", "--level", "raid0", "--chunk-kib", "256", "--data-drives", "2", "--mount", "/srv/hot", "--array-name", "gpu-01-hot", "--drive", "nvme-A_2", "--drive", "nvme-A_1",
    ]);
    expect(flag(step(planServer(environment(), "gpu-01"), "gpu-01-cold"), "--mount")).toEqual(["/data/archive"]);
  });

  it("reaches the server as the environment says, with the server's own port first", () => {
    expect(planServer(environment(), "gpu-01").connection).toEqual({ host: "192.0.2.11", port: 2222, user: "ops", hostKey: hostKey("gpu-01"), dialTimeoutSeconds: 30 });
    const own = environment((input) => {
      Object.assign(input.servers["gpu-01"] ?? {}, { port: 22022 });
      Object.assign(input.ssh ?? {}, { bastion: { address: "jump.example.org", port: 23, user: "jump", hostKey: hostKey("jump") } });
    });
    expect(planServer(own, "gpu-01").connection).toMatchObject({ port: 22022, bastion: { host: "jump.example.org", port: 23, user: "jump", hostKey: hostKey("jump") } });
  });

  it("has no driver step where there is no GPU", () => {
    const plan = planServer(environment((input) => delete input.servers["gpu-01"]?.gpus), "gpu-01");
    expect(plan.steps.map((each) => each.kind)).not.toContain("gpu-driver");
    expect(plan.packages.map((each) => each.name).filter((name) => name.includes("nvidia"))).toEqual([]);
  });

  it("uses the object store as the cold tier of servers that have no cold drives", () => {
    const store = { endpoint: "https://s3.example.org", bucket: "archive" };
    const without = environment((input) => Object.assign(input.site, { objectStore: store }));
    expect(planServer(without, "gpu-01").steps.map((each) => each.kind)).not.toContain("object-store");
    const plan = planServer(
      environment((input) => {
        Object.assign(input.site, { objectStore: store });
        delete input.servers["gpu-01"]?.tiers?.cold;
      }),
      "gpu-01",
    );
    expect(step(plan, "gpu-01-object-store").args).toEqual(["--endpoint", "https://s3.example.org", "--bucket", "archive", "--region", "us-east-1"]);
    expect(plan.packages).toContainEqual({ name: "rclone", hold: false });
  });

  it("fails for a server that is not in the environment, even one that every object has", () => {
    expect(() => planServer(environment(), "gpu-02")).toThrow("no server gpu-02");
    expect(() => planServer(environment(), "constructor")).toThrow("no server constructor");
  });
});

describe("a host key of type ssh-rsa", () => {
  it("is a problem, the bastion's too, for the provider cannot agree with a current OpenSSH on it", () => {
    const from = environment();
    expect(planServer(from, "gpu-01").problems).toEqual([]);
    const server = from.servers["gpu-01"];
    if (server === undefined) throw new Error("no server");
    server.hostKey = "ssh-rsa AAAA";
    from.ssh.bastion = { address: "192.0.2.1", port: 22, user: "jump", hostKey: "ssh-rsa AAAA" };
    expect(planServer(from, "gpu-01").problems).toEqual([expect.stringMatching(/^the server's host key is of type ssh-rsa.*ssh-ed25519/), expect.stringMatching(/^the bastion's host key/)]);
  });
});

describe("a step's command line", () => {
  it("runs as root by password-less sudo, and without sudo where the login is root", () => {
    const plan = planServer(environment(), "gpu-01");
    const driver = step(plan, "gpu-01-driver");
    expect(commandLine(driver, "apply", "ops")).toMatch(/^sudo -n bash \.rackwright\/scripts\/gpu-driver\.sh apply --step gpu-01-driver --revision [0-9a-f]{12} --branch 580 /);
    expect(commandLine(driver, "check", "root")).toMatch(/^bash \.rackwright\/scripts\/gpu-driver\.sh check --step /);
    expect(commandLine(driver, "apply", "root")).toContain("--gpu-name 'NVIDIA A40'");
  });

  it("is the same for check and apply but for the verb", () => {
    for (const each of planServer(environment(), "gpu-01").steps) {
      expect(commandLine(each, "check", "ops").replace(" check ", " apply ")).toBe(commandLine(each, "apply", "ops"));
    }
  });
});

describe("the planner, for any environment", () => {
  const plans = (from: Environment): Record<string, ServerPlan> => Object.fromEntries(Object.keys(from.servers).map((name) => [name, planServer(from, name)]));

  it("gives the same plan each time, and it is plain data", () => {
    fc.assert(
      fc.property(validEnvironment, (input) => {
        const from = parsed(input);
        const plan = plans(from);
        expect(plans(structuredClone(from))).toEqual(plan);
        expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
      }),
    );
  });

  it("does not change a server's plan when servers are reordered", () => {
    fc.assert(
      fc.property(validEnvironment, (input) => {
        const from = parsed(input);
        const after = plans({ ...from, servers: Object.fromEntries(Object.entries(from.servers).reverse()) });
        for (const [name, plan] of Object.entries(plans(from))) expect(after[name]).toEqual(plan);
      }),
    );
  });

  it("changes only what a server measures when one is appended, for its measurements go to the new one too", () => {
    fc.assert(
      fc.property(validEnvironment, (input) => {
        const from = parsed(input);
        const names = Object.keys(from.servers);
        const template = from.servers[names[0] ?? ""];
        if (template === undefined) throw new Error("an environment without servers");
        const extra = { ...template, address: "203.0.113.200", tiers: {}, drives: {} };
        const servers = Object.fromEntries([["server-new", extra] as const, ...Object.entries(from.servers).reverse()]);
        const after = plans({ ...from, servers });
        const others = (plan: ServerPlan | undefined): HostStep[] => plan?.steps.filter(({ kind }) => kind !== "monitoring") ?? [];
        for (const name of names) expect(others(after[name])).toEqual(others(plans(from)[name]));
      }),
    );
  });

  it("puts each drive of a tier into exactly one step, and no other drive into any", () => {
    fc.assert(
      fc.property(validEnvironment, (input) => {
        const from = parsed(input);
        for (const [name, server] of Object.entries(from.servers)) {
          const wanted = Object.values(server.tiers).flatMap((tier) => tier.drives);
          const given = planServer(from, name).steps.filter(({ kind }) => kind === "storage-tier").flatMap((each) => flag(each, "--drive"));
          expect([...given].sort()).toEqual([...wanted].sort());
          expect(new Set(given).size).toBe(given.length);
        }
      }),
    );
  });

  it("names steps by server and part, each once, and lets them wait only for steps that exist", () => {
    fc.assert(
      fc.property(validEnvironment, (input) => {
        const from = parsed(input);
        const steps = Object.keys(from.servers).flatMap((name) => planServer(from, name).steps);
        const names = steps.map((each) => each.name);
        expect(new Set(names).size).toBe(names.length);
        for (const each of steps) for (const other of each.dependsOn) expect(names.indexOf(other)).toBeLessThan(names.indexOf(each.name));
      }),
    );
  });
});
