/** When a release gets no more security fixes from those who make it. */
export interface Lifecycle {
  name: string;
  /** Last month of support, as YYYY-MM. */
  endOfLife: string;
  source: string;
}

const pythonSource = "Python developer's guide, status of Python versions (release-cycle.json)";
const ubuntuSource = "Ubuntu's release cycle (ubuntu.com/about/release-cycle), standard security maintenance; the paid one is longer";
const debianSource = "Debian's long-term support team (wiki.debian.org/LTS)";

/** By the names that `software.os` takes. */
export const operatingSystems: Readonly<Record<string, Lifecycle>> = {
  "ubuntu-22.04": { name: "Ubuntu 22.04", endOfLife: "2027-04", source: ubuntuSource },
  "debian-12": { name: "Debian 12", endOfLife: "2028-06", source: `${debianSource}; the security team's own support ended in 2026-06` },
};

/** By minor release. */
export const kubernetesReleases: Readonly<Record<string, Lifecycle>> = {
  "1.35": { name: "Kubernetes 1.35", endOfLife: "2027-02", source: "kubernetes.io/releases/1.35" },
};

/** An image, or a line of its tags, whose end is known. */
export interface ImageLifecycle extends Lifecycle {
  /** Last part or parts of the repository, whoever mirrors it. */
  repository: string;
  /** What its tags begin with, up to the next dot or hyphen. Absent: all of them. */
  tags?: string;
  /** What to take in its place, as an order to the reader. */
  instead: string;
}

const python = (minor: number, endOfLife: string): ImageLifecycle => ({ repository: "python", tags: `3.${minor}`, name: `Python 3.${minor}`, endOfLife, instead: "take an image of a newer Python", source: pythonSource });

/**
 * Images that workloads are likely to name, with the end of their support. Engines and most exporters announce none: their
 * newest release is the supported one, which an environment cannot tell.
 */
export const imageLifecycles: readonly ImageLifecycle[] = [
  { repository: "minio/minio", name: "MinIO's community edition", endOfLife: "2025-10", instead: "take SeaweedFS, Garage or Ceph", source: "facts 0.10 (no images since October 2025, archived in 2026)" },
  python(8, "2024-10"),
  python(9, "2025-10"),
  python(10, "2026-10"),
  python(11, "2027-10"),
  python(12, "2028-10"),
  python(13, "2029-10"),
  python(14, "2030-10"),
  { repository: "ubuntu", tags: "22.04", name: "Ubuntu 22.04", endOfLife: "2027-04", instead: "take a newer long-term release of Ubuntu", source: ubuntuSource },
  { repository: "debian", tags: "11", name: "Debian 11", endOfLife: "2026-08", instead: "take a newer release of Debian", source: debianSource },
  { repository: "debian", tags: "12", name: "Debian 12", endOfLife: "2028-06", instead: "take a newer release of Debian", source: debianSource },
];
