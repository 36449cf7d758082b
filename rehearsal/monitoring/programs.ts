import type { NeededProgram } from "../packages";

/** What a rehearsal of alerts runs, and Debian's packages that have it. Where there is a cluster, Prometheus is built: Debian's cannot find targets in one. */
export const monitoringPrograms: readonly NeededProgram[] = [
  { program: "prometheus-alertmanager", package: "prometheus-alertmanager" },
  { program: "prometheus-node-exporter", package: "prometheus-node-exporter" },
  { program: "prometheus-blackbox-exporter", package: "prometheus-blackbox-exporter" },
  { program: "prometheus-smokeping-prober", package: "prometheus-smokeping-prober" },
  { program: "ip", package: "iproute2" },
  { program: "tc", package: "iproute2" },
  { program: "openssl", package: "openssl" },
  { program: "setpriv", package: "util-linux" },
  { program: "chrt", package: "util-linux" },
  { program: "python3", package: "python3-minimal" },
];

export const debianPrometheus: NeededProgram = { program: "prometheus", package: "prometheus" };
