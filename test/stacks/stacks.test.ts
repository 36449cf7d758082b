import { readFileSync } from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { gpu, model, pcieLanes, cpu, weightsGB } from "../../components/catalog";
import { formatProblems, listEnvironments, loadStackFile, type Environment, type Server } from "../../components/environment";

const stacksDir = path.resolve(__dirname, "../../stacks");
const stackFile = (name: string): string => path.join(stacksDir, `Pulumi.${name}.yaml`);

function load(name: string): Environment {
  const loaded = loadStackFile(stackFile(name));
  if (!loaded.ok) throw new Error(formatProblems(stackFile(name), loaded.problems));
  return loaded.environment;
}

/** The guide's; a site adds its own beside them. */
const names = ["dev-test", "edge", "large-cluster", "medical-imaging", "quality-inspection", "sme-production"];
const environments = names.map((name): [string, Environment] => [name, load(name)]);
const gpuServers = (environment: Environment): Server[] => Object.values(environment.servers).filter(({ gpus }) => gpus !== undefined);

describe("the guide's environments", () => {
  it("are all there", () => {
    expect(listEnvironments(stacksDir)).toEqual(expect.arrayContaining(names));
  });

  it.each([
    ["dev-test", "rtx-4090", 2, "xeon-silver-4310"],
    ["sme-production", "a100-80gb-pcie", 4, "epyc-7543"],
    // The guide's 3rd-generation Xeon does not ship with these boards (facts 2).
    ["large-cluster", "h100-80gb-sxm5", 8, "xeon-platinum-8480c"],
    ["medical-imaging", "a40", 2, "xeon-gold-6348"],
    ["quality-inspection", "rtx-6000-ada", 4, "epyc-7543"],
    ["edge", "l40s", 1, "xeon-silver-4310"],
  ])("%s has servers with %s x %i on %s", (name, card, count, host) => {
    const servers = gpuServers(load(name));
    expect(servers.length).toBeGreaterThan(0);
    for (const server of servers) expect(server).toMatchObject({ gpus: { model: card, count }, cpu: { model: host } });
  });

  it("have the guide's budgets (2.1); two servers cost twice as much", () => {
    expect(load("dev-test").site).toMatchObject({ currency: "CNY", budget: { min: 25000, max: 35000 } });
    expect(gpuServers(load("sme-production"))).toHaveLength(2);
    expect(load("sme-production").site).toMatchObject({ currency: "CNY", budget: { min: 2 * 180000, max: 2 * 250000 } });
    expect(load("large-cluster").site.budget).toEqual({ min: 800000 });
  });

  it("run CUDA 12.2 on the host for development only (guide 3.1), and the long-term driver everywhere", () => {
    expect(environments.filter(([, { software }]) => software.cudaToolkit !== "none").map(([name]) => name)).toEqual(["dev-test"]);
    expect(load("dev-test").software.cudaToolkit).toBe("12.2");
    for (const [, { software }] of environments) expect(software.driver.branch).toBe("580");
  });

  it("say what the guide's cases promise as claims, with the place of measurement (3.2, 6.1, 6.2)", () => {
    const targets = (name: string): string[] => Object.values(load(name).services).flatMap((service) => service.targets.map(({ before, after }) => `${before ?? "-"} -> ${after}`));
    expect(targets("medical-imaging")).toEqual(["12 min -> 28 s", "- -> +11 %"]);
    expect(targets("quality-inspection")).toEqual(["1x -> 5x", "- -> 0.3 %"]);
    expect(targets("sme-production")).toEqual(expect.arrayContaining(["11 GB -> 3.2 GB", "87 ms -> 23 ms"]));
  });

  it("keep patients' data in the house", () => {
    expect(load("medical-imaging").site).toMatchObject({ dataClass: "medical", internetAccess: false });
  });

  it("have four large servers, three control-plane servers of their own and a storage server with HDDs", () => {
    const { servers, cluster } = load("large-cluster");
    expect(gpuServers(load("large-cluster"))).toHaveLength(4);
    expect(cluster.controlPlane).toEqual(["ctrl-01", "ctrl-02", "ctrl-03"]);
    for (const name of cluster.controlPlane) expect(servers[name]?.gpus).toBeUndefined();
    expect(servers["store-01"]?.tiers.cold).toMatchObject({ level: "raid6" });
    for (const server of gpuServers(load("large-cluster"))) expect(Object.values(server.nics).filter(({ rdma }) => rdma === "infiniband")).toHaveLength(8);
  });
});

