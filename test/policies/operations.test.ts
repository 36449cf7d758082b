import { describe, expect, it } from "vitest";
import { airGappedMirror } from "../../policies/operations/air-gapped-mirror";
import { cudaToolkitForGpu } from "../../policies/operations/cuda-toolkit-for-gpu";
import { cudaToolkitFullFeatures } from "../../policies/operations/cuda-toolkit-full-features";
import { cudaToolkitNeedsDriver } from "../../policies/operations/cuda-toolkit-needs-driver";
import { driverBranchSupported } from "../../policies/operations/driver-branch-supported";
import { driverForGpu } from "../../policies/operations/driver-for-gpu";
import { engineNeedsDriver } from "../../policies/operations/engine-needs-driver";
import { fabricManagerOnNvswitchOnly } from "../../policies/operations/fabric-manager-on-nvswitch-only";
import { gpuOperatorSupportsTheGpu } from "../../policies/operations/gpu-operator-supports-the-gpu";
import { persistenceDaemon } from "../../policies/operations/persistence-daemon";
import type { GpuDriverSpec, SiteSpec } from "../../policies/specs";
import { analyze, broken, expectViolations } from "./analyze";
import { driverSpec, siteSpec } from "./fixtures";

const versions = { "535": "535.309.01", "570": "570.133.20", "580": "580.173.02", "595": "595.91.07" } as const;
const driver = (branch: keyof typeof versions, change: Partial<GpuDriverSpec> = {}): GpuDriverSpec => ({ ...driverSpec(), branch, version: versions[branch], ...change });
const gpus = (model: string, nvlink: "none" | "bridge" | "nvswitch" = "none", mig?: string) => ({ model, count: 8, nvlink, ...(mig === undefined ? {} : { mig }) });

describe("driver-branch-supported", () => {
  it.each([["535", "2026-06", "2026-07-01"], ["570", "2026-02", "2026-03-01"], ["580", "2028-08", "2028-09-01"]] as const)("objects to %s once %s has passed", (branch, month, asOf) => {
    expect(analyze(driverBranchSupported, driver(branch), { config: { asOf: `${month}-28` } })).toEqual([]);
    expectViolations(analyze(driverBranchSupported, driver(branch), { config: { asOf } }), { at: "software.driver.branch", says: [`branch ${branch}`, "gpu-01", month], allowed: "a supported branch, such as 580" });
  });

  it("accepts a branch whose end is not announced", () => {
    expect(analyze(driverBranchSupported, driver("595"), { config: { asOf: "2040-01-01" } })).toEqual([]);
  });

  it("judges by today unless told otherwise", () => {
    expect(analyze(driverBranchSupported, driver("570"))).toHaveLength(1);
  });

  it.each(["soon", "2026-1-1", "", 2026])("refuses the day %s", (asOf) => {
    const messages = analyze(driverBranchSupported, driver("580"), { config: { asOf } });
    expect(messages).toHaveLength(1);
    expect(messages[0]).toContain("driver-branch-supported.asOf");
  });
});

describe("driver-for-gpu", () => {
  const at = "software.driver.branch";

  it.each([["b200-sxm", "535", "570.133.20"], ["rtx-pro-6000-blackwell", "570", "575.51.03"], ["rtx-pro-6000-blackwell-server", "570", "575.57.08"]] as const)("refuses %s on branch %s", (model, branch, floor) => {
    expectViolations(analyze(driverForGpu, driver(branch, { gpus: gpus(model) })), { at, says: [versions[branch], "gpu-01", "does not know"], allowed: `${floor} or newer` });
  });

  it("accepts a driver at the floor, above it, and cards without one", () => {
    expect(analyze(driverForGpu, driver("570", { gpus: gpus("b200-sxm") }))).toEqual([]);
    expect(analyze(driverForGpu, driver("580", { gpus: gpus("rtx-pro-6000-blackwell-server") }))).toEqual([]);
    expect(analyze(driverForGpu, driver("535", { gpus: gpus("a40") }))).toEqual([]);
    expect(analyze(driverForGpu, driver("570", { gpus: gpus("b200-sxm"), version: "570.133.19" }))).toHaveLength(1);
  });

  it("refuses MIG where the driver is too old for it", () => {
    expectViolations(analyze(driverForGpu, driver("535", { gpus: gpus("h200-sxm", "nvswitch", "1g.18gb") })), { at, says: ["535.309.01", "NVIDIA H200", "MIG"], allowed: "550.90.07 or newer" });
    expect(analyze(driverForGpu, driver("570", { gpus: gpus("h200-sxm", "nvswitch", "1g.18gb"), version: "550.90.07" }))).toEqual([]);
    expect(analyze(driverForGpu, driver("570", { gpus: gpus("h200-sxm", "nvswitch", "1g.18gb"), version: "550.90.06" }))).toHaveLength(1);
    expect(analyze(driverForGpu, driver("535", { gpus: gpus("h200-sxm", "nvswitch") }))).toEqual([]);
    expect(analyze(driverForGpu, driver("535", { gpus: gpus("h100-80gb-sxm5", "nvswitch", "1g.10gb") }))).toEqual([]);
  });
});

