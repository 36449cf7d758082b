import { cudaToolkits, driverBranches, gpu, versions } from "../components/catalog";
import type { Environment, Server } from "../components/environment/schema";
import { monitoringStandIns } from "./monitoring-packages";
import { driverVersionFile, fabricManager, nvcc, nvidiaCtk, nvidiaSmi, serviceUnit } from "./nvidia-standins";
import type { MirrorPackage } from "./repository";

/** What stood in for the real thing in a rehearsal: named in the verdict. */
export interface StandIn {
  what: string;
  standsInFor: string;
}

/**
 * Debian's packages that `up` asks for and that are not in the system image, with the versions of Debian 12. They are
 * empty: the real ones are hundreds of megabytes, and what a rehearsal is to show is that they are asked for and pinned.
 */
const debianPackages: Readonly<Record<string, string>> = {
  "build-essential": "12.9",
  dkms: "3.0.10-8+deb12u1",
  "ibverbs-utils": "44.0-2",
  "infiniband-diags": "44.0-2",
  "libopenblas-dev": "0.3.21+ds-4",
  "linux-headers-amd64": "6.1.140-1",
  perftest: "4.5.0.20-1",
  "python3-dev": "3.11.2-1+b1",
  "python3.10-dev": "3.10.12-1~22.04",
  "python3.11-dev": "3.11.2-6+deb12u6",
  "rdma-core": "44.0-2",
};

/** All packages of the stand-in mirror for an environment. */
export function standInPackages(software: Environment["software"]): MirrorPackage[] {
  const driver = driverBranches[software.driver.branch].version;
  const toolkit = versions["container-toolkit"].version;
  return [
    ...Object.entries(debianPackages).map(([name, version]): MirrorPackage => ({ area: "debian", name, version, architecture: "all", description: "stand-in, empty" })),
    // The next release is on offer too, so that only a pin keeps a server at the wanted one.
    ...[driver, nextRelease(driver)].flatMap((version) => driverPackages(software.driver, version)),
    ...[toolkit, nextRelease(toolkit)].flatMap(toolkitPackages),
    ...(software.cudaToolkit === "none" ? [] : cudaPackages(software.cudaToolkit)),
  ];
}

/** The version after this one: last number plus one. It need not exist; it only has to be newer. */
export function nextRelease(version: string): string {
  const parts = version.split(".");
  const last = parts.pop() ?? "0";
  return [...parts, String(Number(last) + 1).padStart(last.length, "0")].join(".");
}

/** The driver of one branch, as NVIDIA's repository splits it; with Ubuntu's pre-signed modules where they are asked for. */
function driverPackages({ branch, source }: Environment["software"]["driver"], release: string): MirrorPackage[] {
  const version = `${release}-0ubuntu1`;
  const same = (...names: string[]): string[] => names.map((name) => `${name} (= ${version})`);
  const make = (name: string, rest: Partial<MirrorPackage> = {}): MirrorPackage => ({ area: "cuda", name, version, description: `stand-in for NVIDIA's ${name}`, ...rest });
  const enable = (unit: string): Record<string, string> => ({
    postinst: `#!/bin/sh\nset -e\nsystemctl daemon-reload\nsystemctl -q enable ${unit}\nsystemctl restart ${unit} || true\n`,
    prerm: `#!/bin/sh\nset -e\nsystemctl -q disable --now ${unit} || true\n`,
  });
  return [
    make(`libnvidia-compute-${branch}`, { files: [{ path: driverVersionFile, text: `${release}\n` }] }),
    make(`nvidia-utils-${branch}`, { depends: same(`libnvidia-compute-${branch}`), files: [{ path: "/usr/bin/nvidia-smi", text: nvidiaSmi, executable: true }] }),
    make(`nvidia-compute-utils-${branch}`, {
      depends: same(`libnvidia-compute-${branch}`),
      provides: ["nvidia-persistenced"],
      files: [
        { path: "/usr/bin/nvidia-persistenced", text: "#!/bin/sh\nexec sleep infinity\n", executable: true },
        { path: "/usr/lib/systemd/system/nvidia-persistenced.service", text: serviceUnit("NVIDIA Persistence Daemon (stand-in)", "/usr/bin/nvidia-persistenced") },
      ],
    }),
    make(`nvidia-kernel-source-${branch}-open`),
    make(`nvidia-dkms-${branch}-open`, { depends: ["dkms", ...same(`nvidia-kernel-source-${branch}-open`)] }),
    make(`nvidia-driver-${branch}-open`, { depends: same(`nvidia-dkms-${branch}-open`, `nvidia-utils-${branch}`, `nvidia-compute-utils-${branch}`, `libnvidia-compute-${branch}`) }),
    make(`nvidia-open-${branch}`, { depends: same(`nvidia-driver-${branch}-open`) }),
    make(Number(branch) >= 580 ? "nvidia-fabricmanager" : `nvidia-fabricmanager-${branch}`, {
      files: [
        { path: "/usr/bin/nv-fabricmanager", text: fabricManager(release), executable: true },
        { path: "/usr/lib/systemd/system/nvidia-fabricmanager.service", text: serviceUnit("NVIDIA fabric manager service (stand-in)", "/usr/bin/nv-fabricmanager") },
      ],
      scripts: enable("nvidia-fabricmanager.service"),
    }),
    make(`libnvidia-nscq-${branch}`),
    ...(source === "nvidia"
      ? []
      : [
          make(`linux-modules-nvidia-${branch}-server-open-generic`, { area: "debian" }),
          make(`nvidia-driver-${branch}-server-open`, { area: "debian", depends: same(`nvidia-utils-${branch}`, `nvidia-compute-utils-${branch}`) }),
        ]),
  ];
}

