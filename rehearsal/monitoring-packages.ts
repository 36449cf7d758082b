import { readFileSync } from "node:fs";
import { join } from "node:path";
import { serviceUnit } from "./nvidia-standins";
import { RehearsalError } from "./process";
import type { MirrorPackage } from "./repository";
import type { StandIn } from "./standins";

const nodeExporter = "prometheus-node-exporter";
/** Versions of Debian 12; Grafana's and DCGM's only have to be some. */
const versions = { [nodeExporter]: "1.5.0-1+b6", prometheus: "2.42.0+ds-5+b5", "prometheus-alertmanager": "0.25.0-1+b6", "prometheus-smokeping-prober": "0.6.1-1+b6", "prometheus-blackbox-exporter": "0.23.0-2+b6", grafana: "13.2.3", dcgm: "4.5.3-1" } as const;

/** A service that runs and does nothing: real programs of this kind take more than an emulated server has. */
const idle = "#!/bin/sh\nexec sleep infinity\n";

function service(spec: Pick<MirrorPackage, "area" | "name" | "version">, { unit = spec.name, program = `/usr/bin/${spec.name}`, user, content = idle }: { unit?: string; program?: string; user?: string; content?: string | Buffer }): MirrorPackage {
  const makeUser = user === undefined ? "" : `id -u ${user} >/dev/null 2>&1 || useradd --system --user-group --no-create-home --shell /usr/sbin/nologin ${user}\n`;
  return {
    ...spec,
    description: content === idle ? "stand-in, runs and does nothing" : "the program of the machine that rehearses",
    files: [
      { path: program, text: content, executable: true },
      { path: `/usr/lib/systemd/system/${unit}.service`, text: serviceUnit(spec.name, program).replace("[Service]\n", user === undefined ? "[Service]\n" : `[Service]\nUser=${user}\n`) },
    ],
    scripts: {
      // As Debian's do: a service is enabled and started when it is installed.
      postinst: `#!/bin/sh\nset -e\n${makeUser}systemctl daemon-reload\nsystemctl -q enable ${unit}\nsystemctl restart ${unit} || true\n`,
      prerm: `#!/bin/sh\nset -e\nsystemctl -q disable --now ${unit} || true\n`,
    },
  };
}

/** Packages of a site's monitoring: node_exporter is this machine's own, so that what it tells of a server is real. */
export function monitoringPackages(): MirrorPackage[] {
  const debian = (name: keyof typeof versions, more: { content?: Buffer } = {}): MirrorPackage => service({ area: "debian", name, version: versions[name] }, { user: "prometheus", ...more });
  const dcgm = (name: string): MirrorPackage => ({ area: "cuda", name, version: versions.dcgm, description: "stand-in, empty" });
  return [
    debian(nodeExporter, { content: programOf(nodeExporter) }),
    debian("prometheus"),
    debian("prometheus-alertmanager"),
    debian("prometheus-smokeping-prober"),
    debian("prometheus-blackbox-exporter"),
    service({ area: "grafana", name: "grafana", version: versions.grafana }, { unit: "grafana-server", program: "/usr/sbin/grafana-server", user: "grafana" }),
    dcgm("datacenter-gpu-manager-4-core"),
    dcgm("datacenter-gpu-manager-4-proprietary"),
    service({ area: "cuda", name: "datacenter-gpu-manager-exporter", version: versions.dcgm }, { unit: "nvidia-dcgm-exporter", program: "/usr/bin/dcgm-exporter" }),
  ];
}

/** @throws RehearsalError where this machine has no such program */
function programOf(name: string): Buffer {
  for (const folder of (process.env["PATH"] ?? "").split(":")) {
    try {
      return readFileSync(join(folder, name));
    } catch {
      // Not in this folder.
    }
  }
  throw new RehearsalError(`There is no ${name} on this machine.`, "unreachable");
}

/** What stands in for monitoring on emulated servers. */
export function monitoringStandIns(inCluster: boolean): StandIn[] {
  return [
    { what: "services that run and do nothing", standsInFor: "Prometheus, Alertmanager, Grafana, the probers and dcgm-exporter on the emulated servers; node_exporter is real, and the real Prometheus and Alertmanager watch it from the machine that rehearses" },
    ...(inCluster ? [{ what: "the exporters as services of the servers, as on a site without a cluster", standsInFor: "the cluster's pods that would run them" }] : []),
  ];
}
