import { describe, expect, it } from "vitest";
import { cpu, cpuCatalog, gpu, gpuCatalog, hasComputeCapability, pcieLanes, type CpuFact, type GpuFact } from "../../components/catalog";

const gpus = Object.entries<GpuFact>(gpuCatalog);
const cpus = Object.entries<CpuFact>(cpuCatalog);

describe("every GPU", () => {
  it.each(gpus)("%s has a source, a kebab-case id and positive figures", (id, fact) => {
    expect(id).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    expect(fact.source).toMatch(/facts 1/);
    for (const figure of [fact.memoryGB, fact.usableMemoryGiB, fact.memoryBandwidthGBps, fact.denseTflops.fp16, fact.powerWatts]) expect(figure).toBeGreaterThan(0);
  });

  it.each(gpus)("%s gives less usable memory than its label says, and not much less", (_id, fact) => {
    expect(fact.usableMemoryGiB).toBeLessThan(fact.memoryGB);
    expect(fact.usableMemoryGiB).toBeGreaterThan(fact.memoryGB * 0.92);
  });

  it.each(gpus)("%s has dense throughput that halves with every doubling of precision", (_id, { denseTflops, nativeFp8 }) => {
    expect(denseTflops.fp8 !== undefined).toBe(nativeFp8);
    if (denseTflops.fp8 !== undefined) expect(denseTflops.fp8 / denseTflops.fp16).toBeCloseTo(2, 1);
    if (denseTflops.fp4 !== undefined) expect(denseTflops.fp4 / (denseTflops.fp8 ?? 0)).toBeCloseTo(2, 1);
  });

  it.each(gpus)("%s has FP8 cores exactly from compute capability 8.9 on", (_id, fact) => {
    expect(fact.nativeFp8).toBe(hasComputeCapability(fact, 8, 9));
  });

  it.each(gpus)("%s has the NVLink of its form: SXM modules sit behind NVSwitch, PCIe cards never do", (_id, { formFactor, nvlink }) => {
    expect(nvlink.kind === "nvswitch").toBe(formFactor !== "pcie");
    expect(nvlink.totalGBps > 0).toBe(nvlink.kind !== "none");
    expect(nvlink.mostBridged >= 2).toBe(nvlink.kind === "bridge");
  });

  it.each(gpus)("%s has MIG profiles whose memory fits the card, the largest of them the whole card", (_id, { mig, memoryGB }) => {
    if (mig === undefined) return;
    const sizes = mig.profiles.map((profile) => /^(\d)g\.(\d+)gb$/.exec(profile)?.slice(1).map(Number) ?? []);
    for (const [slices = 0, gigabytes = 0] of sizes) {
      expect(slices).toBeLessThanOrEqual(mig.mostInstances);
      expect(gigabytes).toBeLessThanOrEqual(memoryGB);
    }
    expect(sizes.at(-1)).toEqual([mig.mostInstances, memoryGB]);
    expect(mig.minimumDriver).toMatch(/^\d{3}(\.\d+)+$/);
  });

  it("has MIG only where NVIDIA's list has it (facts 1)", () => {
    const without = gpus.filter(([, { mig }]) => mig === undefined).map(([id]) => id);
    expect(without.sort()).toEqual(["a40", "l40s", "rtx-4090", "rtx-6000-ada"]);
  });
});

