/** How GPUs of one model reach each other apart from PCIe. */
export interface Nvlink {
  /** bridge: a connector between neighbouring PCIe cards. nvswitch: through the switches of an HGX or DGX board. */
  kind: "none" | "bridge" | "nvswitch";
  /** Both directions together; one direction is half of it. */
  totalGBps: number;
  /** Most cards that one bridge joins; 0 where there is no bridge. */
  mostBridged: number;
}

/** Multi-instance GPU: slices with memory and compute of their own. */
export interface MigSupport {
  mostInstances: number;
  /** Profile names as `nvidia-smi mig -lgip` prints them, without `+me` and the like. */
  profiles: readonly string[];
  minimumDriver: string;
}

/** What is known of one GPU model. All throughput is dense: data sheets often print the sparse figure, twice as high. */
export interface GpuFact {
  name: string;
  /** The number on the label. Cards with 80 "GB" hold about 80 GiB, less what the driver keeps. */
  memoryGB: number;
  /** What a CUDA program can have, for sizing: less than the label (facts 4). */
  usableMemoryGiB: number;
  memoryType: string;
  memoryBandwidthGBps: number;
  denseTflops: { fp16: number; fp8?: number; fp4?: number };
  /** As 8.9 or 12.0; compare with {@link hasComputeCapability}. */
  computeCapability: { major: number; minor: number };
  /** FP8 tensor cores. Without them vLLM still runs FP8 weights (less memory, no FP8 arithmetic; facts 0.11). */
  nativeFp8: boolean;
  formFactor: "pcie" | "sxm4" | "sxm5" | "sxm6";
  nvlink: Nvlink;
  pcieGeneration: 4 | 5;
  pcieLanes: 16;
  /** Board power; the upper end where it is configurable. */
  powerWatts: number;
  mig?: MigSupport;
  ecc: boolean;
  /** On NVIDIA's data-centre lists: DCGM's profiling fields and the GPU Operator support these only (facts 1). */
  dataCentre: boolean;
  /** US dollars for one card; absent where no figure was found. */
  priceUsd?: { min: number; max: number; basis: string };
  source: string;
  /** Where sources disagree: what was taken and why. */
  conflict?: string;
}

const noNvlink: Nvlink = { kind: "none", totalGBps: 0, mostBridged: 0 };
const bridgePair = (totalGBps: number): Nvlink => ({ kind: "bridge", totalGBps, mostBridged: 2 });
const nvswitch = (totalGBps: number): Nvlink => ({ kind: "nvswitch", totalGBps, mostBridged: 0 });

