import { compareVersions, cudaToolkits, driverBranches, engineRequirements, gpu, versions, type EngineId } from "../catalog";
import type { Environment, Server } from "../environment/schema";
import { tierNames } from "./tiers-plan";

/** A package that a step installs. */
export interface PlannedPackage {
  name: string;
  /** Upstream version; the repository's own suffix follows it. Absent: what the distribution has. */
  version?: string;
  /** Held, so that no upgrade moves it by itself. */
  hold: boolean;
}

export type Repository = "nvidia-cuda" | "nvidia-container-toolkit";

/** What {@link GpuDriver} brings onto a server. */
export interface DriverPlan {
  branch: string;
  version: string;
  source: "nvidia" | "ubuntu";
  packages: PlannedPackage[];
  /** The fabric manager's version, which is the driver's, or false where there is no NVSwitch. */
  fabricManager: string | false;
  persistenceDaemon: boolean;
  containerToolkit?: string;
  gpuCount: number;
  /** As nvidia-smi prints it. */
  gpuName?: string;
  /** Engines of the services and training jobs that may run on the server. */
  engines: EngineId[];
}

export interface SoftwarePlan {
  base: PlannedPackage[];
  repositories: Repository[];
  rdma: "none" | "roce" | "infiniband";
  driver?: DriverPlan;
  /** What cannot work as written, and what to do. */
  problems: string[];
  /** What is worth knowing. */
  notes: string[];
}

const free = (...names: string[]): PlannedPackage[] => names.map((name) => ({ name, hold: false }));
const held = (version: string | undefined, ...names: string[]): PlannedPackage[] =>
  names.map((name) => ({ name, ...(version === undefined ? {} : { version }), hold: true }));

/** All four move together (facts 3). */
const containerToolkitPackages = ["nvidia-container-toolkit", "nvidia-container-toolkit-base", "libnvidia-container-tools", "libnvidia-container1"];

function rdmaOf(server: Server): SoftwarePlan["rdma"] {
  const kinds = new Set(Object.values(server.nics).map((nic) => nic.rdma));
  if (kinds.has("infiniband")) return "infiniband";
  return kinds.has("roce") ? "roce" : "none";
}

function basePackages(environment: Environment, server: Server): PlannedPackage[] {
  const { os, developmentPackages, cudaToolkit } = environment.software;
  const tiers = tierNames.flatMap((name) => server.tiers[name] ?? []);
  const rdma = rdmaOf(server);
  const toolkit = cudaToolkit === "none" || server.gpus === undefined ? undefined : cudaToolkits[cudaToolkit];
  return [
    ...free("ca-certificates", "gpg", "smartmontools"),
    ...(tiers.some((tier) => tier.level !== "single") ? free("mdadm") : []),
    ...(tiers.length > 0 ? free("xfsprogs") : []),
    ...(Object.values(server.drives).some((drive) => drive.kind === "nvme") ? free("nvme-cli") : []),
    ...(usesObjectStore(environment, server) ? free("rclone") : []),
    // The kubelet mounts the model store with the host's own mount.nfs.
    ...(environment.site.modelStore?.kind === "nfs" ? free("nfs-common") : []),
    ...(rdma === "none" ? [] : free("rdma-core", "ibverbs-utils", "perftest")),
    ...(rdma === "infiniband" ? free("infiniband-diags") : []),
    // Guide 3.1. Python 3.10 is Ubuntu 22.04's own; Debian 12 has 3.11.
    ...(developmentPackages ? free("build-essential", os === "ubuntu-22.04" ? "python3.10-dev" : "python3-dev", "libopenblas-dev") : []),
    ...(toolkit === undefined ? [] : held(toolkit.version, toolkit.aptPackage)),
  ];
}

/** The object store is the cold tier of servers that hold data and have no cold drives of their own. */
export function usesObjectStore(environment: Environment, server: Server): boolean {
  return environment.site.objectStore !== undefined && server.tiers.cold === undefined && server.roles.some((role) => role !== "control-plane");
}

function driverPackages(source: "nvidia" | "ubuntu", branch: string, version: string): PlannedPackage[] {
  return source === "nvidia"
    ? held(version, `nvidia-open-${branch}`)
    : // Ubuntu's archive keeps only its newest release of a branch, so that no exact version can be asked of it.
      held(undefined, `nvidia-driver-${branch}-server-open`, `linux-modules-nvidia-${branch}-server-open-generic`);
}

/** Engines whose services or jobs may land on the server. `auto` counts as vLLM, the default for language models. */
function enginesOn(environment: Environment, name: string, server: Server): EngineId[] {
  const engines = new Set<EngineId>();
  const launchers = { torchrun: "pytorch", deepspeed: "deepspeed", colossalai: "colossalai" } as const;
  if (server.roles.includes("worker")) {
    for (const service of Object.values(environment.services)) {
      const fits = service.accelerators.length === 0 || (server.gpus !== undefined && service.accelerators.includes(server.gpus.model));
      if (fits) engines.add(service.engine === "auto" ? "vllm" : service.engine);
    }
  }
  for (const job of Object.values(environment.training)) {
    if (job.servers.includes(name)) engines.add(launchers[job.launcher]);
  }
  return [...engines].sort();
}

