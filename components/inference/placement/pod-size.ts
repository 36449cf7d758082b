import { gibibyte } from "../sizing";
import type { PlacementOption } from "./options";
import { freeDevices, type ServerState } from "./servers";

/** Request and limit of one pod on the host. */
export interface PodSize {
  cpus: number;
  memoryGiB: number;
}

/** One core for the server's own loop and one for its clients, and some for each GPU that is fed: assumptions. */
const engineCpus = 2;
const cpusPerDevice = 4;
const leastCpus = 1;
/** The engine itself, pinned buffers and shared memory for each device, and a quarter of the weights on their way to it: assumptions. */
const engineMemoryGiB = 8;
const memoryGiBPerDevice = 8;
const weightsOnTheirWay = 0.25;
const leastMemoryGiB = 6;
const cpuReplica = { cpus: 4, least: 2 };

/** What a pod with devices would like to have. */
function wish({ devicesPerPod, choice }: PlacementOption): PodSize {
  const weightsGiB = (choice.sizing.memory.weightsBytes * devicesPerPod) / gibibyte;
  return { cpus: engineCpus + cpusPerDevice * devicesPerPod, memoryGiB: Math.ceil(engineMemoryGiB + memoryGiBPerDevice * devicesPerPod + weightsOnTheirWay * weightsGiB) };
}

/**
 * What a pod gets on a server: what it would like, bound by its devices' share of what is free, so that the last device
 * finds as much as the first. Pods on the CPU leave each free device the least that it needs.
 * @returns undefined where even the least is not there.
 */
export function podSize(state: ServerState, option: PlacementOption): PodSize | undefined {
  const devices = state.devices.reduce((sum, { resource }) => sum + freeDevices(state, resource), 0);
  if (option.cpu !== undefined) {
    const cpus = Math.min(cpuReplica.cpus, Math.floor(state.cpus - devices * leastCpus));
    const free = Math.floor(state.memoryGiB - devices * leastMemoryGiB);
    return cpus < cpuReplica.least || free < option.cpu.memoryGiB ? undefined : { cpus, memoryGiB: option.cpu.memoryGiB };
  }
  const share = devices === 0 ? 0 : option.devicesPerPod / devices;
  const wanted = wish(option);
  const cpus = Math.min(wanted.cpus, Math.floor(state.cpus * share));
  const memoryGiB = Math.min(wanted.memoryGiB, Math.floor(state.memoryGiB * share));
  return cpus < leastCpus || memoryGiB < leastMemoryGiB ? undefined : { cpus, memoryGiB };
}