function toolkitPackages(release: string): MirrorPackage[] {
  const version = `${release}-1`;
  const make = (name: string, depends: string[], files: MirrorPackage["files"] = []): MirrorPackage => ({ area: "nvidia-container-toolkit", name, version, description: `stand-in for NVIDIA's ${name}`, depends, files });
  return [
    make("libnvidia-container1", []),
    make("libnvidia-container-tools", [`libnvidia-container1 (>= ${version})`]),
    make("nvidia-container-toolkit-base", [], [{ path: "/usr/bin/nvidia-ctk", text: nvidiaCtk(release), executable: true }]),
    make("nvidia-container-toolkit", [`nvidia-container-toolkit-base (= ${version})`, `libnvidia-container-tools (>= ${version})`]),
  ];
}

function cudaPackages(id: Exclude<Environment["software"]["cudaToolkit"], "none">): MirrorPackage[] {
  const { version, aptPackage } = cudaToolkits[id];
  const home = `/usr/local/cuda-${id}`;
  return [
    {
      area: "cuda",
      name: aptPackage,
      version: `${version}-1`,
      description: "stand-in for NVIDIA's CUDA toolkit",
      files: [{ path: `${home}/bin/nvcc`, text: nvcc(version), executable: true }, { path: `${home}/lib64/README`, text: "stand-in\n" }],
      scripts: { postinst: `#!/bin/sh\nset -e\nupdate-alternatives --install /usr/local/cuda cuda ${home} 120\n`, prerm: `#!/bin/sh\nset -e\nupdate-alternatives --remove cuda ${home}\n` },
    },
  ];
}

/** What the stand-in nvidia-smi answers from; empty for a server without GPUs. */
export function gpuFileText(server: Pick<Server, "gpus">): string {
  if (server.gpus === undefined) return "";
  const fact = gpu(server.gpus.model);
  if (fact === undefined) return "";
  return `${fact.name}\t${Math.round(fact.usableMemoryGiB * 1024)}\t${fact.computeCapability.major}.${fact.computeCapability.minor}\t${fact.powerWatts}\n`.repeat(server.gpus.count);
}

/** What stands in wherever servers are emulated. */
export function emulationStandIns({ software }: Pick<Environment, "software">): StandIn[] {
  return [
    { what: "QEMU in software emulation, 2 cores and 1 GiB each", standsInFor: "the servers; their CPUs, memory, PCIe lanes and speeds are not shown" },
    { what: "sparse files of 128 to 640 MiB behind emulated NVMe, AHCI and rotating drives", standsInFor: "the drives; ids, kinds and count are the environment's" },
    { what: "a udev rule that adds the environment's id to drives whose model name the emulator fixes", standsInFor: "the model names of NVMe drives" },
    { what: "Debian 12, its kernel and initrd loaded by the emulator from the server's own disk", standsInFor: software.os === "debian-12" ? "the boot loader" : "Ubuntu 22.04 and the boot loader" },
    { what: "the image's initramfs with the server's mdadm.conf, modprobe and udev settings laid over it", standsInFor: "a complete mkinitramfs, which takes minutes in software emulation" },
  ];
}

/** The stand-ins of every host rehearsal. */
export function hostStandIns({ site, software, ssh, cluster, monitoring, recovery }: Environment): StandIn[] {
  return [
    ...emulationStandIns({ software }),
    { what: "a signed apt mirror of empty packages with the real names and versions, given as site.mirror.apt", standsInFor: `NVIDIA's driver branch ${software.driver.branch}, fabric manager, container toolkit and CUDA toolkit, and the compilers and libraries of the base environment` },
    { what: "scripts", standsInFor: "nvidia-smi, nvidia-ctk, nvcc, the persistence daemon and the fabric manager: nvidia-smi answers with the environment's GPUs; no GPU and no kernel module of NVIDIA is there" },
    ...(monitoring.enabled ? monitoringStandIns(cluster.distribution !== "none") : []),
    ...(cluster.distribution === "k3s" ? [{ what: "nothing", standsInFor: "k3s on the emulated servers" }] : []),
    ...(recovery.standby.mode === "keepalived" ? [{ what: "nothing", standsInFor: "HAProxy and keepalived on the emulated servers: `rehearse --fault` runs them" }] : []),
    ...(site.objectStore === undefined ? [] : [{ what: "nothing", standsInFor: "the object store: it is left out of the rehearsal" }]),
    ...(ssh.bastion === undefined ? [] : [{ what: "nothing", standsInFor: "the bastion: the servers are reached directly" }]),
  ];
}
