import { isIP } from "node:net";
import { stringify } from "yaml";
import { planWorkloads } from "../inference/placement/plan-workloads";
import { receiverSecrets } from "../monitoring/alertmanager";
import { alertmanagerConfig, alertmanagerSecrets } from "../monitoring/alertmanager-config";
import { dcgmCounters } from "../monitoring/exporters/dcgm-counters";
import { nodeExporterFlags } from "../monitoring/exporters/node-exporter";
import { smokepingConfig, smokepingFlags } from "../monitoring/exporters/smokeping-prober";
import { boardFiles, boardsFolder, grafanaProvisioning, grafanaVariables } from "../monitoring/grafana";
import { ports } from "../monitoring/names";
import { latencyPeers } from "../monitoring/peers";
import { prometheusFiles, prometheusFlags } from "../monitoring/prometheus";
import { blackboxConfig, probeTargets } from "../monitoring/prometheus-config";
import { measurementFolders } from "../monitoring/server";
import { measurementsOf } from "../monitoring/storage";
import type { Environment, Server } from "../environment/schema";
import type { PlannedPackage } from "./software-plan";

/** A service of the distribution with files of ours. */
export interface HostService {
  name: string;
  /** By path; each ends with one newline. */
  files: Record<string, string>;
}

/** What a file of its own holds that no configuration may. */
export interface HostSecret {
  name: "smtp-password" | "chat-url" | "grafana-admin-password";
  path: string;
  user: string;
}

/** Exporters, and on the server that keeps the measurements Prometheus, Alertmanager and Grafana, as services of the host. */
export interface BareMonitoring {
  packages: PlannedPackage[];
  /** apt repository with Grafana; absent where it is not wanted or cannot be had. */
  grafanaSource?: string;
  data: { path: string; user: string }[];
  secrets: HostSecret[];
  services: HostService[];
  problems: string[];
  notes: string[];
}

/** Debian's and Ubuntu's packages run all of Prometheus' programs as this user. */
const prometheusUser = "prometheus";
const folder = "/etc/rackwright";
const grafanaPublisher = "https://apt.grafana.com";

interface Part extends Partial<Omit<BareMonitoring, "packages">> {
  packages: string[];
}

/** Settings of a unit that replace what its package starts; the package's own files stay as they are. */
function overrides(service: string, settings: { command?: readonly string[]; mounts?: string; variables?: Readonly<Record<string, string>>; more?: readonly string[] }): Record<string, string> {
  const { command, mounts, variables = {}, more = [] } = settings;
  const lines = [
    "# Written by rackwright.",
    ...(mounts === undefined ? [] : ["[Unit]", `RequiresMountsFor=${mounts}`]),
    "[Service]",
    ...(command === undefined ? [] : ["ExecStart=", `ExecStart=${command.map(unitWord).join(" ")}`]),
    ...Object.entries(variables).map(([name, value]) => `Environment=${unitWord(`${name}=${value}`)}`),
    ...more,
  ];
  return { [`/etc/systemd/system/${service}.service.d/rackwright.conf`]: `${lines.join("\n")}\n` };
}

