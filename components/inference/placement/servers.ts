import { nodeCapacity, type DeviceCapacity } from "../../cluster/capacity";
import type { Environment, Server } from "../../environment/schema";
import type { DeviceShape } from "../sizing";

/** What is still free on one server while services are placed. */
export interface ServerState {
  readonly name: string;
  readonly rack: string | undefined;
  readonly devices: readonly DeviceCapacity[];
  readonly shapes: ReadonlyMap<string, DeviceShape>;
  /** By resource: equal where servers' devices are alike. */
  readonly shapeKeys: ReadonlyMap<string, string>;
  cpus: number;
  memoryGiB: number;
  /** Absent where there is no hot tier. */
  hotGB: number | undefined;
  /** By resource: free devices of each NVLink group. Never changed in place. */
  groups: ReadonlyMap<string, readonly number[]>;
  folders: ReadonlySet<string>;
}

function shapeOf(device: DeviceCapacity, server: Server): DeviceShape | undefined {
  if (device.gpu === undefined) return undefined;
  const { accelerator, gpu, usableBytes, count, nvlinkDomain, sharedBy, mostPerReplica } = device;
  return { accelerator, gpu, usableBytes, devicesPerServer: count, nvlinkDomain, sharedBy, mostPerReplica, pcieGeneration: Math.min(server.pcieGeneration, gpu.pcieGeneration) };
}

function shapeKey(resource: string, { accelerator, devicesPerServer, nvlinkDomain, sharedBy, pcieGeneration }: DeviceShape): string {
  return [accelerator, resource, devicesPerServer, nvlinkDomain, sharedBy, pcieGeneration].join(" ");
}

/** Every worker, sorted by name, with all that it has. */
export function serverStates(environment: Environment): ServerState[] {
  return Object.entries(environment.servers)
    .filter(([, server]) => server.roles.includes("worker"))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, server]) => {
      const capacity = nodeCapacity(server, environment);
      const shapes = new Map<string, DeviceShape>();
      for (const device of capacity.devices) {
        const shape = shapeOf(device, server);
        if (shape !== undefined) shapes.set(device.resource, shape);
      }
      return {
        name,
        rack: server.rack?.name,
        devices: capacity.devices,
        shapes,
        shapeKeys: new Map([...shapes].map(([resource, shape]) => [resource, shapeKey(resource, shape)])),
        ...capacity.forWorkloads,
        hotGB: capacity.hotTierGB,
        groups: new Map(capacity.devices.map(({ resource, groups }) => [resource, groups])),
        folders: new Set<string>(),
      };
    });
}

export function freeDevices(state: ServerState, resource: string): number {
  let sum = 0;
  for (const free of state.groups.get(resource) ?? []) sum += free;
  return sum;
}

/**
 * Free devices of each group after `count` of them are taken, `together` at a time from one group: from the one that has
 * least to spare, so that whole groups stay free.
 * @returns undefined where there are not enough.
 */
export function takeDevices(groups: readonly number[], count: number, together: number): number[] | undefined {
  const left = [...groups];
  for (let taken = 0; taken < count; taken += together) {
    let best = -1;
    for (const [index, free] of left.entries()) {
      if (free >= together && (best < 0 || free < (left[best] ?? 0))) best = index;
    }
    if (best < 0) return undefined;
    left[best] = (left[best] ?? 0) - together;
  }
  return left;
}

/** Decimal gigabytes that folders take which are not on a server yet. */
export function newFoldersGB(state: ServerState, folders: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [folder, gigabytes] of folders) if (!state.folders.has(folder)) sum += gigabytes;
  return sum;
}
