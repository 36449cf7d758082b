import { cpu, gpu, type GpuFact } from "../catalog";
import { planTiers } from "../servers/tiers-plan";
import type { Environment, Server } from "../environment/schema";

const gibibyte = 1024 ** 3;

/** Devices of one kind that a node offers to pods. */
export interface DeviceCapacity {
  /** GPU catalog id, or an NPU's resource name. */
  accelerator: string;
  /** Extended resource: nvidia.com/gpu, nvidia.com/mig-1g.10gb, vendor.example/npu. */
  resource: string;
  count: number;
  gpu?: GpuFact;
  /** What a program can have of one device: of a whole GPU where time-slicing shares it. 0 where it is not known (NPUs). */
  usableBytes: number;
  /** Sizes of the groups within which devices reach each other over NVLink: [2, 2], or [8]; all in one group where there is no NVLink. */
  groups: number[];
  /** Most devices that reach each other over NVLink; 1 where there is none. */
  nvlinkDomain: number;
  /** Pods that take turns on one GPU. Their memory is not isolated. */
  sharedBy: number;
  /** 1 for slices and shares of a GPU, which cannot work together. */
  mostPerReplica: number;
}

/** What the node of a server holds, and what of it workloads can have. */
export interface NodeCapacity {
  /** Physical cores: hardware threads are not counted, so that a plan holds with them on and off. */
  cpus: number;
  memoryGiB: number;
  /** After what the kubelet sets aside for the system (k3s's server where there is one). */
  allocatable: { cpus: number; memoryGiB: number };
  /** After device plugins, exporters and other pods of the cluster itself. */
  forWorkloads: { cpus: number; memoryGiB: number };
  /** GPUs, NPUs. */
  devices: DeviceCapacity[];
  /** Decimal gigabytes of the hot tier, after the filesystem; absent where there is none. */
  hotTierGB?: number;
}

/** The kernel and firmware keep this of what the label says: an assumption. */
const memoryShareOfLabel = 0.98;
/** Set aside for the system, the kubelet and containerd; more where the API server and its store run: assumptions. */
const systemReserve = { cpus: 1, memoryGiB: 4 };
const controlPlaneReserve = { cpus: 1, memoryGiB: 4 };
/** Device plugin, exporters, DNS, ingress and monitoring: an assumption. */
const clusterPods = { cpus: 1, memoryGiB: 4 };
/** XFS's metadata and the room that keeps it fast: an assumption. */
const filesystemShare = 0.95;
/** What `nvidia-smi mig -lgip` shows of a profile's label: 9.5 GiB of 1g.10gb (general knowledge). */
const sliceShareOfLabel = 0.95;

/** How many slices of one MIG profile a card holds: bound by its seven compute slices and by its memory. */
export function migSlices(fact: GpuFact, profile: string): number {
  const match = /^(\d+)g\.(\d+)gb/.exec(profile);
  if (match === null) return 0;
  if (profile.includes("+me")) return 1;
  const [compute, memoryGB] = [Number(match[1]), Number(match[2])];
  return Math.min(Math.floor((fact.mig?.mostInstances ?? 0) / compute), Math.max(1, Math.round(fact.memoryGB / memoryGB)));
}

function sliceBytes(profile: string): number {
  const memoryGB = Number(/\.(\d+)gb/.exec(profile)?.[1] ?? 0);
  return memoryGB * sliceShareOfLabel * gibibyte;
}

/** Resource that the device plugin's mixed strategy gives slices of a profile. */
export function migResource(profile: string): string {
  return `nvidia.com/mig-${profile.replace("+", ".")}`;
}

function groupsOf(count: number, size: number): number[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, index) => Math.min(size, count - index * size));
}

function gpuDevices(gpus: NonNullable<Server["gpus"]>, timeSlicing: number | undefined): DeviceCapacity | undefined {
  const fact = gpu(gpus.model);
  if (fact === undefined) return undefined;
  const common = { accelerator: gpus.model, gpu: fact };
  if (gpus.mig !== undefined) {
    const count = gpus.count * migSlices(fact, gpus.mig);
    return { ...common, resource: migResource(gpus.mig), count, usableBytes: sliceBytes(gpus.mig), groups: groupsOf(count, 1), nvlinkDomain: 1, sharedBy: 1, mostPerReplica: 1 };
  }
  const usableBytes = fact.usableMemoryGiB * gibibyte;
  const sharedBy = timeSlicing ?? 1;
  if (sharedBy > 1) {
    const count = gpus.count * sharedBy;
    return { ...common, resource: "nvidia.com/gpu", count, usableBytes, groups: groupsOf(count, 1), nvlinkDomain: 1, sharedBy, mostPerReplica: 1 };
  }
  const domain = gpus.nvlink === "nvswitch" ? gpus.count : gpus.nvlink === "bridge" ? Math.max(1, Math.min(gpus.count, fact.nvlink.mostBridged)) : 1;
  const groups = domain > 1 ? groupsOf(gpus.count, domain) : [gpus.count];
  return { ...common, resource: "nvidia.com/gpu", count: gpus.count, usableBytes, groups, nvlinkDomain: domain, sharedBy: 1, mostPerReplica: gpus.count };
}

function npuDevices({ resourceName, count }: NonNullable<Server["npus"]>): DeviceCapacity {
  return { accelerator: resourceName, resource: resourceName, count, usableBytes: 0, groups: [count], nvlinkDomain: 1, sharedBy: 1, mostPerReplica: count };
}

/** What a server's node offers, from the environment alone: planner, cluster and rehearsal agree on it. */
export function nodeCapacity(server: Server, environment: Pick<Environment, "cluster">): NodeCapacity {
  const cpus = (cpu(server.cpu.model)?.coresPerSocket ?? 1) * server.cpu.sockets;
  const memoryGiB = Math.floor(server.memoryGiB * memoryShareOfLabel);
  const ofControlPlane = server.roles.includes("control-plane");
  const less = (from: { cpus: number; memoryGiB: number }, take: { cpus: number; memoryGiB: number }): { cpus: number; memoryGiB: number } => ({
    cpus: Math.max(0, from.cpus - take.cpus),
    memoryGiB: Math.max(0, from.memoryGiB - take.memoryGiB),
  });
  const system = less({ cpus, memoryGiB }, systemReserve);
  const allocatable = ofControlPlane ? less(system, controlPlaneReserve) : system;
  const devices = [
    ...(server.gpus === undefined ? [] : [gpuDevices(server.gpus, environment.cluster.timeSlicing)].filter((each) => each !== undefined)),
    ...(server.npus === undefined ? [] : [npuDevices(server.npus)]),
  ];
  const hot = planTiers("", server).find(({ tier }) => tier === "hot");
  return { cpus, memoryGiB, allocatable, forWorkloads: less(allocatable, clusterPods), devices, ...(hot === undefined ? {} : { hotTierGB: hot.usableGB * filesystemShare }) };
}
