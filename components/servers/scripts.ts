import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export type HostStepKind = "base-environment" | "storage-tier" | "object-store" | "gpu-driver" | "mig" | "monitoring" | "standby" | "k3s" | "backup" | "backup-store";

/** Folder of the host scripts, relative to the program's: an absolute path would make every machine's state differ. */
export const SCRIPTS_FOLDER = "components/servers/scripts";

/** Where `CopyToRemote` puts the scripts, relative to the login user's home. The provider appends the folder's own name. */
export const REMOTE_FOLDER = ".rackwright";

/** The files that each step consists of; the first is the one that is run. */
const files: Readonly<Record<HostStepKind, readonly [string, ...string[]]>> = {
  "base-environment": ["base-environment.sh", "lib.sh", "apt.sh"],
  "storage-tier": ["storage-tier.sh", "lib.sh", "drives.sh", "tier-diagnosis.sh", "tier-mending.sh"],
  "object-store": ["object-store.sh", "lib.sh"],
  "gpu-driver": ["gpu-driver.sh", "lib.sh", "apt.sh", "driver-packages.sh", "power-limit.sh"],
  mig: ["mig.sh", "lib.sh"],
  monitoring: ["monitoring.sh", "lib.sh", "apt.sh", "secrets.sh", "units.sh", "monitoring-units.sh", "monitoring-services.sh", "collect-metrics.sh", "metrics.sh", "storage-metrics.sh", "drive-metrics.sh", "checkpoint-metrics.sh", "rdma-latency.sh", "drives.sh"],
  standby: ["standby.sh", "lib.sh", "apt.sh", "units.sh", "standby-health.sh", "standby-metrics.sh", "metrics.sh"],
  k3s: ["k3s.sh", "lib.sh"],
  backup: ["backup.sh", "lib.sh", "apt.sh", "secrets.sh", "units.sh", "backup-units.sh", "backup-common.sh", "backup-run.sh", "backup-stage.sh", "cluster-copy.sh", "checkpoint-metrics.sh", "metrics.sh"],
  "backup-store": ["backup-store.sh", "lib.sh", "apt.sh", "secrets.sh", "units.sh", "backup-units.sh", "backup-common.sh", "backup-keep.sh", "backup-proof.sh", "backup-door.sh", "metrics.sh"],
};

export function scriptOf(kind: HostStepKind): string {
  return files[kind][0];
}

/** Path of a step's script on the server. */
export function remoteScript(kind: HostStepKind): string {
  return `${REMOTE_FOLDER}/scripts/${scriptOf(kind)}`;
}

const revisions = new Map<HostStepKind, string>();

/** First twelve hexadecimal digits of the SHA-256 over a step's files: part of its command line, so that a changed script runs. */
export function revisionOf(kind: HostStepKind): string {
  const known = revisions.get(kind);
  if (known !== undefined) return known;
  const hash = createHash("sha256");
  for (const file of files[kind]) hash.update(file).update("\0").update(readFileSync(join(__dirname, "scripts", file))).update("\0");
  const revision = hash.digest("hex").slice(0, 12);
  revisions.set(kind, revision);
  return revision;
}