describe("cuda-toolkit-needs-driver", () => {
  it.each(["535", "570"] as const)("refuses CUDA 13.0 on branch %s", (branch) => {
    expectViolations(analyze(cudaToolkitNeedsDriver, driver(branch, { cudaToolkit: "13.0" })), { at: "software.cudaToolkit", says: ["CUDA 13.0", versions[branch]], allowed: "driver 580 or newer" });
  });

  it.each([["12.2", "535"], ["12.8", "535"], ["13.0", "580"], ["12.2", "595"], ["none", "535"]] as const)("accepts %s on branch %s", (cudaToolkit, branch) => {
    expect(analyze(cudaToolkitNeedsDriver, driver(branch, { cudaToolkit }))).toEqual([]);
  });
});

describe("cuda-toolkit-needs-driver, to the release", () => {
  it.each([["12.2", "524.99", 1], ["12.2", "525", 0], ["13.0", "579.99", 1], ["13.0", "580", 0]] as const)("%s on driver %s: %i violations", (cudaToolkit, version, count) => {
    expect(analyze(cudaToolkitNeedsDriver, driver("580", { cudaToolkit, version }))).toHaveLength(count);
  });
});

describe("cuda-toolkit-full-features", () => {
  it("objects to CUDA 12.8 on a driver older than the one that came with it", () => {
    expectViolations(analyze(cudaToolkitFullFeatures, driver("535", { cudaToolkit: "12.8" })), { at: "software.cudaToolkit", says: ["CUDA 12.8", "535.309.01", "minor-version"], allowed: "driver 570.86.10 or newer for all of its features" });
  });

  it.each([["12.2", "535"], ["12.8", "570"], ["13.0", "580"], ["none", "535"]] as const)("accepts %s on branch %s", (cudaToolkit, branch) => {
    expect(analyze(cudaToolkitFullFeatures, driver(branch, { cudaToolkit }))).toEqual([]);
  });

  it("objects from the least driver on and up to the toolkit's own, which is enough", () => {
    const on = (version: string) => analyze(cudaToolkitFullFeatures, driver("570", { cudaToolkit: "12.8", version }));
    expect(on("524")).toEqual([]);
    expect(on("525")).toHaveLength(1);
    expect(on("570.86.09")).toHaveLength(1);
    expect(on("570.86.10")).toEqual([]);
  });

  it("leaves a toolkit that does not run at all to the mandatory rule", () => {
    expect(analyze(cudaToolkitFullFeatures, driver("535", { cudaToolkit: "13.0" }))).toEqual([]);
  });
});

describe("cuda-toolkit-for-gpu", () => {
  it.each(["b200-sxm", "rtx-pro-6000-blackwell"])("refuses the guide's CUDA 12.2 for %s", (model) => {
    expectViolations(analyze(cudaToolkitForGpu, driver("580", { cudaToolkit: "12.2", gpus: gpus(model) })), { at: "software.cudaToolkit", says: ["CUDA 12.2", "gpu-01", /compute capability 1[02]\.0/], allowed: "12.8 or newer, or none" });
  });

  it("refuses the release before the first one", () => {
    expect(analyze(cudaToolkitForGpu, broken(driver("580", { gpus: gpus("b200-sxm") }), (spec) => Object.assign(spec, { cudaToolkit: "12.7" })))).toHaveLength(1);
  });

  it.each([["12.8", "b200-sxm"], ["13.0", "b200-sxm"], ["none", "b200-sxm"], ["12.2", "h100-80gb-sxm5"], ["12.2", "rtx-4090"]] as const)("accepts %s for %s", (cudaToolkit, model) => {
    expect(analyze(cudaToolkitForGpu, driver("580", { cudaToolkit, gpus: gpus(model) }))).toEqual([]);
  });
});

describe("engine-needs-driver", () => {
  it("refuses vLLM on the guide's baseline of driver 535 (facts 0.1)", () => {
    expectViolations(analyze(engineNeedsDriver, driver("535", { engines: ["vllm"] })), { at: "software.driver.branch", says: ["vLLM", "CUDA 13.0", "535.309.01", "gpu-01"], allowed: "driver 580 or newer" });
  });

  it("names each engine that does not run, and only those", () => {
    const messages = analyze(engineNeedsDriver, driver("570", { engines: ["vllm", "colossalai", "triton"] }));
    const expected = { at: "software.driver.branch", allowed: "driver 580 or newer" };
    expectViolations(messages, { ...expected, says: ["vLLM"] }, { ...expected, says: ["Triton"] });
  });

  it("accepts the least driver exactly", () => {
    expect(analyze(engineNeedsDriver, driver("580", { engines: ["vllm"], version: "580" }))).toEqual([]);
    expect(analyze(engineNeedsDriver, driver("580", { engines: ["vllm"], version: "579.99" }))).toHaveLength(1);
  });

  it("accepts every engine on branch 580, and no engine on any", () => {
    expect(analyze(engineNeedsDriver, driver("580", { engines: ["vllm", "triton", "tensorrt-llm", "sglang", "pytorch"] }))).toEqual([]);
    expect(analyze(engineNeedsDriver, driver("535", { engines: [] }))).toEqual([]);
  });

  it("reports an engine that the catalog does not have instead of passing it", () => {
    expectViolations(analyze(engineNeedsDriver, { ...driver("580"), engines: ["ollama"] }), { at: "gpu-01", says: ["no engine ollama"], allowed: "plain values that the catalog knows" });
  });
});

