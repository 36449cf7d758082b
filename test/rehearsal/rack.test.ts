import { describe, expect, it } from "vitest";
import { environmentSchema, type Environment } from "../../components/environment/schema";
import { expectedTiers, expectedVersions } from "../../rehearsal/expectations";
import { chooseServers, deriveEnvironment } from "../../rehearsal/rack";
import { sourcesFromIndexTargets } from "../../rehearsal/rootfs";
import { gpuFileText, hostStandIns } from "../../rehearsal/standins";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIkzRIZLK6CHZpHv6R778lKRtfnFPfEeF1bY9YVCxP16";
const otherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

function server(serial: string, gpus?: object): object {
  return {
    address: "192.0.2.1", hostKey, cpu: { model: "epyc-7543" }, memoryGiB: 256, pcieGeneration: 4,
    ...(gpus === undefined ? {} : { gpus }),
    drives: { [`nvme-MODEL_${serial}1`]: { kind: "nvme", capacityGB: 3840 }, [`nvme-MODEL_${serial}2`]: { kind: "nvme", capacityGB: 3840 } },
    tiers: { hot: { level: "raid0", drives: [`nvme-MODEL_${serial}1`, `nvme-MODEL_${serial}2`], chunkKiB: 256 } },
  };
}

function environmentOf(rest: object): Environment {
  return environmentSchema.parse({
    site: { name: "here", objectStore: { endpoint: "https://store.example", bucket: "cold" }, mirror: { images: "registry.example" } },
    ssh: { bastion: { address: "192.0.2.9", hostKey }, dialTimeoutSeconds: 5 },
    servers: {
      "gpu-01": server("AAAA", { model: "a100-80gb-sxm4", count: 4 }),
      "gpu-02": server("BBBB", { model: "a100-80gb-sxm4", count: 4 }),
      "store-01": server("CCCC"),
    },
    cluster: { controlPlane: ["gpu-01", "store-01"] },
    training: { both: { servers: ["gpu-01", "gpu-02"], command: ["train"] }, second: { servers: ["gpu-02"], command: ["train"] } },
    ...rest,
  });
}

const environment = environmentOf({});

describe("which servers are emulated", () => {
  it("is one of each shape first", () => {
    expect(chooseServers(environment, undefined, 2)).toEqual(["gpu-01", "store-01"]);
  });

  it("fills up with the others while there is room, and never goes over the limit", () => {
    expect(chooseServers(environment, undefined, 3)).toEqual(["gpu-01", "store-01", "gpu-02"]);
    expect(chooseServers(environment, undefined, 1)).toEqual(["gpu-01"]);
  });

  it("is what was asked for, each once", () => {
    expect(chooseServers(environment, ["gpu-02", "gpu-02"], 1)).toEqual(["gpu-02"]);
  });

  it("says which servers there are when one is unknown", () => {
    expect(() => chooseServers(environment, ["gpu-03"], 2)).toThrow("The environment has no server gpu-03. It has: gpu-01, gpu-02, store-01.");
  });
});

describe("the environment as up sees it", () => {
  const derived = deriveEnvironment(environment, [{ name: "gpu-01", port: 4022, hostKey: otherKey }], "http://10.0.2.2:8080");

  it("is a valid environment", () => {
    expect(environmentSchema.parse(derived)).toEqual(derived);
  });

  it("has the emulated servers on loopback with the keys they were given", () => {
    expect(derived.servers).toEqual({ "gpu-01": { ...environment.servers["gpu-01"], address: "127.0.0.1", port: 4022, hostKey: otherKey } });
  });

  it("takes packages from the stand-in mirror and leaves the image registry alone", () => {
    expect(derived.site.mirror).toEqual({ apt: "http://10.0.2.2:8080", images: "registry.example" });
  });

  it("runs Debian 12 and keeps the rest of the software", () => {
    expect(derived.software).toEqual({ ...environment.software, os: "debian-12" });
  });

  it("names nothing that is not emulated", () => {
    expect(derived.ssh.bastion).toBeUndefined();
    expect(derived.site.objectStore).toBeUndefined();
  });

  it("has no balancers, whose addresses are not those of emulated servers, and parses without them", () => {
    const standby = { mode: "keepalived" as const, switchWithinSeconds: 30, witnesses: [], port: 8080, virtualAddress: "192.0.2.50", balancers: ["gpu-01", "gpu-02"], units: { answers: { port: 8000, healthPath: "/health", servers: ["gpu-01"], standbyServers: ["gpu-02"] } } };
    const without = deriveEnvironment({ ...environment, recovery: { ...environment.recovery, standby } }, [{ name: "gpu-01", port: 4022, hostKey: otherKey }], "http://10.0.2.2:8080");
    expect(without.recovery.standby).toEqual({ mode: "none", switchWithinSeconds: 30, port: 8080, witnesses: [], virtualAddress: "192.0.2.50", units: {} });
  });

  it("ends where the hosts end: no cluster is made of them", () => {
    expect(derived.cluster).toEqual({ ...environment.cluster, distribution: "none", controlPlane: [] });
    expect(derived.services).toEqual({});
    expect(derived.training).toEqual({});
  });

  it("gives a slow machine time to answer, and more where the environment does", () => {
    expect(derived.ssh.dialTimeoutSeconds).toBe(60);
    expect(deriveEnvironment(environmentOf({ ssh: { dialTimeoutSeconds: 300 } }), [], "http://10.0.2.2:1").ssh.dialTimeoutSeconds).toBe(300);
  });
});

