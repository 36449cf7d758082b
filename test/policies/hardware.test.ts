import { describe, expect, it } from "vitest";
import { gpuSlotGeneration } from "../../policies/hardware/gpu-slot-generation";
import { gpuWithEcc } from "../../policies/hardware/gpu-with-ecc";
import { migTheGpuHas } from "../../policies/hardware/mig-the-gpu-has";
import { nvlinkTheGpuHas } from "../../policies/hardware/nvlink-the-gpu-has";
import { pcieGenerationForGpus } from "../../policies/hardware/pcie-generation-for-gpus";
import { pcieGenerationOfTheCpu } from "../../policies/hardware/pcie-generation-of-the-cpu";
import { pcieLanes } from "../../policies/hardware/pcie-lanes";
import { rdmaBetweenServers } from "../../policies/hardware/rdma-between-servers";
import { sxmHostPlatform } from "../../policies/hardware/sxm-host-platform";
import type { ServerSpec } from "../../policies/specs";
import { analyze, broken, expectViolations } from "./analyze";
import { serverSpec, siteSpec } from "./fixtures";

/** The happy server with other GPUs, CPUs and drives: what the rules about lanes and pairings look at. */
function server(change: Partial<ServerSpec> & { gpu?: [model: string, count: number, nvlink?: "none" | "bridge" | "nvswitch"]; nvme?: number }): ServerSpec {
  const { gpu, nvme, ...rest } = change;
  const drives = nvme === undefined ? {} : { drives: Object.fromEntries(Array.from({ length: nvme }, (_, i) => [`nvme-${i}`, { kind: "nvme" as const, capacityGB: 3840 }])) };
  const gpus = gpu === undefined ? {} : { gpus: { model: gpu[0], count: gpu[1], nvlink: gpu[2] ?? ("none" as const) } };
  return { ...serverSpec(), ...drives, ...gpus, ...rest };
}

describe("pcie-generation-for-gpus", () => {
  it("refuses eight GPUs on PCIe 3.0 (guide 2.1)", () => {
    const spec = server({ gpu: ["a100-80gb-pcie", 8], pcieGeneration: 3 });
    expectViolations(analyze(pcieGenerationForGpus, spec), { at: "servers.gpu-01.pcieGeneration", says: ["8 GPUs", "PCIe 3.0"], allowed: "PCIe 4.0 or newer from 8 GPUs on" });
  });

  it.each([[8, 4], [8, 5], [7, 3], [16, 4]] as const)("accepts %i GPUs on PCIe %i.0", (count, pcieGeneration) => {
    expect(analyze(pcieGenerationForGpus, server({ gpu: ["a100-80gb-pcie", count], pcieGeneration }))).toEqual([]);
  });

  it("accepts a server without GPUs", () => {
    expect(analyze(pcieGenerationForGpus, server({ gpus: undefined, pcieGeneration: 3 }))).toEqual([]);
    expect(analyze(pcieGenerationForGpus, server({ gpus: undefined, pcieGeneration: 3 }), { config: { gpus: 1 } })).toEqual([]);
  });

  it("takes the site's own thresholds", () => {
    const spec = server({ gpu: ["a100-80gb-pcie", 4], pcieGeneration: 4 });
    expectViolations(analyze(pcieGenerationForGpus, spec, { config: { gpus: 4, generation: 5 } }), { at: "servers.gpu-01.pcieGeneration", says: ["4 GPUs", "PCIe 4.0"], allowed: "PCIe 5.0 or newer from 4 GPUs on" });
  });
});