/** A word in a unit: systemd's own signs doubled, and quoted where a blank or a quote would end it. */
function unitWord(word: string): string {
  const literal = word.replaceAll("%", "%%");
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(literal) ? literal : `"${literal.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** As in an ExecStart, where a dollar sign begins a variable. */
const literally = (flag: string): string => flag.replaceAll("$", "$$$$");

function nodeExporter(): Part {
  const name = "prometheus-node-exporter";
  return { packages: [name], services: [{ name, files: overrides(name, { command: [`/usr/bin/${name}`, ...nodeExporterFlags.map(literally), `--web.listen-address=:${ports.nodeExporter}`] }) }] };
}

function dcgmExporter({ gpus }: Server): Part[] {
  if (gpus === undefined) return [];
  const counters = `${folder}/dcgm-exporter/counters.csv`;
  const name = "nvidia-dcgm-exporter";
  return [
    {
      // NVIDIA's CUDA repository (general knowledge); profiling fields are in the proprietary part.
      packages: ["datacenter-gpu-manager-4-core", "datacenter-gpu-manager-4-proprietary", "datacenter-gpu-manager-exporter"],
      services: [{ name, files: { ...overrides(name, { command: ["/usr/bin/dcgm-exporter", "--collectors", counters, "--address", `:${ports.dcgmExporter}`] }), [counters]: dcgmCounters() } }],
    },
  ];
}

function smokepingProber(environment: Environment, server: string): Part[] {
  const addresses = latencyPeers(environment, server).map(({ address }) => address);
  if (addresses.length === 0) return [];
  const name = "prometheus-smokeping-prober";
  const config = `${folder}/smokeping-prober/targets.yml`;
  // Ubuntu 22.04's 0.4 takes its targets as arguments only; Debian 12's 0.6 would ping its example beside them.
  const isOld = environment.software.os === "ubuntu-22.04";
  const targets = isOld ? addresses : [`--config.file=${config}`];
  const command = [`/usr/bin/${name}`, ...smokepingFlags, `--web.listen-address=:${ports.smokepingProber}`, ...targets];
  return [{ packages: [name], services: [{ name, files: { ...overrides(name, { command, more: ["AmbientCapabilities=CAP_NET_RAW"] }), ...(isOld ? {} : { [config]: smokepingConfig(environment, server) }) } }] }];
}

function prometheus(environment: Environment, mount: string): Part {
  const path = `${mount}/${measurementFolders.prometheus}`;
  const own = `${folder}/prometheus`;
  const files = prometheusFiles(environment, planWorkloads(environment), "hosts");
  const command = ["/usr/bin/prometheus", `--config.file=${own}/prometheus.yml`, ...prometheusFlags(environment, path), `--web.listen-address=127.0.0.1:${ports.prometheus}`];
  return {
    packages: ["prometheus"],
    data: [{ path, user: prometheusUser }],
    services: [{ name: "prometheus", files: { ...overrides("prometheus", { command, mounts: mount }), ...Object.fromEntries(Object.entries(files).map(([file, text]) => [`${own}/${file}`, text])) } }],
  };
}

function alertmanager(environment: Environment, mount: string): Part {
  const needed = receiverSecrets(environment);
  const hasPassword = environment.monitoring.smtp?.user !== undefined;
  const name = "prometheus-alertmanager";
  const path = `${mount}/${measurementFolders.alertmanager}`;
  const config = `${alertmanagerSecrets.folder}/alertmanager.yml`;
  const command = [`/usr/bin/${name}`, `--config.file=${config}`, `--storage.path=${path}`, `--web.listen-address=127.0.0.1:${ports.alertmanager}`, "--cluster.listen-address="];
  return {
    packages: [name],
    data: [{ path, user: prometheusUser }],
    secrets: [
      ...(needed.smtpPassword ? [{ name: "smtp-password", path: `${alertmanagerSecrets.folder}/${alertmanagerSecrets.smtpPassword}`, user: prometheusUser } as const] : []),
      ...(needed.chatUrl ? [{ name: "chat-url", path: `${alertmanagerSecrets.folder}/${alertmanagerSecrets.chatUrl}`, user: prometheusUser } as const] : []),
    ],
    services: [{ name, files: { ...overrides(name, { command, mounts: mount }), [config]: stringify(alertmanagerConfig(environment)) } }],
    problems: hasPassword && environment.software.os === "ubuntu-22.04" ? ["Ubuntu 22.04's Alertmanager 0.23 cannot read the mail server's password from a file (0.25 can), and nothing here writes it into a configuration. Leave out monitoring.smtp.user and let the mail server take this server's mail without a password, use a webhook, or run Debian 12 on the server that keeps the measurements."] : [],
  };
}

function blackboxExporter(environment: Environment): Part[] {
  if (probeTargets(environment).length === 0) return [];
  const name = "prometheus-blackbox-exporter";
  const config = `${folder}/blackbox-exporter/blackbox.yml`;
  return [{ packages: [name], services: [{ name, files: { ...overrides(name, { command: [`/usr/bin/${name}`, `--config.file=${config}`, `--web.listen-address=127.0.0.1:${ports.blackboxExporter}`] }), [config]: stringify(blackboxConfig()) } }] }];
}

/** Neither Debian nor Ubuntu has Grafana: it comes from the site's mirror, else from its publisher. */
function grafanaSourceOf({ site }: Environment): string | undefined {
  if (site.mirror?.apt !== undefined) return `${site.mirror.apt.replace(/\/$/, "")}/grafana`;
  return site.internetAccess ? grafanaPublisher : undefined;
}

function grafana(environment: Environment, mount: string, address: string): Part[] {
  if (!environment.monitoring.grafana.enabled) return [];
  const source = grafanaSourceOf(environment);
  if (source === undefined) return [{ packages: [], notes: ["Grafana is not installed: the site has neither internet nor site.mirror.apt, whose folder grafana would have it. Prometheus shows all measurements on its own page."] }];
  const name = "grafana-server";
  const path = `${mount}/${measurementFolders.grafana}`;
  const password = `${folder}/grafana/admin-password`;
  const variables = {
    ...grafanaVariables,
    GF_PATHS_DATA: path,
    GF_SECURITY_ADMIN_PASSWORD: `$__file{${password}}`,
    GF_SERVER_HTTP_PORT: String(ports.grafana),
    // A host name may have addresses that this server has not.
    ...(isIP(address) === 0 ? {} : { GF_SERVER_HTTP_ADDR: address }),
  };
  const provisioned = grafanaProvisioning(`http://127.0.0.1:${ports.prometheus}`);
  return [
    {
      packages: ["grafana"],
      grafanaSource: source,
      data: [{ path, user: "grafana" }],
      secrets: [{ name: "grafana-admin-password", path: password, user: "grafana" }],
      services: [
        {
          name,
          files: {
            ...overrides(name, { mounts: mount, variables }),
            "/etc/grafana/provisioning/datasources/rackwright.yaml": provisioned.dataSources,
            "/etc/grafana/provisioning/dashboards/rackwright.yaml": provisioned.boards,
            ...Object.fromEntries(Object.entries(boardFiles(environment, planWorkloads(environment))).map(([file, text]) => [`${boardsFolder}/${file}`, `${text}\n`])),
          },
        },
      ],
    },
  ];
}

