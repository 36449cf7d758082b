/** One apt package (or family of packages of one version) that is pinned and held. */
export interface PinnedPackage {
  /** Upstream version. */
  version: string;
  /** What `/etc/apt/preferences.d` pins: the packaging suffix is the repository's own. */
  aptVersion: string;
  /** Which repository it comes from. */
  repository: "nvidia-cuda" | "nvidia-container-toolkit";
  source: string;
}

const pinned = (version: string, repository: PinnedPackage["repository"], source: string): PinnedPackage => ({
  version,
  aptVersion: `${version}-*`,
  repository,
  source,
});

const operator = "facts 3 (GPU Operator 26.7.0, supported drivers)";

/**
 * Every version that is installed on a host, in one table. The fabric manager has no row of its own: its version must equal
 * the driver's exactly, or it does not start (facts 3).
 */
export const versions = {
  "driver-535": pinned("535.309.01", "nvidia-cuda", operator),
  "driver-570": pinned("570.133.20", "nvidia-cuda", "facts 3 (least driver of HGX B200); the branch is past its end of life and gets no newer one from us"),
  "driver-580": pinned("580.173.02", "nvidia-cuda", operator),
  "driver-595": pinned("595.91.07", "nvidia-cuda", `${operator}; the operator's default`),
  "container-toolkit": pinned("1.20.0", "nvidia-container-toolkit", "facts 3 (GPU Operator 26.7.0)"),
  "cuda-toolkit-12.2": pinned("12.2.2", "nvidia-cuda", "facts 3 (installer of 12.2.2); the guide's 12.2 in its last release"),
  "cuda-toolkit-12.8": pinned("12.8.0", "nvidia-cuda", "facts 3 (installer of 12.8.0)"),
  "cuda-toolkit-13.0": pinned("13.0.0", "nvidia-cuda", "general knowledge (first release of 13.0)"),
} as const satisfies Record<string, PinnedPackage>;

export type VersionId = keyof typeof versions;
