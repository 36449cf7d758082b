import { describe, expect, it } from "vitest";
import { versions } from "../../components/catalog";
import { parseEnvironment, type Environment, type EnvironmentInput } from "../../components/environment";
import { planServer, type ServerPlan } from "../../components/servers/plan";
import { hostKey } from "../support/environments";

type ServerInput = EnvironmentInput["servers"][string];

function plan(options: { software?: EnvironmentInput["software"]; site?: Partial<EnvironmentInput["site"]>; server?: Partial<ServerInput>; services?: EnvironmentInput["services"]; training?: EnvironmentInput["training"] } = {}): ServerPlan {
  const result = parseEnvironment({
    site: { name: "lab", internetAccess: true, ...options.site },
    ...(options.software === undefined ? {} : { software: options.software }),
    ...(options.services === undefined ? {} : { services: options.services, cluster: { distribution: "k3s", controlPlane: ["gpu-01"] } }),
    ...(options.training === undefined ? {} : { training: options.training }),
    servers: {
      "gpu-01": {
        address: "192.0.2.11", hostKey: hostKey("gpu-01"), roles: ["worker", "control-plane"], cpu: { model: "epyc-7543" }, memoryGiB: 256, pcieGeneration: 4, gpus: { model: "a100-80gb-sxm4", count: 4 }, ...options.server,
      },
    },
  });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return planServer(result.environment satisfies Environment, "gpu-01");
}

const names = (of: ServerPlan): string[] => of.packages.map((each) => each.name);
const driverVersion = versions["driver-580"].version;

describe("packages of a server", () => {
  it("are the guide's base environment, without the distribution's own CUDA", () => {
    const packages = names(plan({ software: { cudaToolkit: "12.2" } }));
    expect(packages).toEqual(expect.arrayContaining(["build-essential", "python3.10-dev", "libopenblas-dev", "cuda-toolkit-12-2"]));
    expect(packages).not.toContain("nvidia-cuda-toolkit");
  });

  it("have no CUDA toolkit by default, nor where a server has no GPU", () => {
    expect(names(plan()).filter((name) => name.startsWith("cuda"))).toEqual([]);
    const result = parseEnvironment({
      site: { name: "lab", internetAccess: true }, software: { cudaToolkit: "12.2" },
      servers: { "store-01": { address: "192.0.2.12", hostKey: hostKey("store-01"), roles: ["storage"], cpu: { model: "epyc-7543" }, memoryGiB: 64, pcieGeneration: 4 } },
    });
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    expect(names(planServer(result.environment, "store-01")).filter((name) => name.startsWith("cuda"))).toEqual([]);
  });

  it("leave development packages out where they are not wanted", () => {
    expect(names(plan({ software: { developmentPackages: false } }))).not.toContain("build-essential");
  });

  it("take Python's headers by the name that the distribution has", () => {
    const debian = names(plan({ software: { os: "debian-12" } }));
    expect(debian).toContain("python3-dev");
    expect(debian).not.toContain("python3.10-dev");
  });

  it.each([
    ["roce", ["rdma-core", "ibverbs-utils", "perftest"], ["infiniband-diags"]],
    ["infiniband", ["rdma-core", "ibverbs-utils", "perftest", "infiniband-diags"], []],
    ["none", [], ["rdma-core", "perftest"]],
  ] as const)("have what NICs with RDMA %s need", (rdma, present, absent) => {
    const found = plan({ server: { nics: { ens1: { speedGbps: 200, rdma } } } });
    expect(names(found)).toEqual(expect.arrayContaining([...present]));
    for (const name of absent) expect(names(found)).not.toContain(name);
    expect(found.steps[0]?.args.slice(-2)).toEqual(["--rdma", rdma]);
  });
});

