import { describe, expect, it } from "vitest";
import { formatProblems, parseEnvironment, type EnvironmentInput, type Problem } from "../../components/environment";
import { generatedEnvironment, hostKey } from "../support/environments";

type ServerInput = EnvironmentInput["servers"][string];

/** Two well-formed servers, changed by the test. */
function environment(change: (input: EnvironmentInput, first: ServerInput, second: ServerInput) => void): unknown {
  const input = generatedEnvironment(2);
  const [first, second] = Object.values(input.servers);
  if (first === undefined || second === undefined) throw new Error("two servers were asked for");
  change(input, first, second);
  return input;
}

function problems(input: unknown): Problem[] {
  const parsed = parseEnvironment(input);
  return parsed.ok ? [] : parsed.problems;
}

const containing = (text: string): unknown => expect.stringContaining(text);

/** The one problem that a change causes. */
function problem(change: (input: EnvironmentInput, first: ServerInput, second: ServerInput) => void): Problem {
  const found = problems(environment(change));
  expect(found.map(({ path }) => path)).toHaveLength(1);
  return found[0] ?? { path: "", message: "" };
}

const accepted = (change: (input: EnvironmentInput, first: ServerInput, second: ServerInput) => void): Problem[] => problems(environment(change));

const hot = { level: "raid0", drives: ["nvme-A_1", "nvme-A_2"] } as const;
const nvme = (...ids: string[]): ServerInput["drives"] => Object.fromEntries(ids.map((id) => [id, { kind: "nvme", capacityGB: 1000 }]));

