/** Kubernetes that objects are written for; pod security is pinned to it, so that an upgrade of the cluster changes no rule by itself. */
export const kubernetesMinor = "1.35";

/** k3s that servers get. Its files are verified against the release's own `sha256sum-amd64.txt`. */
export const k3sRelease = {
  version: "v1.35.4+k3s1",
  /** Where its files are for sites with internetAccess. */
  downloads: "https://github.com/k3s-io/k3s/releases/download/v1.35.4%2Bk3s1",
  source: "k3s releases (v1.35.4+k3s1, 2026-04-29); Kubernetes 1.35.4",
} as const;
