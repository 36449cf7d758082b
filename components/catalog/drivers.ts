import { versions } from "./versions";

/** NVIDIA's data-centre driver branches that an environment may name. */
export interface DriverBranch {
  /** The pinned release of the branch. */
  version: string;
  support: "long-term" | "production" | "new-feature";
  /** Last month of support, as YYYY-MM; absent where it is not announced. */
  endOfLife?: string;
  source: string;
}

export const driverBranches = {
  "535": { version: versions["driver-535"].version, support: "long-term", endOfLife: "2026-06", source: "facts 3 (NVIDIA's table of supported drivers)" },
  "570": { version: versions["driver-570"].version, support: "production", endOfLife: "2026-02", source: "facts 3 (NVIDIA's table of supported drivers)" },
  "580": { version: versions["driver-580"].version, support: "long-term", endOfLife: "2028-08", source: "facts 3 (NVIDIA's table of supported drivers)" },
  "595": { version: versions["driver-595"].version, support: "production", source: "facts 3 (GPU Operator 26.7.0); kind of support: general knowledge, end of life not found" },
} as const satisfies Record<string, DriverBranch>;

export type DriverBranchId = keyof typeof driverBranches;

/** A CUDA toolkit that may be installed on a host. */
export interface CudaToolkit {
  version: string;
  aptPackage: string;
  /** The driver that came with it: all of its features work from this one on. */
  bundledDriver: string;
  /** The least driver by minor-version compatibility; features of newer drivers are then missing. */
  minimumDriver: string;
  source: string;
}

/** Minor-version compatibility: the least driver for each major version of CUDA. */
export const minimumDriverOfCudaMajor = {
  "11": "450",
  "12": "525",
  "13": "580",
} as const;

const minorCompatibility = "facts 3 (NVIDIA's CUDA compatibility guide)";

export const cudaToolkits = {
  "12.2": {
    version: versions["cuda-toolkit-12.2"].version, aptPackage: "cuda-toolkit-12-2",
    bundledDriver: "535.104.05", minimumDriver: minimumDriverOfCudaMajor["12"],
    source: `bundled driver: facts 3 (name of the installer of 12.2.2; 12.2.0 came with 535.54.03, 12.2.1 with 535.86.10); minimum: ${minorCompatibility}`,
  },
  "12.8": {
    version: versions["cuda-toolkit-12.8"].version, aptPackage: "cuda-toolkit-12-8",
    bundledDriver: "570.86.10", minimumDriver: minimumDriverOfCudaMajor["12"],
    source: `bundled driver: facts 3 (name of the installer of 12.8.0; its release notes ask for 570.26 at least: general knowledge); minimum: ${minorCompatibility}`,
  },
  "13.0": {
    version: versions["cuda-toolkit-13.0"].version, aptPackage: "cuda-toolkit-13-0",
    bundledDriver: "580.65.06", minimumDriver: minimumDriverOfCudaMajor["13"],
    source: `bundled driver: general knowledge; minimum: ${minorCompatibility}`,
  },
} as const satisfies Record<string, CudaToolkit>;

export type CudaToolkitId = keyof typeof cudaToolkits;

/** First CUDA release whose compiler targets a compute capability. An older toolkit cannot build for the card at all. */
export const firstCudaOfComputeCapability = {
  "8.0": { cuda: "11.0", source: "facts 3 (general knowledge)" },
  "8.6": { cuda: "11.1", source: "facts 3 (general knowledge)" },
  "8.9": { cuda: "11.8", source: "facts 3 (CMake's architecture table)" },
  "9.0": { cuda: "11.8", source: "facts 3 (CMake's architecture table)" },
  "10.0": { cuda: "12.8", source: "facts 3 (CMake's architecture table, PyTorch's and llama.cpp's builds)" },
  "12.0": { cuda: "12.8", source: "facts 3 (CMake's architecture table, PyTorch's and llama.cpp's builds)" },
} as const;

/** Least driver that knows a card, where a source gives one. */
export const minimumDriverOfGpu: Readonly<Record<string, { driver: string; source: string }>> = {
  "b200-sxm": { driver: "570.133.20", source: "facts 3 (GPU Operator 26.7.0, HGX B200)" },
  "rtx-pro-6000-blackwell": { driver: "575.51.03", source: "facts 1 (MIG guide); the first driver for the card: general knowledge 570, the later was taken" },
  "rtx-pro-6000-blackwell-server": { driver: "575.57.08", source: "facts 1 (GPU Operator)" },
  "rtx-pro-6000-blackwell-max-q": { driver: "575.51.03", source: "facts 1 (MIG guide)" },
};

/** Compares dotted versions number by number: negative when `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether a driver can run programs built for a CUDA release such as 12.8 or 13.0, by minor-version compatibility. */
export function driverRunsCuda(driver: string, cuda: string): boolean {
  const major = cuda.split(".")[0] ?? "";
  const minimum = Object.entries(minimumDriverOfCudaMajor).find(([id]) => id === major)?.[1];
  return minimum !== undefined && compareVersions(driver, minimum) >= 0;
}
