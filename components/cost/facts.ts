import type { CpuId, GpuId } from "../catalog";
import type { Range } from "./range";

/**
 * What money is reckoned with: US dollars, 2024 to 2026. Each figure has its source; "general knowledge" means that no
 * published one was found, and that the range is wide on purpose. All of it is replaced by a quotation in `servers.<name>.price`.
 */

export const hoursPerYear = 8760;

/** Clouds by how they sell GPUs: large general ones, those that sell little but GPUs, and marketplaces and small hosts. */
export type CloudTierName = "hyperscaler" | "specialty" | "long-tail";
export const cloudTierNames = ["hyperscaler", "specialty", "long-tail"] as const satisfies readonly CloudTierName[];

/** List price of one GPU for one hour in one tier. */
export interface CloudPrice extends Range {
  source: string;
}

type CloudPrices = Partial<Record<CloudTierName, CloudPrice>>;

const a100: CloudPrices = {
  "hyperscaler": { low: 1.5, high: 3, source: "facts 9, May 2026" },
  "specialty": { low: 1.1, high: 1.5, source: "facts 9, May 2026" },
  "long-tail": { low: 0.8, high: 1.1, source: "facts 9, May 2026" },
};
const a100Small: CloudPrices = { "hyperscaler": { low: 1.84, high: 1.84, source: "facts 9, one listing, late 2024" } };

/** Cloud list prices by GPU. A GPU or a tier that is absent has no price that was found: it is not compared, and said so. */
export const cloudUsdPerGpuHour: Partial<Record<GpuId, CloudPrices>> = {
  "a100-80gb-pcie": a100,
  "a100-80gb-sxm4": a100,
  "a100-40gb-pcie": a100Small,
  "a100-40gb-sxm4": a100Small,
  "h100-80gb-sxm5": {
    "hyperscaler": { low: 3.5, high: 5, source: "facts 9, May 2026" },
    "specialty": { low: 2.5, high: 3.5, source: "facts 9, May 2026" },
    "long-tail": { low: 1.99, high: 2.5, source: "facts 9, May 2026" },
  },
  "h200-sxm": {
    "hyperscaler": { low: 4.5, high: 7, source: "facts 9, May 2026" },
    "specialty": { low: 3.5, high: 4.5, source: "facts 9, May 2026" },
    "long-tail": { low: 2.5, high: 3.5, source: "facts 9, May 2026" },
  },
  "b200-sxm": { "specialty": { low: 6.03, high: 6.03, source: "facts 9, one listing, March 2026" } },
  "l40s": {
    "hyperscaler": { low: 1.86, high: 3.5, source: "modal.com, price overview, August 2025" },
    "specialty": { low: 1.29, high: 2.25, source: "modal.com, price overview, August 2025" },
    "long-tail": { low: 0.79, high: 1.4, source: "deploybase.ai, March 2026" },
  },
  "rtx-6000-ada": { "specialty": { low: 1.33, high: 1.91, source: "docs.runpod.io, serverless workers, always on to flexible" } },
  "a40": { "specialty": { low: 0.86, high: 1.22, source: "docs.runpod.io, serverless workers, always on to flexible" } },
  "rtx-4090": {
    "specialty": { low: 0.76, high: 1.12, source: "docs.runpod.io, serverless workers, always on to flexible" },
    "long-tail": { low: 0.34, high: 0.88, source: "deploybase.ai, March 2026, and usagepricing.com, June 2026" },
  },
};

/** Storage, traffic, support and idle machines, over the price of the GPU (facts 9). */
export const hiddenExtrasShare: Range = { low: 0.3, high: 0.5 };
/** What one to three years' commitment takes off; all hours are then paid, used or not (facts 9). */
export const reservedDiscount: Range = { low: 0.3, high: 0.6 };