describe.each(environments)("%s", (name, environment) => {
  it("points editors to the schema and holds no secret", () => {
    const text = readFileSync(stackFile(name), "utf8");
    expect(text.split("\n")[0]).toBe("# yaml-language-server: $schema=../schemas/environment.schema.json");
    expect(text).not.toMatch(/PRIVATE KEY/);
    expect(environment.site.name).toBe(name);
  });

  it("has three tiers: NVMe in RAID 0, SATA SSD that survives a lost drive, HDD or an object store (guide 2.2)", () => {
    for (const server of gpuServers(environment)) {
      expect(server.tiers.hot).toMatchObject({ level: "raid0" });
      expect(server.tiers.hot?.drives.length).toBeGreaterThanOrEqual(2);
      expect(["raid1", "raid5", "raid6", "raid10"]).toContain(server.tiers.warm?.level);
    }
    const kinds = { hot: "nvme", warm: "sata-ssd", cold: "hdd" } as const;
    for (const server of Object.values(environment.servers)) {
      for (const tier of ["hot", "warm", "cold"] as const) {
        for (const id of server.tiers[tier]?.drives ?? []) expect(server.drives[id]?.kind).toBe(kinds[tier]);
        if (tier !== "hot") expect(server.tiers[tier]?.level).not.toBe("raid0");
      }
    }
    const cold = Object.values(environment.servers).filter((server) => server.tiers.cold !== undefined);
    expect(cold.length + (environment.site.objectStore === undefined ? 0 : 1)).toBe(1);
  });

  it("keeps a drive for the operating system in every server", () => {
    for (const server of Object.values(environment.servers)) {
      const used = new Set(Object.values(server.tiers).flatMap(({ drives }) => drives));
      expect(Object.keys(server.drives).filter((id) => !used.has(id))).toHaveLength(1);
    }
  });

  it("has lanes for every GPU, NVMe drive and fast NIC, or PCIe switches", () => {
    for (const server of Object.values(environment.servers)) {
      const host = cpu(server.cpu.model);
      if (host === undefined || server.pcieSwitch) continue;
      const nvme = Object.values(server.drives).filter(({ kind }) => kind === "nvme").length;
      const fastNics = Object.values(server.nics).filter(({ speedGbps }) => speedGbps > 10).length;
      expect((server.gpus?.count ?? 0) * 16 + nvme * 4 + fastNics * 16).toBeLessThanOrEqual(pcieLanes(host, server.cpu.sockets));
    }
  });

  it("has NVSwitch exactly with SXM modules, and power for its GPUs and CPUs", () => {
    for (const server of Object.values(environment.servers)) {
      const card = gpu(server.gpus?.model ?? "");
      if (server.gpus !== undefined) expect(server.gpus.nvlink === "nvswitch").toBe(card?.formFactor !== "pcie");
      const watts = (server.gpus?.count ?? 0) * (card?.powerWatts ?? 0) + server.cpu.sockets * (cpu(server.cpu.model)?.powerWattsPerSocket ?? 0);
      expect(server.maxPowerWatts).toBeGreaterThan(watts);
    }
  });

  it("holds all models that it serves in the hot tier of each GPU server, with room for as much again", () => {
    const gigabytes = Object.values(environment.services).reduce((sum, service) => {
      const fact = model(service.model);
      return sum + (fact === undefined ? 0 : weightsGB(fact, service.precision));
    }, 0);
    for (const { tiers, drives } of gpuServers(environment)) {
      const capacity = (tiers.hot?.drives ?? []).reduce((sum, id) => sum + (drives[id]?.capacityGB ?? 0), 0);
      expect(capacity).toBeGreaterThan(2 * gigabytes);
    }
  });

  it("has GPU memory for the weights of every replica", () => {
    for (const service of Object.values(environment.services)) {
      const fact = model(service.model);
      const card = gpu(gpuServers(environment)[0]?.gpus?.model ?? "");
      if (fact === undefined || card === undefined || service.gpusPerReplica === undefined) continue;
      const usableGB = service.gpusPerReplica * card.usableMemoryGiB * 0.92 * 1.0737;
      expect(weightsGB(fact, service.precision)).toBeLessThan(usableGB);
      if (service.tensorParallel !== undefined) expect(fact.attentionHeads % service.tensorParallel).toBe(0);
    }
  });

  it("has a mirror unless it may reach the internet", () => {
    expect(environment.site.internetAccess || (environment.site.mirror?.apt !== undefined && environment.site.mirror.images !== undefined)).toBe(true);
  });
});

describe("drive ids and host keys", () => {
  it("are different in all environments", () => {
    const servers = environments.flatMap(([, environment]) => Object.values(environment.servers));
    const ids = servers.flatMap((server) => Object.keys(server.drives));
    const keys = servers.map((server) => server.hostKey);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(keys).size).toBe(keys.length);
  });
});
