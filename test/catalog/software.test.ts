import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compareVersions, cudaToolkits, driverBranches, driverRunsCuda, engineRequirements, firstCudaOfComputeCapability, gpu, gpuCatalog, minimumDriverOfGpu, suggest, versions,
  type CudaToolkit, type DriverBranch, type EngineRequirement, type PinnedPackage,
} from "../../components/catalog";

describe("pinned versions", () => {
  it.each(Object.entries<PinnedPackage>(versions))("%s is one exact release with a source", (_id, fact) => {
    expect(fact.version).toMatch(/^\d+\.\d+(\.\d+)?$/);
    expect(fact.aptVersion).toBe(`${fact.version}-*`);
    expect(fact.source).not.toBe("");
  });

  it("are those of facts 3", () => {
    expect(Object.fromEntries(Object.entries(versions).map(([id, { version }]) => [id, version]))).toMatchObject({
      "driver-535": "535.309.01", "driver-580": "580.173.02", "driver-595": "595.91.07", "container-toolkit": "1.20.0",
    });
  });
});

describe("driver branches", () => {
  it.each(Object.entries<DriverBranch>(driverBranches))("%s pins a driver of its own branch", (branch, fact) => {
    expect(fact.version.split(".")[0]).toBe(branch);
    expect(fact.source).not.toBe("");
    expect(fact.endOfLife ?? "2026-01").toMatch(/^\d{4}-(0[1-9]|1[0-2])$/);
  });

  it("run CUDA by minor-version compatibility: 12 from 525 on, 13 from 580 on", () => {
    expect(driverRunsCuda("535.309.01", "12.8")).toBe(true);
    expect(driverRunsCuda("535.309.01", "13.0")).toBe(false);
    expect(driverRunsCuda("570.133.20", "13.0")).toBe(false);
    expect(driverRunsCuda("580.173.02", "13.0")).toBe(true);
    expect(driverRunsCuda("580.173.02", "12.2")).toBe(true);
    expect(driverRunsCuda("520.61.05", "12.2")).toBe(false);
    expect(driverRunsCuda("595.91.07", "14.0")).toBe(false);
  });

  it("keep the guide's CUDA 12.2 on the default branch, and vLLM off 535", () => {
    expect(driverRunsCuda(driverBranches["580"].version, "12.2")).toBe(true);
    expect(compareVersions(driverBranches["535"].version, engineRequirements.vllm.minimumDriver)).toBeLessThan(0);
  });
});

describe("CUDA toolkits and engines", () => {
  it.each(Object.entries<CudaToolkit>(cudaToolkits))("%s comes with a driver that can run it", (id, fact) => {
    expect(fact.version.startsWith(`${id}.`)).toBe(true);
    expect(fact.aptPackage).toBe(`cuda-toolkit-${id.replace(".", "-")}`);
    expect(compareVersions(fact.bundledDriver, fact.minimumDriver)).toBeGreaterThanOrEqual(0);
    expect(fact.source).not.toBe("");
  });

  it.each(Object.entries<EngineRequirement>(engineRequirements))("%s runs on the driver that it asks for", (_id, fact) => {
    expect(driverRunsCuda(fact.minimumDriver, fact.cuda)).toBe(true);
    expect(fact.source).not.toBe("");
  });

  it("have a first CUDA release for every compute capability of the catalog", () => {
    for (const { computeCapability: { major, minor } } of Object.values(gpuCatalog)) expect(Object.keys(firstCudaOfComputeCapability)).toContain(`${major}.${minor}`);
  });

  it("name only cards of the catalog where a card needs a newer driver", () => {
    for (const id of Object.keys(minimumDriverOfGpu)) expect(gpu(id)).toBeDefined();
  });
});

describe("compareVersions", () => {
  it("compares numbers, not letters", () => {
    expect(compareVersions("580.9", "580.65.06")).toBeLessThan(0);
    expect(compareVersions("580", "580.0.0")).toBe(0);
    expect(compareVersions("595.91.07", "580.173.02")).toBeGreaterThan(0);
  });
});

describe("suggest", () => {
  const words = ["raid0", "raid1", "single", "a100-80gb-pcie", "h100-80gb-sxm5"];

  it.each([["riad0", "raid0"], ["RAID1", "raid1"], ["singel", "single"], ["a100-80g-pcie", "a100-80gb-pcie"], ["h100-80gb-sxm", "h100-80gb-sxm5"]])("%s is near %s", (written, near) => {
    expect(suggest(written, words)).toBe(near);
  });

  it.each(["", "zfs", "mirror", "x".repeat(1000)])("nothing is near %s", (written) => {
    expect(suggest(written, words)).toBeUndefined();
  });

  it("finds every word itself, and any word with one letter gone", () => {
    const apart = ["raid10", "single", "a100-80gb-pcie", "nvswitch"];
    fc.assert(
      fc.property(fc.constantFrom(...apart), fc.nat(), (word, at) => {
        const cut = at % word.length;
        expect(suggest(word, apart)).toBe(word);
        expect(suggest(word.slice(0, cut) + word.slice(cut + 1), apart)).toBe(word);
      }),
      { seed: 7 },
    );
  });
});