describe("pcie-generation-of-the-cpu", () => {
  it("refuses PCIe 5.0 with a CPU that has 4.0", () => {
    const spec = server({ cpu: { model: "xeon-gold-6348", sockets: 2 }, pcieGeneration: 5 });
    expectViolations(analyze(pcieGenerationOfTheCpu, spec), { at: "servers.gpu-01.pcieGeneration", says: ["PCIe 5.0", "Xeon Gold 6348", "PCIe 4.0"], allowed: "4 or less" });
  });

  it.each([3, 4] as const)("accepts PCIe %i.0 with a CPU that has 4.0", (pcieGeneration) => {
    expect(analyze(pcieGenerationOfTheCpu, server({ pcieGeneration }))).toEqual([]);
  });

  it("reports a CPU that the catalog does not have instead of passing it", () => {
    expectViolations(analyze(pcieGenerationOfTheCpu, server({ cpu: { model: "xeon-9999", sockets: 1 } })), { at: "gpu-01", says: ["cannot be checked", "no CPU xeon-9999"], allowed: "plain values that the catalog knows" });
  });
});

describe("pcie-lanes", () => {
  const twoIceLake = { cpu: { model: "xeon-gold-6348", sockets: 2 }, nics: {} };

  it("counts eight GPUs as all 128 lanes of two Ice Lake CPUs (facts 2)", () => {
    expect(analyze(pcieLanes, server({ ...twoIceLake, gpu: ["a100-80gb-pcie", 8], nvme: 0 }))).toEqual([]);
    expectViolations(analyze(pcieLanes, server({ ...twoIceLake, gpu: ["a100-80gb-pcie", 8], nvme: 1 })), {
      at: "servers.gpu-01.cpu", says: ["132 PCIe lanes", "accelerators 128", "NVMe 4", "NICs 0", "2x Intel Xeon Gold 6348 has 128"], allowed: "128 lanes",
    });
  });

  it("gives two EPYCs 128 lanes and not twice 128", () => {
    const spec = server({ cpu: { model: "epyc-7543", sockets: 2 }, gpu: ["a100-80gb-pcie", 8], nvme: 4, nics: {} });
    expectViolations(analyze(pcieLanes, spec), { at: "servers.gpu-01.cpu", says: ["144 PCIe lanes"], allowed: "128 lanes" });
  });

  it("counts an NPU as 16 lanes", () => {
    const spec = server({ cpu: { model: "xeon-silver-4310", sockets: 1 }, gpus: undefined, npus: { resourceName: "vendor.example/npu", count: 5 }, nvme: 0, nics: {} });
    expectViolations(analyze(pcieLanes, spec), { at: "servers.gpu-01.cpu", says: ["80 PCIe lanes", "accelerators 80"], allowed: "64 lanes" });
  });

  it.each([
    // At and beside what one, two, four and eight lanes carry.
    [1.5, 3, 1], [7.88, 3, 1], [7.89, 3, 2], [15.76, 3, 2], [15.77, 3, 4], [31.52, 3, 4], [31.53, 3, 8], [63.04, 3, 8], [63.05, 3, 16],
    [15.75, 4, 1], [15.76, 4, 2], [31.5, 5, 1], [31.6, 5, 2],
    [1, 3, 0], [10, 3, 2], [10, 4, 1], [25, 4, 2], [100, 3, 16], [100, 4, 8], [200, 4, 16], [200, 5, 8], [400, 4, 16], [400, 5, 16],
  ] as const)("gives a NIC of %i Gbit/s on PCIe %i.0 the narrowest slot that carries it: x%i", (speedGbps, pcieGeneration, lanes) => {
    const spec = server({ cpu: { model: "xeon-silver-4310", sockets: 1 }, pcieGeneration, gpu: ["rtx-4090", 4], nvme: 1, nics: { eth0: { speedGbps, rdma: "none" } } });
    expectViolations(analyze(pcieLanes, spec), { at: "servers.gpu-01.cpu", says: [`${68 + lanes} PCIe lanes`, `NICs ${lanes}) and`], allowed: "64 lanes" });
  });

  it("does not count SATA and rotating drives, which hang off the chipset", () => {
    const drives = { "ata-1": { kind: "sata-ssd" as const, capacityGB: 960 }, "ata-2": { kind: "hdd" as const, capacityGB: 16000 } };
    expect(analyze(pcieLanes, server({ ...twoIceLake, gpu: ["a100-80gb-pcie", 8], drives }))).toEqual([]);
  });

  it("leaves boards with PCIe switches alone", () => {
    expect(analyze(pcieLanes, server({ ...twoIceLake, gpu: ["a100-80gb-pcie", 8], nvme: 8, pcieSwitch: true }))).toEqual([]);
  });

  it("keeps the lanes that the site reserves", () => {
    const spec = server({ ...twoIceLake, gpu: ["a100-80gb-pcie", 7], nvme: 2 });
    expect(analyze(pcieLanes, spec, { config: { reservedLanes: 8 } })).toEqual([]);
    expectViolations(analyze(pcieLanes, spec, { config: { reservedLanes: 9 } }), { at: "servers.gpu-01.cpu", says: ["120 PCIe lanes"], allowed: "119 lanes" });
  });
});