describe("fabric-manager-on-nvswitch-only", () => {
  const at = "servers.gpu-01.gpus.nvlink";
  const hgx = (fabricManager: string | false) => driver("580", { gpus: gpus("h100-80gb-sxm5", "nvswitch"), fabricManager });

  it("refuses NVSwitch without it", () => {
    expectViolations(analyze(fabricManagerOnNvswitchOnly, hgx(false)), { at, says: ["h100-80gb-sxm5", "without a fabric manager"], allowed: "fabric manager 580.173.02" });
  });

  it("refuses another version than the driver's", () => {
    expectViolations(analyze(fabricManagerOnNvswitchOnly, hgx("580.95.05")), { at, says: ["580.95.05", "580.173.02"], allowed: "fabric manager 580.173.02" });
  });

  it.each(["none", "bridge"] as const)("refuses it on cards with nvlink: %s", (nvlink) => {
    const spec = driver("580", { gpus: gpus("a100-80gb-pcie", nvlink), fabricManager: "580.173.02" });
    expectViolations(analyze(fabricManagerOnNvswitchOnly, spec), { at, says: ["without NVSwitch", nvlink], allowed: "no fabric manager" });
  });

  it("accepts the driver's version on NVSwitch and none elsewhere", () => {
    expect(analyze(fabricManagerOnNvswitchOnly, hgx("580.173.02"))).toEqual([]);
    expect(analyze(fabricManagerOnNvswitchOnly, driver("580", { gpus: gpus("a100-80gb-pcie", "bridge") }))).toEqual([]);
  });
});

describe("persistence-daemon", () => {
  it("objects where it is off", () => {
    expect(analyze(persistenceDaemon, driver("580"))).toEqual([]);
    expectViolations(analyze(persistenceDaemon, driver("580", { persistenceDaemon: false })), { at: "software.driver.persistenceDaemon", says: ["gpu-01", "off"], allowed: "true" });
  });
});

describe("gpu-operator-supports-the-gpu", () => {
  const geforce = (cluster: Partial<SiteSpec["cluster"]> = {}) =>
    broken(siteSpec(), (spec) => {
      Object.assign(spec.servers["gpu-02"]?.gpus ?? {}, { model: "rtx-4090" });
      Object.assign(spec.cluster, cluster);
    });

  it("objects to the operator with a GeForce card and names the server", () => {
    expectViolations(analyze(gpuOperatorSupportsTheGpu, geforce()), { at: "cluster.gpuStack", says: ["RTX 4090", "gpu-02"], allowed: "device-plugin with GeForce cards" });
  });

  it("accepts the device plugin, an environment without a cluster, and listed cards", () => {
    expect(analyze(gpuOperatorSupportsTheGpu, geforce({ gpuStack: "device-plugin" }))).toEqual([]);
    expect(analyze(gpuOperatorSupportsTheGpu, geforce({ distribution: "none" }))).toEqual([]);
    expect(analyze(gpuOperatorSupportsTheGpu, siteSpec())).toEqual([]);
  });
});

describe("air-gapped-mirror", () => {
  const without = (part: "apt" | "images") => broken(siteSpec(), ({ site }) => delete site.mirror?.[part]);

  it("refuses a site without internet and without a package mirror", () => {
    expectViolations(analyze(airGappedMirror, without("apt")), { at: "site.mirror.apt", says: ["no package mirror"], allowed: "the base URL of a mirror" });
  });

  it("refuses a cluster without internet and without an image registry", () => {
    expectViolations(analyze(airGappedMirror, without("images")), { at: "site.mirror.images", says: ["k3s", "no image registry"], allowed: "a registry on the site" });
  });

  it("names all three where there is no mirror at all", () => {
    expect(analyze(airGappedMirror, broken(siteSpec(), ({ site }) => delete site.mirror))).toHaveLength(3);
  });

  it("needs no registry without a cluster, and nothing with internet or without servers", () => {
    const bare = broken(siteSpec(), ({ site }) => delete site.mirror);
    expect(analyze(airGappedMirror, broken(without("images"), ({ cluster }) => (cluster.distribution = "none")))).toEqual([]);
    expect(analyze(airGappedMirror, broken(bare, ({ site }) => (site.internetAccess = true)))).toEqual([]);
    expect(analyze(airGappedMirror, broken(bare, (spec) => (spec.servers = {})))).toEqual([]);
  });
});