describe("parseEnvironment", () => {
  it("fills in defaults", () => {
    const parsed = parseEnvironment({ site: { name: "a" }, servers: { s: { address: "192.0.2.1", hostKey: hostKey("s"), cpu: { model: "epyc-7543" }, memoryGiB: 64, pcieGeneration: 4 } } });
    expect(parsed).toMatchObject({
      ok: true,
      environment: {
        ssh: { user: "root", port: 22 },
        software: { driver: { branch: "580", source: "nvidia" }, cudaToolkit: "none" },
        servers: { s: { cpu: { sockets: 1 }, tiers: {}, drives: {}, roles: ["worker"] } },
        monitoring: { alerts: { gpuUtilizationPercent: 15, memoryFragmentationPercent: 30, networkLatencyMilliseconds: 5 } },
        recovery: { checkpoints: { everySteps: 1000 }, standby: { switchWithinSeconds: 30 } },
      },
    });
  });

  it("reports every problem at once, those between parts too", () => {
    const found = problems(environment((input, first, second) => {
      input.site.currency = "yuan";
      Object.assign(first, { memoryGib: 1 });
      second.address = "192.0.2.300";
      input.cluster = { distribution: "k3s", controlPlane: ["gpu-0003"] };
      input.services = { chat: { model: "qwen2.5-7" } };
      input.training = { job: { servers: ["gpu-9"], command: ["x"] } };
    }));
    expect(found.map(({ path }) => path).sort()).toEqual([
      "cluster.controlPlane[0]", "servers.gpu-0001.memoryGib", "servers.gpu-0002.address", "services.chat.model", "site.currency", "training.job.servers[0]",
    ]);
  });

  it("does not call a server unknown because another of its fields is wrong", () => {
    const found = problems(environment((input, first) => {
      first.memoryGiB = -1;
      first.roles = ["worker", "control-plane"];
      input.cluster = { distribution: "k3s", controlPlane: ["gpu-0001"] };
    }));
    expect(found.map(({ path }) => path)).toEqual(["servers.gpu-0001.memoryGiB"]);
  });

  it("names path, value, what is allowed and what to do", () => {
    expect(problem((_, first) => Object.assign(first.gpus ?? {}, { count: 99 }))).toEqual({ path: "servers.gpu-0001.gpus.count", message: "is too large", value: 99, allowed: "a whole number from 1 to 16" });
    expect(problem((_, first) => Object.assign(first, { pcieGeneration: "4" }))).toMatchObject({ path: "servers.gpu-0001.pcieGeneration", value: "4", allowed: "3, 4, 5", fix: "Remove the quotes." });
    expect(problem((input) => Object.assign(input, { software: { driver: { branch: 580 } } }))).toMatchObject({ path: "software.driver.branch", value: 580, fix: "Put it in quotes." });
  });

  it.each([
    ["a key", (input: EnvironmentInput) => Object.assign(input, { sevrices: {} }), "sevrices", "Did you mean services?"],
    ["a choice", (_: EnvironmentInput, first: ServerInput) => Object.assign(first.tiers?.hot ?? {}, { level: "riad0" }), "servers.gpu-0001.tiers.hot.level", "Did you mean raid0?"],
    ["a GPU", (_: EnvironmentInput, first: ServerInput) => Object.assign(first.gpus ?? {}, { model: "a100-80gb-pcei" }), "servers.gpu-0001.gpus.model", "Did you mean a100-80gb-pcie?"],
    ["a CPU", (_: EnvironmentInput, first: ServerInput) => Object.assign(first.cpu, { model: "epyc-7534" }), "servers.gpu-0001.cpu.model", "Did you mean epyc-7543?"],
    ["a model", (input: EnvironmentInput) => Object.assign(input, { cluster: { distribution: "existing" }, services: { a: { model: "llama3.1-70b" } } }), "services.a.model", "Did you mean llama-3.1-70b?"],
    ["an accelerator", (input: EnvironmentInput) => Object.assign(input, { cluster: { distribution: "existing" }, services: { a: { model: "phi-4", accelerators: ["cpuu"] } } }), "services.a.accelerators[0]", "Did you mean cpu?"],
    ["a server", (input: EnvironmentInput) => Object.assign(input, { training: { t: { servers: ["gpu-00001"], command: ["x"] } } }), "training.t.servers[0]", "Did you mean gpu-0001?"],
  ])("suggests the nearest name for %s", (_what, change, path, fix) => {
    expect(problem(change)).toMatchObject({ path, fix });
  });

  it("has no suggestion where nothing is near", () => {
    expect(problem((_, first) => Object.assign(first.gpus ?? {}, { model: "voodoo2" })).fix).toBe("Add it to components/catalog/gpus.ts with its source.");
  });

  it("names required keys that are missing, and keys left empty", () => {
    expect(problem((_, first) => Reflect.deleteProperty(first, "address"))).toMatchObject({ path: "servers.gpu-0001.address", message: "is required" });
    expect(problem((_, first) => Object.assign(first, { nics: null }))).toMatchObject({ path: "servers.gpu-0001.nics", message: "is empty" });
    expect(problems(undefined)).toMatchObject([{ path: "environment", message: "is required" }]);
  });

  it("never shows a secret", () => {
    const text = formatProblems("f", problems(environment((input) => {
      input.ssh = { user: "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2" };
      Object.assign(input.site, { password: "hunter2", secure: "hunter2", mirror: { apt: "https://me:hunter2@mirror.example.org" } });
    })));
    expect(text).toContain("ssh.user must be a login name, got secret");
    expect(text).toContain("site.mirror.apt must not contain a user name or a password, got secret");
    expect(text).toContain("site.secure is a secret inside the environment");
    expect(text).not.toContain("hunter2");
  });
});