function planDriver(environment: Environment, name: string, server: Server): DriverPlan | undefined {
  const { gpus } = server;
  if (gpus === undefined) return undefined;
  const { branch, source, persistenceDaemon, containerToolkit } = environment.software.driver;
  const { version } = driverBranches[branch];
  const toolkit = versions["container-toolkit"].version;
  const gpuName = gpu(gpus.model)?.name;
  return {
    branch,
    version,
    source,
    packages: [
      ...driverPackages(source, branch, version),
      ...(gpus.nvlink === "nvswitch" ? held(source === "nvidia" ? version : undefined, fabricManagerPackage(branch, source)) : []),
      ...(containerToolkit ? held(toolkit, ...containerToolkitPackages) : []),
    ],
    fabricManager: gpus.nvlink === "nvswitch" ? version : false,
    persistenceDaemon,
    ...(containerToolkit ? { containerToolkit: toolkit } : {}),
    gpuCount: gpus.count,
    ...(gpuName === undefined ? {} : { gpuName }),
    engines: enginesOn(environment, name, server),
  };
}

/** Since branch 580 NVIDIA's own repository names it without the branch; Ubuntu's keeps the branch. */
function fabricManagerPackage(branch: string, source: "nvidia" | "ubuntu"): string {
  return source === "nvidia" && Number(branch) >= 580 ? "nvidia-fabricmanager" : `nvidia-fabricmanager-${branch}`;
}

function problemsOf(environment: Environment, driver: DriverPlan | undefined): string[] {
  const problems: string[] = [];
  if (driver === undefined) return problems;
  for (const id of driver.engines) {
    const engine = engineRequirements[id];
    if (compareVersions(driver.version, engine.minimumDriver) >= 0) continue;
    problems.push(`${engine.name} ${engine.version} is built for CUDA ${engine.cuda}, which needs driver ${engine.minimumDriver} or newer; software.driver.branch ${driver.branch} installs ${driver.version}. Set the branch to 580 or newer, or serve with an image of ${engine.name} built for CUDA 12.`);
  }
  const { cudaToolkit } = environment.software;
  if (cudaToolkit !== "none" && compareVersions(driver.version, cudaToolkits[cudaToolkit].minimumDriver) < 0) {
    problems.push(`CUDA ${cudaToolkit} needs driver ${cudaToolkits[cudaToolkit].minimumDriver} or newer; software.driver.branch ${driver.branch} installs ${driver.version}. Set the branch to 580 or newer, or software.cudaToolkit to an older release.`);
  }
  return problems;
}

function notesOf(environment: Environment, driver: DriverPlan | undefined): string[] {
  const notes: string[] = [];
  const { site, software } = environment;
  if (!site.internetAccess && site.mirror?.apt === undefined) {
    notes.push("The site has neither internet nor site.mirror.apt: packages come from what apt on the server is set up for already.");
  }
  if (driver?.source === "nvidia") {
    notes.push("NVIDIA's kernel modules are built on the server and are not signed: where Secure Boot is on, set software.driver.source to ubuntu.");
  }
  const toolkit = software.cudaToolkit === "none" || driver === undefined ? undefined : cudaToolkits[software.cudaToolkit];
  if (toolkit !== undefined && driver !== undefined && compareVersions(driver.version, toolkit.bundledDriver) < 0) {
    notes.push(`CUDA ${software.cudaToolkit} came with driver ${toolkit.bundledDriver}; on ${driver.version} it runs, without the features of newer drivers.`);
  }
  return notes;
}

/** What is installed on a server. */
export function planSoftware(environment: Environment, name: string, server: Server): SoftwarePlan {
  const driver = planDriver(environment, name, server);
  // On a bare host dcgm-exporter comes from there too, beside drivers of another source, which are pinned.
  const measuresGpus = environment.cluster.distribution === "none" && environment.monitoring.enabled;
  const needsCudaRepository = driver !== undefined && (driver.source === "nvidia" || environment.software.cudaToolkit !== "none" || measuresGpus);
  return {
    base: basePackages(environment, server),
    repositories: [...(needsCudaRepository ? (["nvidia-cuda"] as const) : []), ...(driver?.containerToolkit === undefined ? [] : (["nvidia-container-toolkit"] as const))],
    rdma: rdmaOf(server),
    ...(driver === undefined ? {} : { driver }),
    problems: problemsOf(environment, driver),
    notes: notesOf(environment, driver),
  };
}