/** With its servers by name: what is written into files does not change when the environment's file is reordered. */
function inOrder(environment: Environment): Environment {
  return { ...environment, servers: Object.fromEntries(Object.entries(environment.servers).sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** What the server that keeps the measurements has beyond the others. */
function keepersParts(environment: Environment, mount: string, address: string): Part[] {
  return [prometheus(environment, mount), alertmanager(environment, mount), ...blackboxExporter(environment), ...grafana(environment, mount, address)];
}

/** What monitoring takes on a host of a site without a cluster; undefined where a cluster runs it. */
export function planBareMonitoring(environment: Environment, name: string, server: Server): BareMonitoring | undefined {
  if (environment.cluster.distribution !== "none") return undefined;
  const place = measurementsOf(environment);
  const parts: Part[] = [
    nodeExporter(),
    ...dcgmExporter(server),
    ...smokepingProber(environment, name),
    ...(place?.server === name ? keepersParts(inOrder(environment), place.tier.mount, server.address) : []),
  ];
  const grafanaSource = parts.find((part) => part.grafanaSource !== undefined)?.grafanaSource;
  return {
    packages: parts.flatMap(({ packages }) => packages.map((each) => ({ name: each, hold: false }))),
    ...(grafanaSource === undefined ? {} : { grafanaSource }),
    data: parts.flatMap(({ data = [] }) => data),
    secrets: parts.flatMap(({ secrets = [] }) => secrets),
    services: parts.flatMap(({ services = [] }) => services),
    problems: parts.flatMap(({ problems = [] }) => problems),
    notes: parts.flatMap(({ notes = [] }) => notes),
  };
}