describe("drives and tiers", () => {
  it.each([
    ["single", 1, [2]], ["raid0", 2, [1]], ["raid1", 2, [1]], ["raid5", 3, [2]], ["raid6", 4, [3]], ["raid10", 4, [2, 3, 5]],
  ] as const)("%s takes %i drives, and not %j", (level, right, wrong) => {
    const withDrives = (count: number) => (_: EnvironmentInput, first: ServerInput): void => {
      const ids = Array.from({ length: count }, (_unused, index) => `nvme-A_${index}`);
      Object.assign(first, { drives: nvme(...ids), tiers: { hot: { level, drives: ids } } });
    };
    expect(accepted(withDrives(right))).toEqual([]);
    for (const count of wrong) expect(problem(withDrives(count))).toMatchObject({ path: "servers.gpu-0001.tiers.hot.drives", message: containing(`has ${count}, but ${level} takes`) });
  });

  it("refuses a tier's drive that the server does not have, with the nearest that it has", () => {
    expect(problem((_, first) => Object.assign(first, { drives: nvme("nvme-A_1", "nvme-A_2"), tiers: { hot: { ...hot, drives: ["nvme-A_1", "nvme-A_22"] } } }))).toMatchObject({
      path: "servers.gpu-0001.tiers.hot.drives[1]", message: "is not among the server's drives", value: "nvme-A_22", fix: "Did you mean nvme-A_2?",
    });
  });

  it("refuses names that every object has, such as constructor, as drives", () => {
    expect(problem((_, first) => Object.assign(first, { drives: nvme("nvme-A_1"), tiers: { hot: { level: "raid0", drives: ["nvme-A_1", "constructor"] } } })).path).toBe("servers.gpu-0001.tiers.hot.drives[1]");
  });

  it("refuses a drive in two tiers, and twice in one", () => {
    const drives = nvme("nvme-A_1", "nvme-A_2", "nvme-A_3");
    expect(problem((_, first) => Object.assign(first, { drives, tiers: { hot, warm: { level: "raid1", drives: ["nvme-A_3", "nvme-A_2"] } } }))).toMatchObject({ path: "servers.gpu-0001.tiers.warm.drives[1]", message: "is already in the hot tier" });
    expect(problem((_, first) => Object.assign(first, { drives, tiers: { hot: { level: "raid0", drives: ["nvme-A_1", "nvme-A_1"] } } }))).toMatchObject({ path: "servers.gpu-0001.tiers.hot.drives[1]", message: "is named twice in this tier" });
  });

  it("refuses one drive in two servers", () => {
    expect(problem((_, first, second) => {
      Object.assign(first, { drives: nvme("nvme-A_1"), tiers: {} });
      Object.assign(second, { drives: nvme("nvme-A_1"), tiers: {} });
    })).toMatchObject({ path: "servers.gpu-0002.drives.nvme-A_1", message: "is also a drive of gpu-0001" });
  });

  it.each([
    ["kernel names are no ids", "/dev/nvme0n1"], ["partitions are no drives", "nvme-A_1-part1"], ["no path", "../sda"],
  ])("%s", (_why, id) => {
    expect(problem((_, first) => Object.assign(first, { drives: nvme(id), tiers: {} })).path).toContain("servers.gpu-0001.drives");
  });

  it("keeps mounts apart, also from a default, and away from the system", () => {
    const mounts = (hotMount: string | undefined, warmMount: string | undefined) => (_: EnvironmentInput, first: ServerInput): void => {
      Object.assign(first, { drives: nvme("nvme-A_1", "nvme-A_2", "nvme-A_3"), tiers: { hot: { ...hot, mount: hotMount }, warm: { level: "single", drives: ["nvme-A_3"], mount: warmMount } } });
    };
    const warm = "servers.gpu-0001.tiers.warm.mount";
    expect(accepted(mounts("/data/models", "/data/state"))).toEqual([]);
    expect(problem(mounts("/data", "/data"))).toMatchObject({ path: warm, message: "is the same as the mount of the hot tier" });
    expect(problem(mounts(undefined, "/srv/hot"))).toMatchObject({ path: warm });
    expect(problem(mounts("/data", "/data/warm"))).toMatchObject({ path: warm, message: "and the mount of the hot tier, /data, lie one in the other" });
    expect(accepted(mounts("/data", "/database"))).toEqual([]);
    for (const mount of ["/etc", "/usr/lib", "/home", "/var/lib", "/boot/efi"]) expect(problem(mounts(undefined, mount))).toMatchObject({ path: warm, message: "would hide a folder of the system" });
    for (const mount of ["relative", "/a/../etc", "//a", "/a//b", "/a/./b", "/a b", "/a$b"]) expect(problem(mounts(undefined, mount)).path).toBe(warm);
  });
});