describe("the GPU table", () => {
  // Values of facts 1 that sources disagree on: the one that was taken.
  it.each([
    ["rtx-4090", { memoryGB: 24, memoryBandwidthGBps: 1008, denseTflops: { fp16: 165.2, fp8: 330.3 }, powerWatts: 450, ecc: false }],
    ["a40", { memoryGB: 48, memoryBandwidthGBps: 696, denseTflops: { fp16: 149.7 }, powerWatts: 300 }],
    ["a100-40gb-pcie", { memoryType: "HBM2", memoryBandwidthGBps: 1555, powerWatts: 250 }],
    ["a100-80gb-pcie", { memoryBandwidthGBps: 1935, powerWatts: 300 }],
    ["a100-80gb-sxm4", { memoryBandwidthGBps: 2039, powerWatts: 400 }],
    ["l40s", { powerWatts: 350, denseTflops: { fp16: 362, fp8: 733 } }],
    ["h100-80gb-sxm5", { memoryBandwidthGBps: 3350, denseTflops: { fp16: 989, fp8: 1979 }, powerWatts: 700, pcieGeneration: 5 }],
    ["h100-nvl", { memoryGB: 94, memoryBandwidthGBps: 3900 }],
    ["h200-sxm", { memoryGB: 141, memoryBandwidthGBps: 4800 }],
    ["b200-sxm", { memoryGB: 180, memoryBandwidthGBps: 8000, denseTflops: { fp16: 2250, fp8: 4500, fp4: 9000 }, powerWatts: 1000 }],
    ["rtx-pro-6000-blackwell-server", { memoryBandwidthGBps: 1597 }],
  ])("%s is as facts 1 settles it", (id, expected) => {
    expect(gpu(id)).toMatchObject(expected);
  });

  it("has every row of facts 1", () => {
    expect(gpus.map(([id]) => id)).toEqual([
      "rtx-4090", "rtx-6000-ada", "a40", "a100-40gb-pcie", "a100-80gb-pcie", "a100-40gb-sxm4", "a100-80gb-sxm4", "l40s", "h100-pcie", "h100-nvl",
      "h100-80gb-sxm5", "h200-sxm", "h200-nvl", "b200-sxm", "rtx-pro-6000-blackwell", "rtx-pro-6000-blackwell-server", "rtx-pro-6000-blackwell-max-q",
    ]);
  });

  it("knows no GPU by the names that every object has", () => {
    for (const id of ["toString", "constructor", "__proto__", "hasOwnProperty", ""]) expect(gpu(id)).toBeUndefined();
  });
});

describe("every CPU", () => {
  it.each(cpus)("%s has a source, a kebab-case id and the figures of its generation", (id, fact) => {
    expect(id).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    expect(fact.source).toMatch(/facts 2/);
    const lanes = { "ice-lake": [4, 64], "milan": [4, 128], "sapphire-rapids": [5, 80], "genoa": [5, 128] }[fact.generation];
    expect([fact.pcieGeneration, fact.pcieLanesPerSocket]).toEqual(lanes);
    expect(fact.memoryType.startsWith(fact.pcieGeneration === 5 ? "DDR5" : "DDR4")).toBe(true);
    const transfers = Number(fact.memoryType.split("-")[1]);
    expect(fact.memoryBandwidthGBpsPerSocket).toBeCloseTo((fact.memoryChannelsPerSocket * transfers * 8) / 1000, 1);
  });

  it.each([
    ["xeon-silver-4310", 12, 120], ["xeon-gold-6348", 28, 235], ["xeon-platinum-8380", 40, 270], ["epyc-7543", 32, 225], ["xeon-platinum-8480-plus", 56, 350], ["xeon-platinum-8480c", 56, 350],
    ["xeon-gold-6430", 32, 270], ["xeon-gold-6448y", 32, 225], ["xeon-platinum-8462y-plus", 32, 300], ["epyc-9354", 32, 280], ["epyc-9554", 64, 360], ["epyc-9654", 96, 360],
  ])("%s has %i cores and draws %i W (facts 2)", (id, coresPerSocket, powerWattsPerSocket) => {
    expect(cpu(id)).toMatchObject({ coresPerSocket, powerWattsPerSocket });
  });

  it.each([
    // Two Ice Lakes add up: eight x16 cards take all of it. Two EPYCs do not.
    ["xeon-silver-4310", 1, 64], ["xeon-gold-6348", 2, 128], ["xeon-platinum-8480c", 2, 160], ["epyc-7543", 1, 128], ["epyc-7543", 2, 128], ["epyc-9654", 2, 128],
  ] as const)("%s x %i has %i lanes for slots", (id, sockets, lanes) => {
    expect(pcieLanes(cpuCatalog[id], sockets)).toBe(lanes);
  });
});