describe("gpu-slot-generation", () => {
  it("objects to a PCIe 5.0 card in a PCIe 4.0 host", () => {
    const spec = server({ gpu: ["h100-pcie", 2], pcieGeneration: 4 });
    expectViolations(analyze(gpuSlotGeneration, spec), { at: "servers.gpu-01.pcieGeneration", says: ["NVIDIA H100 PCIe has PCIe 5.0", "4.0"], allowed: "PCIe 5.0" });
  });

  it.each([["a100-80gb-pcie", 4], ["h100-pcie", 5], ["rtx-4090", 5]] as const)("accepts %s on PCIe %i.0", (model, pcieGeneration) => {
    expect(analyze(gpuSlotGeneration, server({ gpu: [model, 2], pcieGeneration }))).toEqual([]);
  });

  it("leaves SXM modules to the rule about their host, and servers without GPUs alone", () => {
    expect(analyze(gpuSlotGeneration, server({ gpu: ["h100-80gb-sxm5", 8, "nvswitch"], pcieGeneration: 4 }))).toEqual([]);
    expect(analyze(gpuSlotGeneration, server({ gpus: undefined }))).toEqual([]);
  });
});

describe("sxm-host-platform", () => {
  const guide = () => server({ gpu: ["h100-80gb-sxm5", 8, "nvswitch"], cpu: { model: "xeon-platinum-8380", sockets: 2 }, pcieGeneration: 4 });
  const dgx = () => server({ gpu: ["h100-80gb-sxm5", 8, "nvswitch"], cpu: { model: "xeon-platinum-8480c", sockets: 2 }, pcieGeneration: 5 });

  it("objects to the guide's H100 SXM5 with 3rd-generation Xeon (guide 2.1, facts 2)", () => {
    expectViolations(analyze(sxmHostPlatform, guide()), { at: "servers.gpu-01.cpu.model", says: ["H100", "SXM5", "PCIe 4.0", "Xeon Platinum 8380", "no vendor"], allowed: "a host with PCIe 5.0" });
  });

  it("goes by the CPU where the environment claims a newer slot than the CPU has", () => {
    expect(analyze(sxmHostPlatform, { ...guide(), pcieGeneration: 5 })).toHaveLength(1);
  });

  it("goes by the slot where it is older than the CPU", () => {
    expect(analyze(sxmHostPlatform, { ...dgx(), pcieGeneration: 4 })).toHaveLength(1);
  });

  it.each([4, 8])("accepts a board of %i in a PCIe 5.0 host", (count) => {
    expect(analyze(sxmHostPlatform, broken(dgx(), ({ gpus }) => Object.assign(gpus ?? {}, { count })))).toEqual([]);
  });

  it("accepts A100 SXM4 in a PCIe 4.0 host", () => {
    expect(analyze(sxmHostPlatform, server({ gpu: ["a100-80gb-sxm4", 8, "nvswitch"] }))).toEqual([]);
  });

  it.each([1, 6, 16])("objects to %i SXM modules", (count) => {
    const spec = broken(dgx(), ({ gpus }) => Object.assign(gpus ?? {}, { count }));
    expectViolations(analyze(sxmHostPlatform, spec), { at: "servers.gpu-01.gpus.count", says: [`${count} SXM5`], allowed: "boards of 4 or 8" });
  });

  it("says nothing of PCIe cards, nor of servers without GPUs", () => {
    expect(analyze(sxmHostPlatform, server({ gpu: ["h100-pcie", 3], pcieGeneration: 4 }))).toEqual([]);
    expect(analyze(sxmHostPlatform, server({ gpus: undefined }))).toEqual([]);
  });

  it("accepts a server that the site vouches for, and no other", () => {
    expect(analyze(sxmHostPlatform, guide(), { config: { allow: ["gpu-01"] } })).toEqual([]);
    expect(analyze(sxmHostPlatform, guide(), { config: { allow: ["gpu-02"] } })).toHaveLength(1);
  });

  it("takes the site's board sizes", () => {
    expect(analyze(sxmHostPlatform, server({ gpu: ["a100-80gb-sxm4", 16, "nvswitch"] }), { config: { boardSizes: ["16"] } })).toEqual([]);
  });
});