const mig = (minimumDriver: string, ...profiles: string[]): MigSupport => ({ mostInstances: 7, profiles, minimumDriver });
const a100Mig = "450.80.02";
const h100Mig = "525.85.12";
const h200Mig = "550.90.07";
const profiles80 = ["1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"];
const profiles40 = ["1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"];
const profiles94 = ["1g.12gb", "1g.24gb", "2g.24gb", "3g.47gb", "4g.47gb", "7g.94gb"];
const profiles141 = ["1g.18gb", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb"];
const profiles180 = ["1g.23gb", "1g.45gb", "2g.45gb", "3g.90gb", "4g.90gb", "7g.180gb"];

const table = "facts 1";
const generalMemory = "usable memory: general knowledge (what CUDA reports with ECC on, rounded down)";
const generalMig = "MIG profile names: general knowledge, count and minimum driver: NVIDIA's MIG guide, release 620";

/** GPUs by catalog id (guide 2.1, 6.1, 6.2; facts 1). */
export const gpuCatalog = {
  "rtx-4090": {
    name: "NVIDIA GeForce RTX 4090",
    memoryGB: 24, usableMemoryGiB: 23.5, memoryType: "GDDR6X", memoryBandwidthGBps: 1008,
    denseTflops: { fp16: 165.2, fp8: 330.3 },
    computeCapability: { major: 8, minor: 9 }, nativeFp8: true,
    formFactor: "pcie", nvlink: noNvlink, pcieGeneration: 4, pcieLanes: 16, powerWatts: 450,
    ecc: false, dataCentre: false,
    priceUsd: { min: 1599, max: 1599, basis: "launch price" },
    source: `${table}; usable memory: facts 4`,
    conflict: "Throughput with FP32 accumulation, which inference engines use; with FP16 accumulation it is twice that (330.3 and 660.6). ECC: an optional software toggle exists, counted as none.",
  },
  "rtx-6000-ada": {
    name: "NVIDIA RTX 6000 Ada Generation",
    memoryGB: 48, usableMemoryGiB: 44.5, memoryType: "GDDR6", memoryBandwidthGBps: 960,
    denseTflops: { fp16: 364, fp8: 728 },
    computeCapability: { major: 8, minor: 9 }, nativeFp8: true,
    formFactor: "pcie", nvlink: noNvlink, pcieGeneration: 4, pcieLanes: 16, powerWatts: 300,
    ecc: true, dataCentre: false,
    priceUsd: { min: 6800, max: 6800, basis: "list price, general knowledge" },
    source: `${table}; no NVLink: general knowledge; ${generalMemory}`,
    conflict: "FP8: 728 in the table, 728.5 from general knowledge; the table's was taken.",
  },
  "a40": {
    name: "NVIDIA A40",
    memoryGB: 48, usableMemoryGiB: 44.4, memoryType: "GDDR6", memoryBandwidthGBps: 696,
    denseTflops: { fp16: 149.7 },
    computeCapability: { major: 8, minor: 6 }, nativeFp8: false,
    formFactor: "pcie", nvlink: bridgePair(112.5), pcieGeneration: 4, pcieLanes: 16, powerWatts: 300,
    ecc: true, dataCentre: true,
    priceUsd: { min: 4500, max: 5500, basis: "general knowledge" },
    source: `${table}; ${generalMemory}`,
  },
  "a100-40gb-pcie": {
    name: "NVIDIA A100 40GB PCIe",
    memoryGB: 40, usableMemoryGiB: 39.4, memoryType: "HBM2", memoryBandwidthGBps: 1555,
    denseTflops: { fp16: 312 },
    computeCapability: { major: 8, minor: 0 }, nativeFp8: false,
    formFactor: "pcie", nvlink: bridgePair(600), pcieGeneration: 4, pcieLanes: 16, powerWatts: 250,
    mig: mig(a100Mig, ...profiles40), ecc: true, dataCentre: true,
    source: `${table}; ${generalMemory}; ${generalMig}`,
    conflict: "A widely used data set lists HBM2e and 1560 GB/s, a rounding; NVIDIA's HBM2 and 1555 were taken. An older page of the MIG guide swaps the minimum drivers of A100 and H100; the release 620 page was taken.",
  },
  "a100-80gb-pcie": {
    name: "NVIDIA A100 80GB PCIe",
    memoryGB: 80, usableMemoryGiB: 79.1, memoryType: "HBM2e", memoryBandwidthGBps: 1935,
    denseTflops: { fp16: 312 },
    computeCapability: { major: 8, minor: 0 }, nativeFp8: false,
    formFactor: "pcie", nvlink: bridgePair(600), pcieGeneration: 4, pcieLanes: 16, powerWatts: 300,
    mig: mig(a100Mig, ...profiles80), ecc: true, dataCentre: true,
    priceUsd: { min: 8000, max: 20000, basis: "used from 8,000, new 15,000 to 20,000" },
    source: `${table}; ${generalMemory}; ${generalMig}`,
  },
  "a100-40gb-sxm4": {
    name: "NVIDIA A100-SXM4-40GB",
    memoryGB: 40, usableMemoryGiB: 39.4, memoryType: "HBM2", memoryBandwidthGBps: 1555,
    denseTflops: { fp16: 312 },
    computeCapability: { major: 8, minor: 0 }, nativeFp8: false,
    formFactor: "sxm4", nvlink: nvswitch(600), pcieGeneration: 4, pcieLanes: 16, powerWatts: 400,
    mig: mig(a100Mig, ...profiles40), ecc: true, dataCentre: true,
    source: `${table}; ${generalMemory}; ${generalMig}`,
  },
  "a100-80gb-sxm4": {
    name: "NVIDIA A100-SXM4-80GB",
    memoryGB: 80, usableMemoryGiB: 79.1, memoryType: "HBM2e", memoryBandwidthGBps: 2039,
    denseTflops: { fp16: 312 },
    computeCapability: { major: 8, minor: 0 }, nativeFp8: false,
    formFactor: "sxm4", nvlink: nvswitch(600), pcieGeneration: 4, pcieLanes: 16, powerWatts: 400,
    mig: mig(a100Mig, ...profiles80), ecc: true, dataCentre: true,
    priceUsd: { min: 8000, max: 15000, basis: "used" },
    source: `${table}; ${generalMemory}; ${generalMig}`,
    conflict: "400 W is the standard board; the custom thermal solution takes up to 500 W.",
  },
  "l40s": {
    name: "NVIDIA L40S",
    memoryGB: 48, usableMemoryGiB: 44.4, memoryType: "GDDR6", memoryBandwidthGBps: 864,
    denseTflops: { fp16: 362, fp8: 733 },
    computeCapability: { major: 8, minor: 9 }, nativeFp8: true,
    formFactor: "pcie", nvlink: noNvlink, pcieGeneration: 4, pcieLanes: 16, powerWatts: 350,
    ecc: true, dataCentre: true,
    priceUsd: { min: 7500, max: 9000, basis: "general knowledge" },
    source: `${table}; ${generalMemory}`,
    conflict: "Power: TechPowerUp and resellers say 300 W, the data sheet 350 W; the data sheet was taken.",
  },
  "h100-pcie": {
    name: "NVIDIA H100 PCIe",
    memoryGB: 80, usableMemoryGiB: 79.1, memoryType: "HBM2e", memoryBandwidthGBps: 2000,
    denseTflops: { fp16: 756, fp8: 1513 },
    computeCapability: { major: 9, minor: 0 }, nativeFp8: true,
    formFactor: "pcie", nvlink: bridgePair(600), pcieGeneration: 5, pcieLanes: 16, powerWatts: 350,
    mig: mig(h100Mig, ...profiles80), ecc: true, dataCentre: true,
    priceUsd: { min: 25000, max: 35000, basis: "reseller blogs" },
    source: `${table}; usable memory: facts 4; ${generalMig}`,
    conflict: "Bandwidth: about 2000 GB/s from NVIDIA, 2040 from TechPowerUp; the lower was taken.",
  },
  "h100-nvl": {
    name: "NVIDIA H100 NVL",
    memoryGB: 94, usableMemoryGiB: 93, memoryType: "HBM3", memoryBandwidthGBps: 3900,
    denseTflops: { fp16: 835, fp8: 1671 },
    computeCapability: { major: 9, minor: 0 }, nativeFp8: true,
    formFactor: "pcie", nvlink: bridgePair(600), pcieGeneration: 5, pcieLanes: 16, powerWatts: 400,
    mig: mig(h100Mig, ...profiles94), ecc: true, dataCentre: true,
    source: `${table}; throughput: general knowledge; ${generalMemory}; ${generalMig}`,
    conflict: "Power is configurable from 350 to 400 W; the upper end was taken.",
  },
  "h100-80gb-sxm5": {
    name: "NVIDIA H100 80GB HBM3",
    memoryGB: 80, usableMemoryGiB: 79.1, memoryType: "HBM3", memoryBandwidthGBps: 3350,
    denseTflops: { fp16: 989, fp8: 1979 },
    computeCapability: { major: 9, minor: 0 }, nativeFp8: true,
    formFactor: "sxm5", nvlink: nvswitch(900), pcieGeneration: 5, pcieLanes: 16, powerWatts: 700,
    mig: mig(h100Mig, ...profiles80), ecc: true, dataCentre: true,
    priceUsd: { min: 25000, max: 30000, basis: "reseller blogs" },
    source: `${table}; usable memory: facts 4; ${generalMig}`,
    conflict: "Several pages print the sparse 3958 as FP8 throughput; the dense figure was taken. vLLM logs show 79.1 to 79.6 GiB usable; the lower was taken.",
  },
  "h200-sxm": {
    name: "NVIDIA H200",
    memoryGB: 141, usableMemoryGiB: 139.5, memoryType: "HBM3e", memoryBandwidthGBps: 4800,
    denseTflops: { fp16: 989, fp8: 1979 },
    computeCapability: { major: 9, minor: 0 }, nativeFp8: true,
    formFactor: "sxm5", nvlink: nvswitch(900), pcieGeneration: 5, pcieLanes: 16, powerWatts: 700,
    mig: mig(h200Mig, ...profiles141), ecc: true, dataCentre: true,
    priceUsd: { min: 32000, max: 32000, basis: "one listing" },
    source: `${table}; ${generalMemory}; ${generalMig}`,
    conflict: "Bandwidth: 4890 GB/s is the memory chips' nominal rate; NVIDIA's 4800 was taken. Pages that call 3.94 PF dense print the sparse figure.",
  },
  "h200-nvl": {
    name: "NVIDIA H200 NVL",
    memoryGB: 141, usableMemoryGiB: 139.5, memoryType: "HBM3e", memoryBandwidthGBps: 4800,
    denseTflops: { fp16: 835, fp8: 1671 },
    computeCapability: { major: 9, minor: 0 }, nativeFp8: true,
    formFactor: "pcie", nvlink: { kind: "bridge", totalGBps: 900, mostBridged: 4 }, pcieGeneration: 5, pcieLanes: 16, powerWatts: 600,
    mig: mig(h200Mig, ...profiles141), ecc: true, dataCentre: true,
    source: `${table}; throughput: general knowledge; ${generalMemory}; ${generalMig}`,
  },
  "b200-sxm": {
    name: "NVIDIA B200",
    memoryGB: 180, usableMemoryGiB: 178, memoryType: "HBM3e", memoryBandwidthGBps: 8000,
    denseTflops: { fp16: 2250, fp8: 4500, fp4: 9000 },
    computeCapability: { major: 10, minor: 0 }, nativeFp8: true,
    formFactor: "sxm6", nvlink: nvswitch(1800), pcieGeneration: 5, pcieLanes: 16, powerWatts: 1000,
    mig: mig("570.133.20", ...profiles180), ecc: true, dataCentre: true,
    priceUsd: { min: 60000, max: 65000, basis: "one GPU's share of a system" },
    source: `${table}; ${generalMemory}; ${generalMig}`,
    conflict: "A widely used data set lists 90 GB and 4100 GB/s, which is one of the two dies; the whole GPU's figures were taken.",
  },
  "rtx-pro-6000-blackwell": {
    name: "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
    memoryGB: 96, usableMemoryGiB: 94.5, memoryType: "GDDR7", memoryBandwidthGBps: 1792,
    denseTflops: { fp16: 503.8, fp8: 1007.6, fp4: 2015 },
    computeCapability: { major: 12, minor: 0 }, nativeFp8: true,
    formFactor: "pcie", nvlink: noNvlink, pcieGeneration: 5, pcieLanes: 16, powerWatts: 600,
    mig: { mostInstances: 4, profiles: ["1g.24gb", "2g.48gb", "4g.96gb"], minimumDriver: "575.51.03" }, ecc: true, dataCentre: false,
    priceUsd: { min: 8000, max: 9200, basis: "April 2026; list price 8,565" },
    source: `${table}; no NVLink: general knowledge; ${generalMemory}; ${generalMig}`,
  },
  "rtx-pro-6000-blackwell-server": {
    name: "NVIDIA RTX PRO 6000 Blackwell Server Edition",
    memoryGB: 96, usableMemoryGiB: 94.5, memoryType: "GDDR7", memoryBandwidthGBps: 1597,
    denseTflops: { fp16: 503.8, fp8: 1007.6, fp4: 2015 },
    computeCapability: { major: 12, minor: 0 }, nativeFp8: true,
    formFactor: "pcie", nvlink: noNvlink, pcieGeneration: 5, pcieLanes: 16, powerWatts: 600,
    mig: { mostInstances: 4, profiles: ["1g.24gb", "2g.48gb", "4g.96gb"], minimumDriver: "575.57.08" }, ecc: true, dataCentre: true,
    source: `${table}; bandwidth and no NVLink: general knowledge; ${generalMemory}; ${generalMig}`,
    conflict: "One article swaps the bandwidths of the Server and Max-Q editions; 1597 for Server was taken. Power is configurable from 400 to 600 W; the upper end was taken. The GPU Operator needs at least 575.57.08 here, later than the MIG guide's 575.51.03, and MIG is unsupported on exactly that release.",
  },
  "rtx-pro-6000-blackwell-max-q": {
    name: "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
    memoryGB: 96, usableMemoryGiB: 94.5, memoryType: "GDDR7", memoryBandwidthGBps: 1792,
    denseTflops: { fp16: 503.8, fp8: 1007.6, fp4: 2015 },
    computeCapability: { major: 12, minor: 0 }, nativeFp8: true,
    formFactor: "pcie", nvlink: noNvlink, pcieGeneration: 5, pcieLanes: 16, powerWatts: 300,
    mig: { mostInstances: 4, profiles: ["1g.24gb", "2g.48gb", "4g.96gb"], minimumDriver: "575.51.03" }, ecc: true, dataCentre: false,
    source: `${table}; bandwidth and no NVLink: general knowledge; ${generalMemory}; ${generalMig}`,
    conflict: "One article gives 1597 GB/s for Max-Q and 1792 for Server; the opposite was taken. Throughput is the 600 W edition's: at 300 W less is reached.",
  },
} as const satisfies Record<string, GpuFact>;

export type GpuId = keyof typeof gpuCatalog;

/** Whether a GPU has at least this compute capability. */
export function hasComputeCapability(fact: GpuFact, major: number, minor: number): boolean {
  const { computeCapability: own } = fact;
  return own.major > major || (own.major === major && own.minor >= minor);
}
