import { cpu, gpu } from "../catalog";
import type { Server } from "../environment";
import { cpuListUsd, cpuShareOfList, driveUsdPerTB, gpusOfSystem, hostUsd, memoryUsdPerGiB, nicUsd, systemUsdPerGpu } from "./facts";
import { add, point, times, type Range } from "./range";

/** What one server costs to buy, in US dollars. */
export interface ServerParts {
  /** system: sold as one, at a published price. parts: the sum of the rest. */
  basis: "system" | "parts";
  total: Range;
  /** The GPUs alone; absent where they have no price, or none apart from the server's. */
  gpus?: Range;
  /** Parts without any price, which the total leaves out. */
  missing: string[];
}

function gpuParts(server: Server): { price?: Range; slots: Range; missing: string[] } {
  if (server.gpus === undefined) return { slots: point(0), missing: [] };
  const { model, count } = server.gpus;
  const fact = gpu(model);
  const slots = times(fact?.formFactor === "pcie" ? hostUsd.pcieSlot : hostUsd.sxmSlot, count);
  if (fact?.priceUsd === undefined) return { slots, missing: [`${count}x ${fact?.name ?? model}`] };
  return { price: times({ low: fact.priceUsd.min, high: fact.priceUsd.max }, count), slots, missing: [] };
}

function systemPrice({ gpus }: Server): Range | undefined {
  const known: Readonly<Record<string, Range>> = systemUsdPerGpu;
  const perGpu = gpus?.count === gpusOfSystem && Object.hasOwn(known, gpus.model) ? known[gpus.model] : undefined;
  return perGpu === undefined ? undefined : times({ low: perGpu.low, high: perGpu.high }, gpusOfSystem);
}

/** A server's price as the sum of its parts (GPUs: facts 1; the rest: general knowledge). */
export function sumOfParts(server: Server): ServerParts {
  const gpus = gpuParts(server);
  const list: Readonly<Record<string, number>> = cpuListUsd;
  const cpuUsd = list[server.cpu.model];
  const npus = server.npus === undefined ? [] : [`${server.npus.count}x ${server.npus.resourceName}`];
  const total = add(
    gpus.price ?? point(0),
    hostUsd.chassis,
    gpus.slots,
    cpuUsd === undefined ? point(0) : times(cpuShareOfList, cpuUsd * server.cpu.sockets),
    times(memoryUsdPerGiB, server.memoryGiB),
    ...Object.values(server.drives).map(({ kind, capacityGB }) => times(driveUsdPerTB[kind], capacityGB / 1000)),
    ...Object.values(server.nics).map(({ speedGbps }) => nicUsd(speedGbps)),
  );
  return { basis: "parts", total, ...(gpus.price === undefined ? {} : { gpus: gpus.price }), missing: [...gpus.missing, ...npus, ...(cpuUsd === undefined ? [`${server.cpu.sockets}x ${server.cpu.model}`] : [])] };
}

/** A server's price: published for the whole where there is one, else the sum of its parts. */
export function catalogPrice(server: Server): ServerParts {
  const whole = systemPrice(server);
  return whole === undefined || server.npus !== undefined ? sumOfParts(server) : { basis: "system", total: whole, missing: [] };
}

/** What the GPUs, CPUs and NPUs of a server may draw together; the rest of the server is reckoned from it. */
export function processorWatts(server: Server): number {
  const board = server.gpus === undefined ? 0 : (gpu(server.gpus.model)?.powerWatts ?? 0);
  const gpus = (server.gpus?.count ?? 0) * Math.min(server.gpus?.powerLimitWatts ?? Infinity, board);
  return gpus + (server.npus?.count ?? 0) * (server.npus?.powerWatts ?? 0) + server.cpu.sockets * (cpu(server.cpu.model)?.powerWattsPerSocket ?? 0);
}
