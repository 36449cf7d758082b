import { cpuFact, gpuFact } from "../catalog";
import type { Server } from "../../components/environment/schema";

/**
 * Watts that a server draws under load: what its GPUs, CPUs and NPUs may draw, and a share for fans, memory, drives,
 * network and conversion. The share is general knowledge and on the low side: a DGX H100 is rated 60 % above its
 * GPUs and CPUs. A rule that stops a plan must not overestimate.
 */
export function serverWatts(server: Server, overheadPercent: number): number {
  const gpus = server.gpus ? server.gpus.count * Math.min(server.gpus.powerLimitWatts ?? Infinity, gpuFact(server.gpus.model).powerWatts) : 0;
  const npus = server.npus ? server.npus.count * (server.npus.powerWatts ?? 0) : 0;
  const cpus = server.cpu.sockets * cpuFact(server.cpu.model).powerWattsPerSocket;
  return Math.round((gpus + npus + cpus) * (1 + overheadPercent / 100));
}

export const overheadPercent = {
  type: "number",
  minimum: 0,
  maximum: 200,
  description: "Draw of fans, memory, drives, network and conversion, over that of GPUs, CPUs and NPUs.",
  default: 15,
} as const;