describe("nvlink-the-gpu-has", () => {
  const at = "servers.gpu-01.gpus.nvlink";

  it.each(["rtx-4090", "l40s", "rtx-6000-ada"])("refuses bridges and NVSwitch on %s, which has no NVLink", (model) => {
    for (const [form, words] of [["bridge", "NVLink bridges asked"], ["nvswitch", "NVSwitch asked"]] as const) {
      expectViolations(analyze(nvlinkTheGpuHas, server({ gpu: [model, 2, form] })), { at, says: [words, "which has no NVLink"], allowed: "none" });
    }
    expect(analyze(nvlinkTheGpuHas, server({ gpu: [model, 2, "none"] }))).toEqual([]);
  });

  it.each(["a40", "a100-80gb-pcie", "h200-nvl"])("lets %s be bridged or not, but not switched", (model) => {
    expect(analyze(nvlinkTheGpuHas, server({ gpu: [model, 2, "bridge"] }))).toEqual([]);
    expect(analyze(nvlinkTheGpuHas, server({ gpu: [model, 3, "none"] }))).toEqual([]);
    expect(analyze(nvlinkTheGpuHas, server({ gpu: [model, 8, "none"] }))).toEqual([]);
    expectViolations(analyze(nvlinkTheGpuHas, server({ gpu: [model, 2, "nvswitch"] })), { at, says: ["NVSwitch asked", "which has NVLink bridges"], allowed: "bridge or none" });
  });

  it.each(["none", "bridge"] as const)("refuses %s on a board of eight SXM modules, which has NVSwitch", (form) => {
    expectViolations(analyze(nvlinkTheGpuHas, server({ gpu: ["h100-80gb-sxm5", 8, form] })), { at, says: ["which has NVSwitch"], allowed: "nvswitch" });
  });

  it("accepts NVSwitch on SXM modules, and a board of four that links them without it", () => {
    expect(analyze(nvlinkTheGpuHas, server({ gpu: ["h100-80gb-sxm5", 8, "nvswitch"] }))).toEqual([]);
    for (const count of [4, 7]) expect(analyze(nvlinkTheGpuHas, server({ gpu: ["h100-80gb-sxm5", count, "none"] }))).toEqual([]);
    expectViolations(analyze(nvlinkTheGpuHas, server({ gpu: ["h100-80gb-sxm5", 4, "bridge"] })), { at, says: ["NVLink bridges asked"], allowed: "nvswitch" });
  });

  it.each([1, 3, 5])("refuses bridges between %i cards", (count) => {
    expectViolations(analyze(nvlinkTheGpuHas, server({ gpu: ["a40", count, "bridge"] })), { at: "servers.gpu-01.gpus.count", says: [`${count} cards`, "which join 2 at a time"], allowed: "an even number" });
  });

  it("names the sizes of the bridge where there is more than one", () => {
    expectViolations(analyze(nvlinkTheGpuHas, server({ gpu: ["h200-nvl", 3, "bridge"] })), { at: "servers.gpu-01.gpus.count", says: ["2 or 4 at a time"], allowed: "an even number" });
  });

  it("says nothing of a server without GPUs", () => {
    expect(analyze(nvlinkTheGpuHas, server({ gpus: undefined }))).toEqual([]);
  });
});