/** Whole servers that are sold and priced as one, for each of their eight GPUs. */
export const systemUsdPerGpu: Partial<Record<GpuId, Range & { source: string }>> = {
  "h100-80gb-sxm5": { low: 37_500, high: 43_750, source: "facts 9: 300,000 to 350,000 for a server of eight" },
  "b200-sxm": { low: 60_000, high: 65_000, source: "facts 1: one GPU's share of a system" },
};
export const gpusOfSystem = 8;

/** Intel's and AMD's list prices (general knowledge). */
export const cpuListUsd: Record<CpuId, number> = {
  "xeon-silver-4310": 501, "xeon-gold-6348": 3072, "xeon-platinum-8380": 8099, "epyc-7543": 3761,
  "xeon-platinum-8480c": 10_710, "xeon-platinum-8480-plus": 10_710, "xeon-gold-6430": 2128, "xeon-gold-6448y": 3583, "xeon-platinum-8462y-plus": 5945,
  "epyc-9354": 3420, "epyc-9554": 9087, "epyc-9654": 11_805,
};
/** From half of the list price, for older CPUs, to all of it (general knowledge). */
export const cpuShareOfList: Range = { low: 0.5, high: 1 };

/**
 * Chassis, board, power supplies and cooling, and what each GPU adds to them: slots and risers, or an SXM baseboard with
 * its share of NVSwitch (general knowledge). With them eight H100 come to a range that holds the published price of the server.
 */
export const hostUsd: Readonly<Record<"chassis" | "pcieSlot" | "sxmSlot", Range>> = {
  chassis: { low: 1500, high: 4000 },
  pcieSlot: { low: 400, high: 1200 },
  sxmSlot: { low: 4000, high: 9000 },
};
/** Registered ECC modules. They have more than doubled and halved within two years (general knowledge). */
export const memoryUsdPerGiB: Range = { low: 4, high: 15 };
/** For each decimal terabyte on the label (general knowledge). */
export const driveUsdPerTB: Readonly<Record<"nvme" | "sata-ssd" | "hdd", Range>> = {
  "nvme": { low: 70, high: 250 },
  "sata-ssd": { low: 60, high: 200 },
  "hdd": { low: 15, high: 40 },
};
/** One port's share of an adapter; up to 25 Gbit/s are mostly on the board (general knowledge). */
export function nicUsd(speedGbps: number): Range {
  if (speedGbps <= 25) return { low: 0, high: 300 };
  return speedGbps <= 100 ? { low: 400, high: 1200 } : { low: 1000, high: 2500 };
}

/** Switches and cables, over the purchase of the servers (facts 9). */
export const networkShare: Range = { low: 0.1, high: 0.15 };
/** Repairs, spares and contracts a year, of the purchase of the servers (facts 9). */
export const maintenanceSharePerYear: Range = { low: 0.05, high: 0.1 };
/** What the servers still fetch after 36 months (facts 9). Other times: the same loss each year. */
export const residualShareAt36Months: Range = { low: 0.25, high: 0.35 };
/** A quarter to half of an administrator (facts 9), for each eight servers begun (general knowledge). */
export const peopleUsdPerYear: Range = { low: 20_000, high: 50_000 };
export const serversPerTeam = 8;

/** Where the environment states none (facts 9). */
export const electricityUsdPerKWh: Range = { low: 0.06, high: 0.12 };
/**
 * A server's draw at work over what its GPUs, CPUs and NPUs may draw: a DGX H100 takes 6.5 to 8.5 kW at work and 10.2 kW
 * at most (facts 9), its eight GPUs and two CPUs 6.3 kW (facts 1 and 2).
 */
export const drawOverProcessors: Range = { low: 6.5 / 6.3, high: 8.5 / 6.3 };
export const peakOverProcessors = 10.2 / 6.3;
/** Rented space, power and cooling for each kilowatt. Sources differ threefold: 450 a year to 250 a month (facts 9). */
export const colocationUsdPerKilowattMonth: Range = { low: 450 / 12, high: 250 };

/** Guide 1. */
export const guideSaving = { share: 0.67, years: 5, people: 30 } as const;