describe("the driver of a server", () => {
  it("is one release of NVIDIA's open modules, held", () => {
    expect(plan().packages).toContainEqual({ name: "nvidia-open-580", version: driverVersion, hold: true });
  });

  it("brings all four packages of the container toolkit at one version, or none", () => {
    const toolkit = plan().packages.filter((each) => each.name.includes("container"));
    expect(toolkit.map((each) => each.name).sort()).toEqual(["libnvidia-container-tools", "libnvidia-container1", "nvidia-container-toolkit", "nvidia-container-toolkit-base"]);
    expect(new Set(toolkit.map((each) => each.version))).toEqual(new Set([versions["container-toolkit"].version]));
    expect(toolkit.every((each) => each.hold)).toBe(true);
    const without = plan({ software: { driver: { containerToolkit: false } } });
    expect(names(without).filter((name) => name.includes("container"))).toEqual([]);
    expect(without.software.repositories).toEqual(["nvidia-cuda"]);
  });

  it("has the fabric manager on NVSwitch machines, at exactly the driver's version, and nowhere else", () => {
    const hgx = plan({ server: { gpus: { model: "a100-80gb-sxm4", count: 8, nvlink: "nvswitch" }, pcieSwitch: true } });
    expect(hgx.software.driver?.fabricManager).toBe(driverVersion);
    expect(hgx.packages).toContainEqual({ name: "nvidia-fabricmanager", version: driverVersion, hold: true });
    expect(plan().software.driver?.fabricManager).toBe(false);
    expect(names(plan()).filter((name) => name.includes("fabricmanager"))).toEqual([]);
  });

  it("follows the branch", () => {
    const older = plan({ software: { driver: { branch: "535" } } });
    expect(older.packages).toContainEqual({ name: "nvidia-open-535", version: versions["driver-535"].version, hold: true });
  });

  it("comes pre-signed from Ubuntu where that is chosen, held at what the archive has", () => {
    const ubuntu = plan({ software: { driver: { source: "ubuntu" } } });
    expect(ubuntu.packages).toEqual(expect.arrayContaining([{ name: "nvidia-driver-580-server-open", hold: true }, { name: "linux-modules-nvidia-580-server-open-generic", hold: true }]));
    expect(names(ubuntu)).not.toContain("nvidia-open-580");
    // dcgm-exporter comes from NVIDIA's, where no cluster brings it.
    expect(ubuntu.software.repositories).toEqual(["nvidia-cuda", "nvidia-container-toolkit"]);
  });

  it("knows the engines that may run beside it, `auto` as vLLM", () => {
    const service = { model: "qwen2.5-7b" };
    expect(plan({ services: { chat: { ...service } } }).software.driver?.engines).toEqual(["vllm"]);
    expect(plan({ services: { chat: { ...service, engine: "sglang", accelerators: ["cpu"] } } }).software.driver?.engines).toEqual([]);
    expect(plan({ training: { tune: { launcher: "deepspeed", servers: ["gpu-01"], command: ["train.py"] } } }).software.driver?.engines).toEqual(["deepspeed"]);
  });
});

describe("problems and notes", () => {
  it("say that an engine's CUDA needs a newer driver, and what to do", () => {
    const services = { chat: { model: "qwen2.5-7b", engine: "vllm" as const } };
    expect(plan({ services }).problems).toEqual([]);
    const [problem, ...others] = plan({ services, software: { driver: { branch: "535" } } }).problems;
    expect(others).toEqual([]);
    expect(problem).toMatch(/vLLM .* CUDA 13\.0, which needs driver 580 or newer; software\.driver\.branch 535 installs 535\.309\.01\. Set the branch to 580 or newer/);
  });

  it("say that a toolkit on the host needs a newer driver", () => {
    expect(plan({ software: { driver: { branch: "535" }, cudaToolkit: "13.0" } }).problems).toEqual([expect.stringMatching(/^CUDA 13\.0 needs driver 580 or newer/)]);
    expect(plan({ software: { driver: { branch: "580" }, cudaToolkit: "12.2" } }).problems).toEqual([]);
  });

  it("say where packages come from when there is neither internet nor mirror", () => {
    const offline = /neither internet nor site\.mirror\.apt/;
    expect(plan({ site: { internetAccess: false } }).notes.some((note) => offline.test(note))).toBe(true);
    expect(plan({ site: { internetAccess: false, mirror: { apt: "https://mirror.example.org" } } }).notes.some((note) => offline.test(note))).toBe(false);
  });
});