describe("hardware that fits together", () => {
  const gpus = (model: string, count: number, rest: object = {}) => (_: EnvironmentInput, first: ServerInput): void => void Object.assign(first, { gpus: { model, count, ...rest } });

  it.each([
    ["rtx-4090", 2, "none"], ["a40", 2, "bridge"], ["a40", 3, "none"], ["h100-80gb-sxm5", 8, "nvswitch"], ["h200-nvl", 4, "bridge"],
  ])("accepts %s x %i with NVLink %s", (model, count, nvlink) => {
    expect(accepted(gpus(model, count, { nvlink }))).toEqual([]);
  });

  it.each([
    ["rtx-4090", 2, "bridge", "nvlink", "has no NVLink"],
    ["a100-80gb-pcie", 4, "nvswitch", "nvlink", "is a PCIe card"],
    ["h100-80gb-sxm5", 8, "bridge", "nvlink", "sits on a board with NVLink of its own"],
    ["h100-80gb-sxm5", 8, "none", "nvlink", "have NVSwitch"],
    ["a40", 3, "bridge", "count", "bridges join cards in pairs"],
  ])("refuses %s x %i with NVLink %s", (model, count, nvlink, key, message) => {
    expect(problem(gpus(model, count, { nvlink }))).toMatchObject({ path: `servers.gpu-0001.gpus.${key}`, message: containing(message) });
  });

  it("takes MIG profiles of the card only", () => {
    expect(accepted(gpus("a100-80gb-pcie", 2, { mig: "1g.10gb+me" }))).toEqual([]);
    expect(problem(gpus("a100-80gb-pcie", 2, { mig: "1g.5gb" }))).toMatchObject({ path: "servers.gpu-0001.gpus.mig", allowed: containing("1g.10gb") });
    expect(problem(gpus("a40", 2, { mig: "1g.10gb" })).message).toBe("cannot be: NVIDIA A40 has no MIG");
  });

  it("refuses more sockets than the CPU works in", () => {
    expect(accepted((_, first) => (first.cpu.sockets = 2))).toEqual([]);
    expect(problem((_, first) => (first.cpu.sockets = 4))).toMatchObject({ path: "servers.gpu-0001.cpu.sockets", allowed: "1 to 2" });
  });

  it("refuses Ubuntu's driver packages on Debian", () => {
    expect(problem((input) => (input.software = { os: "debian-12", driver: { source: "ubuntu" } })).path).toBe("software.driver.source");
  });
});

describe("the room", () => {
  it("refuses one address and port for two servers, and accepts one address with two ports", () => {
    const same = (port: number | undefined) => (_: EnvironmentInput, first: ServerInput, second: ServerInput): void => void Object.assign(second, { address: first.address, port });
    expect(problem(same(undefined))).toMatchObject({ path: "servers.gpu-0002.address", message: "and port are those of gpu-0001 too" });
    expect(problem(same(22)).path).toBe("servers.gpu-0002.address");
    expect(accepted(same(2222))).toEqual([]);
  });

  it.each(["192.0.2.300", "10.0.0", "host:22", "user@host", "a..b", "-a.example", "fe80::zz", "a_b"])("refuses the address %s", (address) => {
    expect(problem((_, first) => (first.address = address)).path).toBe("servers.gpu-0001.address");
  });

  it.each(["192.0.2.1", "gpu-01.example.org", "2001:db8::1", "GPU01"])("accepts the address %s", (address) => {
    expect(accepted((_, first) => (first.address = address))).toEqual([]);
  });

  it("refuses host keys that are no keys, of servers and of the bastion", () => {
    const cut = hostKey("x").slice(0, -4);
    expect(problem((_, first) => (first.hostKey = cut))).toMatchObject({ path: "servers.gpu-0001.hostKey", message: "is cut off: a part of the key is missing" });
    expect(problem((input) => (input.ssh = { bastion: { address: "192.0.2.9", hostKey: cut } })).path).toBe("ssh.bastion.hostKey");
    expect(problem((_, first) => (first.hostKey = `${hostKey("x")} root@gpu-01`)).path).toBe("servers.gpu-0001.hostKey");
  });

  const rack = (first: object, second: object, rest: object = {}) => (input: EnvironmentInput, a: ServerInput, b: ServerInput): void => {
    Object.assign(input.site, { racks: { "rack-a": { heightUnits: 42 } } });
    Object.assign(a, { rack: { name: "rack-a", ...first } });
    Object.assign(b, { rack: { name: "rack-a", ...second, ...rest } });
  };

  it("accepts servers side by side up to the top of a rack", () => {
    expect(accepted(rack({ unit: 1, heightUnits: 4 }, { unit: 5, heightUnits: 4 }))).toEqual([]);
    expect(accepted(rack({ unit: 1 }, { unit: 39, heightUnits: 4 }))).toEqual([]);
  });

  it("refuses servers that overlap, stick out or stand in no rack", () => {
    expect(problem(rack({ unit: 1, heightUnits: 4 }, { unit: 4, heightUnits: 4 }))).toMatchObject({ path: "servers.gpu-0002.rack.unit", message: "overlaps gpu-0001, which takes units 1 to 4" });
    expect(problem(rack({ unit: 1 }, { unit: 40, heightUnits: 4 }))).toMatchObject({ path: "servers.gpu-0002.rack.unit", allowed: "1 to 39" });
    expect(problem(rack({ unit: 1 }, { unit: 1 }, { name: "rack-b" }))).toMatchObject({ path: "servers.gpu-0002.rack.name", fix: "Did you mean rack-a?" });
  });

  it("refuses a budget whose end is below its beginning", () => {
    expect(problem((input) => (input.site.budget = { min: 2, max: 1 }))).toMatchObject({ path: "site.budget.max", message: "is below min, 2" });
    expect(accepted((input) => (input.site.budget = { min: 2, max: 2 }))).toEqual([]);
  });

  it("refuses an exchange rate where there is nothing to convert", () => {
    expect(problem((input) => Object.assign(input.site, { currency: "USD", currencyPerUsd: 7 }))).toMatchObject({ path: "site.currencyPerUsd", message: "must be absent or 1, for the site's currency is the US dollar" });
    expect(accepted((input) => Object.assign(input.site, { currency: "CNY", currencyPerUsd: 7 }))).toEqual([]);
  });
});

