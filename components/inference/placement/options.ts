import { gpu } from "../../catalog";
import { chooseParallel, type DeviceShape, type ReplicaChoice, type ReplicaRequest } from "../sizing";
import type { Links } from "../sizing/roofline";
import { cpuOption, type CpuNeed } from "./cpu-replica";
import { gpuSupport, runsOnCpu } from "./engine-choice";
import type { ServerState } from "./servers";
import type { ServiceRequest } from "./service-request";

/** One way to run a replica: on servers of one shape, on an NPU, or on the CPU. */
export interface PlacementOption {
  accelerator: string;
  /** Absent on the CPU. */
  resource?: string;
  /** Which servers can have it. */
  servesOn: (state: ServerState) => boolean;
  devicesPerPod: number;
  /** Devices that must be in one NVLink group. */
  together: number;
  servers: number;
  choice: ReplicaChoice;
  links?: Links;
  notes: string[];
  cpu?: CpuNeed;
}

/** What was found for one request on one shape: services that are alike are sized once. */
export type OptionCache = Map<string, PlacementOption | undefined>;

/** Servers with alike devices, for one resource. */
export interface ShapeGroup {
  key: string;
  resource: string;
  shape: DeviceShape;
  servers: number;
}

/** Shapes of all servers, sorted by key. */
export function shapeGroups(states: readonly ServerState[]): ShapeGroup[] {
  const groups = new Map<string, ShapeGroup>();
  for (const { shapes, shapeKeys } of states) {
    for (const [resource, shape] of shapes) {
      const key = shapeKeys.get(resource) ?? "";
      const known = groups.get(key);
      if (known === undefined) groups.set(key, { key, resource, shape, servers: 1 });
      else known.servers++;
    }
  }
  return [...groups.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function sharingNotes({ shape, resource }: ShapeGroup): string[] {
  if (shape.sharedBy > 1) return [`${shape.sharedBy} pods take turns on one ${shape.gpu.name}: their memory is not isolated, and each is told to use ${(100 / shape.sharedBy).toFixed(0)} % of what it would use alone`];
  if (resource !== "nvidia.com/gpu") return [`runs on a MIG slice (${resource})`];
  return [];
}

function gpuOption({ request, engine }: ServiceRequest, group: ShapeGroup): PlacementOption | undefined {
  const support = gpuSupport(engine.engine, group.shape.gpu, request.precision);
  if (support.fault !== undefined) return undefined;
  const choice = chooseParallel(request, group.shape, group.servers);
  if (choice === undefined) return undefined;
  const { tensorParallel, pipelineParallel, servers } = choice.split;
  return {
    accelerator: group.shape.accelerator,
    resource: group.resource,
    servesOn: ({ shapeKeys }) => shapeKeys.get(group.resource) === group.key,
    devicesPerPod: (tensorParallel * pipelineParallel) / servers,
    together: tensorParallel <= group.shape.nvlinkDomain ? tensorParallel : 1,
    servers,
    choice,
    links: { nvlink: tensorParallel <= group.shape.nvlinkDomain, pcieGeneration: group.shape.pcieGeneration },
    notes: [...(support.note === undefined ? [] : [support.note]), ...sharingNotes(group)],
  };
}

function npuOption({ request }: ServiceRequest, resource: string): PlacementOption {
  const { choice } = cpuOption(request);
  const devices = request.gpus ?? 1;
  const split = { tensorParallel: request.tensorParallel ?? devices, pipelineParallel: 1, servers: 1 };
  return {
    accelerator: resource, resource, servesOn: ({ devices: all }) => all.some((device) => device.resource === resource && device.gpu === undefined),
    devicesPerPod: devices, together: 1, servers: 1,
    choice: { split, sizing: { ...choice.sizing, ...{ tensorParallel: split.tensorParallel }, reasons: [`${devices} ${resource} a replica: ${request.gpus === undefined ? "one where nothing is stated" : "as stated"}`] } },
    notes: [`memory of ${resource} is not in the catalog: whether the model fits it is not checked, and the engine must be the vendor's build`],
  };
}

/** Total memory that a replica takes of the site: the less, the better, where nothing is preferred. */
function claim({ choice, devicesPerPod, servers }: PlacementOption): number {
  return devicesPerPod * servers * choice.sizing.memory.usableBytes;
}

/** Ways to run a replica, best first: in the order of `accelerators` where it is written, else the least memory first. */
export function placementOptions(service: ServiceRequest, groups: readonly ShapeGroup[], cache: OptionCache): PlacementOption[] {
  const wanted = service.spec.accelerators;
  const requestKey = cacheKey(service.request);
  const onGpus = (ids: (id: string) => boolean): PlacementOption[] =>
    groups
      .filter(({ shape }) => ids(shape.accelerator))
      .map((group) => {
        const key = `${group.key} ${group.servers} ${requestKey}`;
        if (!cache.has(key)) cache.set(key, gpuOption(service, group));
        return cache.get(key);
      })
      .filter((option) => option !== undefined)
      .sort((a, b) => a.servers - b.servers || claim(a) - claim(b));
  if (wanted.length === 0) return onGpus(() => true);
  return wanted.flatMap((accelerator) => {
    if (accelerator === "cpu") return runsOnCpu(service.engine.engine) ? [cpuOption(service.request)] : [];
    return gpu(accelerator) === undefined ? [npuOption(service, accelerator)] : onGpus((id) => id === accelerator);
  });
}

function cacheKey({ model, moreModels, ...rest }: ReplicaRequest): string {
  return JSON.stringify([model, moreModels ?? [], Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