describe("mig-the-gpu-has", () => {
  const withMig = (model: string, mig?: string) => server({ gpus: { model, count: 2, nvlink: "none", ...(mig === undefined ? {} : { mig }) } });

  it.each(["a40", "l40s", "rtx-6000-ada", "rtx-4090"])("refuses MIG on %s", (model) => {
    expectViolations(analyze(migTheGpuHas, withMig(model, "1g.10gb")), { at: "servers.gpu-01.gpus.mig", says: ["1g.10gb", "has no MIG"], allowed: "no profile" });
  });

  it("refuses a profile of another GPU and lists the GPU's own", () => {
    expectViolations(analyze(migTheGpuHas, withMig("a100-80gb-pcie", "1g.5gb")), { at: "servers.gpu-01.gpus.mig", says: ["no profile 1g.5gb"], allowed: "1g.10gb, 1g.20gb, 2g.20gb, 3g.40gb, 4g.40gb or 7g.80gb" });
  });

  it.each(["1g.10gb", "7g.80gb", "1g.10gb+me", undefined])("accepts %s on an A100 80GB", (profile) => {
    expect(analyze(migTheGpuHas, withMig("a100-80gb-pcie", profile))).toEqual([]);
  });

  it("says nothing of a server without GPUs", () => {
    expect(analyze(migTheGpuHas, server({ gpus: undefined }))).toEqual([]);
  });
});

describe("gpu-with-ecc", () => {
  it("objects to an RTX 4090", () => {
    expectViolations(analyze(gpuWithEcc, server({ gpu: ["rtx-4090", 2] })), { at: "servers.gpu-01.gpus.model", says: ["RTX 4090 has no ECC"], allowed: "cards with ECC in production" });
  });

  it("accepts cards with ECC, and servers without GPUs", () => {
    for (const model of ["a40", "rtx-6000-ada", "h100-80gb-sxm5"]) expect(analyze(gpuWithEcc, server({ gpu: [model, 2] }))).toEqual([]);
    expect(analyze(gpuWithEcc, server({ gpus: undefined }))).toEqual([]);
  });
});

describe("rdma-between-servers", () => {
  const nics = (nic?: { speedGbps: number; rdma: "none" | "roce" | "infiniband" }) =>
    broken(siteSpec(), ({ servers }) => Object.assign(servers["gpu-02"] ?? {}, { nics: nic ? { ens1: nic } : {} }));

  it("objects to a job over two servers of which one has no RDMA (guide 5.1)", () => {
    for (const spec of [nics(), nics({ speedGbps: 100, rdma: "none" })]) {
      expectViolations(analyze(rdmaBetweenServers, spec), { at: "servers.gpu-02.nics", says: ["finetune runs on 2 servers", "no RDMA network"], allowed: "RDMA at 100 Gbit/s or more" });
    }
  });

  it("objects to slow RDMA", () => {
    expectViolations(analyze(rdmaBetweenServers, nics({ speedGbps: 25, rdma: "roce" })), { at: "servers.gpu-02.nics", says: ["RDMA at 25 Gbit/s"], allowed: "RDMA at 100 Gbit/s or more" });
  });

  it.each(["roce", "infiniband"] as const)("accepts %s at 100 Gbit/s", (rdma) => {
    expect(analyze(rdmaBetweenServers, nics({ speedGbps: 100, rdma }))).toEqual([]);
  });

  it("says nothing of a job on one server, nor of servers without a job", () => {
    const spec = broken(nics(), ({ training }) => Object.assign(training["finetune"] ?? {}, { servers: ["gpu-02"] }));
    expect(analyze(rdmaBetweenServers, spec)).toEqual([]);
  });

  it("takes the site's own speed", () => {
    expect(analyze(rdmaBetweenServers, nics({ speedGbps: 25, rdma: "roce" }), { config: { speedGbps: 25 } })).toEqual([]);
    expect(analyze(rdmaBetweenServers, siteSpec(), { config: { speedGbps: 200 } })).toHaveLength(2);
  });
});