describe("what runs on the servers", () => {
  const cluster = { distribution: "existing" } as const;

  it("wants control-plane servers to exist once, to say so, and for k3s only", () => {
    const withCluster = (value: EnvironmentInput["cluster"], roles?: ServerInput["roles"]) => (input: EnvironmentInput, first: ServerInput): void => void (Object.assign(input, { cluster: value }), Object.assign(first, { roles }));
    expect(accepted(withCluster({ distribution: "k3s", controlPlane: ["gpu-0001"] }, ["worker", "control-plane"]))).toEqual([]);
    expect(problem(withCluster({ distribution: "k3s", controlPlane: [] })).path).toBe("cluster.controlPlane");
    expect(problem(withCluster({ distribution: "k3s", controlPlane: ["gpu-0001"] }))).toMatchObject({ path: "cluster.controlPlane[0]", message: "has no role control-plane" });
    expect(problem(withCluster({ distribution: "k3s", controlPlane: ["gpu-0001", "gpu-0001"] }, ["control-plane"]))).toMatchObject({ path: "cluster.controlPlane[1]", message: "is named twice" });
    expect(problem(withCluster({ distribution: "none", controlPlane: ["gpu-0001"] }, ["control-plane"])).path).toBe("cluster.controlPlane");
    expect(problem((input, first, second) => {
      input.cluster = { distribution: "k3s", controlPlane: ["gpu-0001"] };
      first.roles = ["control-plane"];
      second.roles = ["control-plane"];
    }).path).toBe("servers.gpu-0002.roles");
  });

  const withService = (service: object, rest: object = {}) => (input: EnvironmentInput): void => void Object.assign(input, { cluster, services: { chat: { model: "phi-4", ...service } }, ...rest });

  it("wants a cluster for services", () => {
    expect(accepted(withService({}))).toEqual([]);
    expect(problem(withService({}, { cluster: { distribution: "none" } })).path).toBe("cluster.distribution");
  });

  it.each(["/models/own", "./own/model"])("accepts %s as the path of a model", (model) => {
    expect(accepted(withService({ model }))).toEqual([]);
  });

  it.each(["models/own", "~/own", "../own", "/own;x"])("refuses %s as the path of a model", (model) => {
    expect(problem(withService({ model })).path).toBe("services.chat.model");
  });

  it("wants parallelism and GPUs per replica to agree", () => {
    expect(accepted(withService({ tensorParallel: 2, pipelineParallel: 2, gpusPerReplica: 4 }))).toEqual([]);
    expect(accepted(withService({ tensorParallel: 2, gpusPerReplica: 4 }))).toEqual([]);
    expect(problem(withService({ tensorParallel: 2, pipelineParallel: 2, gpusPerReplica: 8 }))).toMatchObject({ path: "services.chat.gpusPerReplica", fix: "Write 4, or leave it out." });
    expect(problem(withService({ tensorParallel: 3, gpusPerReplica: 4 })).path).toBe("services.chat.gpusPerReplica");
  });

  it("wants one accelerator of the list to be there", () => {
    expect(accepted(withService({ accelerators: ["h200-sxm", "a100-80gb-pcie"] }))).toEqual([]);
    expect(accepted(withService({ accelerators: ["cpu"] }))).toEqual([]);
    expect(problem(withService({ accelerators: ["h200-sxm", "vendor.example/npu"] }))).toMatchObject({ path: "services.chat.accelerators", message: "names only accelerators that no server has" });
  });

  it("wants a second server for a standby", () => {
    const alone = (change: (input: EnvironmentInput) => void): Problem[] => {
      const input = generatedEnvironment(1);
      change(input);
      return problems(input);
    };
    expect(accepted(withService({ standbyReplicas: 1 }))).toEqual([]);
    expect(alone(withService({ standbyReplicas: 1 }))).toMatchObject([{ path: "services.chat.standbyReplicas" }]);
    expect(alone((input) => (input.recovery = { standby: { mode: "keepalived", virtualAddress: "192.0.2.9" } }))).toMatchObject([{ path: "recovery.standby.mode" }]);
  });

  it("wants a free virtual address for keepalived, and a cluster for Kubernetes", () => {
    const standby = (value: NonNullable<EnvironmentInput["recovery"]>["standby"]) => (input: EnvironmentInput): void => void (input.recovery = { standby: value });
    expect(accepted(standby({ mode: "keepalived", virtualAddress: "192.0.2.9" }))).toEqual([]);
    expect(problem(standby({ mode: "keepalived" })).path).toBe("recovery.standby.virtualAddress");
    expect(problem((input, first) => (input.recovery = { standby: { mode: "keepalived", virtualAddress: first.address } }))).toMatchObject({ path: "recovery.standby.virtualAddress", message: "is the address of gpu-0001 itself" });
    expect(problem(standby({ mode: "kubernetes" })).path).toBe("recovery.standby.mode");
  });

  it("wants the tiers that recovery names", () => {
    expect(accepted((input) => (input.recovery = { checkpoints: { tier: "warm" }, coldStart: { imagesTier: "cold" } }))).toEqual([]);
    expect(problem((input) => {
      Reflect.deleteProperty(input.site, "objectStore");
      input.recovery = { coldStart: { imagesTier: "cold" } };
    })).toMatchObject({ path: "recovery.coldStart.imagesTier", message: "is cold, but no server has a cold tier and the site has no object store" });
    expect(accepted((input) => Reflect.deleteProperty(input.site, "objectStore"))).toEqual([]);
    expect(problem((input, first, second) => {
      Reflect.deleteProperty(first.tiers ?? {}, "warm");
      Reflect.deleteProperty(second.tiers ?? {}, "warm");
      input.recovery = { checkpoints: { tier: "warm" } };
    }).path).toBe("recovery.checkpoints.tier");
  });

  it("wants training servers once, and ZeRO with DeepSpeed only", () => {
    const job = (value: object) => (input: EnvironmentInput): void => void Object.assign(input, { training: { tune: { servers: ["gpu-0001"], command: ["python3", "train.py"], ...value } } });
    expect(accepted(job({ launcher: "deepspeed", zeroStage: 3 }))).toEqual([]);
    expect(problem(job({ zeroStage: 3 })).path).toBe("training.tune.zeroStage");
    expect(problem(job({ servers: ["gpu-0001", "gpu-0001"] }))).toMatchObject({ path: "training.tune.servers[1]", message: "is named twice" });
  });
});