describe("the verdict's list of stand-ins", () => {
  it("names what is left out", () => {
    const texts = hostStandIns(environment).map((entry) => entry.standsInFor).join("\n");
    expect(texts).toContain("object store");
    expect(texts).toContain("bastion");
    expect(texts).toContain("Ubuntu 22.04");
  });

  it("does not name what the environment does not have", () => {
    const plain = environmentSchema.parse({ site: { name: "here" }, software: { os: "debian-12" }, servers: {} });
    const texts = hostStandIns(plain).map((entry) => entry.standsInFor).join("\n");
    expect(texts).not.toContain("object store");
    expect(texts).not.toContain("bastion");
    expect(texts).not.toContain("Ubuntu");
  });
});

describe("the stand-in nvidia-smi's list", () => {
  it("has a line for each GPU", () => {
    expect(gpuFileText({ gpus: { model: "rtx-4090", count: 2, nvlink: "none" } })).toMatch(/^(NVIDIA GeForce RTX 4090\t\d+\t8\.9\t450\n){2}$/);
  });

  it("is empty without GPUs", () => {
    expect(gpuFileText({})).toBe("");
  });
});

describe("what a tier must look like on the server", () => {
  const tiersOf = (level: string, count: number, more: object = {}): object => {
    const drives = Array.from({ length: count }, (_, index) => `nvme-MODEL_DRIVE${index}`);
    const parsed = environmentSchema.parse({
      site: { name: "here" },
      servers: { one: { address: "192.0.2.1", hostKey, cpu: { model: "epyc-7543" }, memoryGiB: 1, pcieGeneration: 4, drives: Object.fromEntries(drives.map((id) => [id, { kind: "nvme", capacityGB: 1 }])), tiers: { hot: { level, drives, ...more } } } },
    }).servers["one"];
    if (parsed === undefined) throw new Error("no server");
    const [tier] = expectedTiers(parsed);
    return { unit: tier?.stripeUnitKiB, width: tier?.stripeWidthKiB, mount: tier?.mount };
  };

  it.each([
    ["single", 1, 0, 0],
    ["raid1", 2, 0, 0],
    ["raid0", 2, 512, 1024],
    ["raid0", 4, 512, 2048],
    ["raid5", 4, 512, 1536],
    ["raid6", 6, 512, 2048],
    ["raid10", 4, 512, 1024],
    ["raid10", 5, 512, 2560],
  ])("%s of %i drives: stripe unit %i KiB, width %i KiB", (level, count, unit, width) => {
    expect(tiersOf(level, count)).toEqual({ unit, width, mount: "/srv/hot" });
  });

  it("follows the chunk and the mount point of the environment", () => {
    expect(tiersOf("raid0", 2, { chunkKiB: 128, mount: "/models" })).toEqual({ unit: 128, width: 256, mount: "/models" });
  });
});

describe("the versions that packages must have", () => {
  const family = (name: string): string | undefined => expectedVersions(environmentOf({ software: { cudaToolkit: "12.2" } }).software).find((entry) => entry.names.test(name))?.family;

  it.each([
    ["nvidia-open-580", "driver branch 580"],
    ["libnvidia-compute-580", "driver branch 580"],
    ["nvidia-fabricmanager", "driver branch 580"],
    ["nvidia-container-toolkit-base", "container toolkit"],
    ["libnvidia-container1", "container toolkit"],
    ["cuda-toolkit-12-2", "CUDA toolkit"],
    ["openssh-server", undefined],
  ])("%s belongs to: %s", (name, expected) => {
    expect(family(name)).toBe(expected);
  });
});

describe("package sources of this machine", () => {
  const line = (...fields: string[]): string => fields.join("\t");

  it("are Debian 12's own, wherever they come from", () => {
    const text = [
      line("Packages", "Debian", "bookworm", "http://mirror.site/debian/", "bookworm", "main"),
      line("Packages", "Debian", "bookworm", "http://mirror.site/debian/", "bookworm", "contrib"),
      line("Packages", "Debian", "bookworm-security", "http://mirror.site/security/", "bookworm-security", "main"),
      line("Packages", "Debian Backports", "bookworm-backports", "http://mirror.site/debian/", "bookworm-backports", "main"),
      line("Packages", "Somebody", "bookworm", "http://vendor.example/apt/", "stable", "main"),
      line("Translations", "Debian", "bookworm", "http://mirror.site/debian/", "bookworm", "main"),
    ].join("\n");
    expect(sourcesFromIndexTargets(text)).toBe("deb http://mirror.site/debian bookworm main contrib\ndeb http://mirror.site/security bookworm-security main\n");
  });

  it("are left to the bootstrap's default on another distribution", () => {
    expect(sourcesFromIndexTargets(line("Packages", "Ubuntu", "jammy", "http://mirror.site/ubuntu/", "jammy", "main"))).toBeUndefined();
    expect(sourcesFromIndexTargets("")).toBeUndefined();
  });
});
