import type { Environment, Server } from "../../../components/environment";
import type { Table } from "../types";
import { alike, names, plural } from "../words";
import type { FileSource } from "./file-source";

/** Which networks servers are on, and how fast. */
export interface NetworkPicture {
  title: string;
  description: string;
  networks: string[];
  rows: { label: string; links: { network: string; text: string }[] }[];
}

export interface NetworkData {
  picture: NetworkPicture;
  interfaces: Table;
  addresses: Table;
  site: Table;
}

const networkNames = { none: "Ethernet", roce: "Ethernet with RoCE", infiniband: "InfiniBand" } as const;
const rdmaWords = { none: "none", roce: "RoCE", infiniband: "InfiniBand" } as const;
type Rdma = keyof typeof networkNames;

/** "8x 400 Gbit/s". */
function speedText(nics: readonly Server["nics"][string][]): string {
  return alike(nics.map(({ speedGbps }) => ["", speedGbps] as const)).map(({ names: each, thing }) => `${each.length === 1 ? "" : `${each.length}x `}${thing} Gbit/s`).join(" + ");
}

function picture({ servers }: Environment): NetworkPicture {
  const linksOf = ({ nics }: Server): { network: string; text: string }[] =>
    (Object.keys(networkNames) as Rdma[]).flatMap((rdma) => {
      const on = Object.values(nics).filter((nic) => nic.rdma === rdma);
      return on.length === 0 ? [] : [{ network: networkNames[rdma], text: speedText(on) }];
    });
  const rows = alike(Object.entries(servers).map(([name, server]) => [name, linksOf(server)] as const)).map(({ names: each, thing }) => ({ label: names(each), links: thing }));
  const told = rows.map(({ label, links }) => `${label}: ${links.length === 0 ? "no network card stated" : links.map(({ network, text }) => `${text} on ${network}`).join(", ")}`);
  return { title: "Servers and their networks", description: `${told.join(". ")}.`, networks: Object.values(networkNames).filter((network) => rows.some(({ links }) => links.some((link) => link.network === network))), rows };
}

function interfaces({ servers }: Environment, file: FileSource): Table {
  const cards = alike(Object.entries(servers).flatMap(([name, { nics }]) =>
    alike(Object.entries(nics).map(([nic, { speedGbps, rdma }]) => [nic, { speedGbps, rdma }] as const)).map(({ names: each, thing }) => [name, { nics: each, ...thing }] as const)));
  return {
    caption: "Network cards",
    columns: [{ title: "Servers" }, { title: "Interfaces", kind: "wide", source: file("servers.<name>.nics") }, { title: "Speed of each", kind: "number", source: file("servers.<name>.nics.<nic>.speedGbps") }, { title: "RDMA", source: file("servers.<name>.nics.<nic>.rdma") }],
    rows: cards.map(({ names: each, thing }) => [names(each), thing.nics.length > 4 ? `${thing.nics[0] ?? ""} to ${thing.nics.at(-1) ?? ""}, ${plural(thing.nics.length, "interface")}` : thing.nics.join(", "), `${thing.speedGbps} Gbit/s`, rdmaWords[thing.rdma]]),
  };
}

function siteAddresses({ site, ssh, cluster, services, monitoring, recovery, servers }: Environment, file: FileSource): Table {
  const row = (what: string, address: string | undefined, key: string): { what: string; address: string; source: string }[] => (address === undefined ? [] : [{ what, address, source: file(key) }]);
  const [first] = cluster.controlPlane;
  const api = cluster.apiAddress === undefined ? row("Kubernetes API, the first control-plane server", first === undefined ? undefined : servers[first]?.address, "servers.<name>.address") : row("Kubernetes API", cluster.apiAddress, "cluster.apiAddress");
  const { bastion } = ssh;
  const rows = [
    ...row("Jump host", bastion === undefined ? undefined : `${bastion.address} port ${bastion.port}`, "ssh.bastion"),
    ...(cluster.distribution === "none" ? [] : [...(cluster.distribution === "k3s" ? api : []), ...row("Pods", cluster.podCidr, "cluster.podCidr"), ...row("Services in the cluster", cluster.serviceCidr, "cluster.serviceCidr")]),
    ...row("Virtual address of the standby", recovery.standby.virtualAddress, "recovery.standby.virtualAddress"),
    ...Object.entries(services).flatMap(([name, { hostname }]) => row(`Service ${name}`, hostname, "services.<name>.hostname")),
    ...row("Grafana", monitoring.grafana.hostname, "monitoring.grafana.hostname"),
    ...row("Electricity meter", monitoring.meter === undefined ? undefined : `${monitoring.meter.address} port ${monitoring.meter.port}`, "monitoring.meter"),
    ...row("Mail server", monitoring.smtp === undefined ? undefined : `${monitoring.smtp.server} port ${monitoring.smtp.port}`, "monitoring.smtp"),
    ...row("Packages", site.mirror?.apt, "site.mirror.apt"), ...row("Container images", site.mirror?.images, "site.mirror.images"), ...row("Files", site.mirror?.files, "site.mirror.files"),
    ...row("Object store", site.objectStore?.endpoint, "site.objectStore"),
    { what: "Internet", address: site.internetAccess ? "hosts and services may reach it" : "nothing reaches it", source: file("site.internetAccess") },
  ];
  return { caption: "Addresses of the site", columns: [{ title: "What" }, { title: "Address", kind: "wide" }], rows: rows.map(({ what, address, source }) => [what, { text: address, source }]) };
}

export function networkData(environment: Environment, file: FileSource): NetworkData {
  const { servers, ssh } = environment;
  return {
    picture: picture(environment),
    interfaces: interfaces(environment, file),
    addresses: {
      caption: "Addresses of the servers",
      columns: [{ title: "Server" }, { title: "Address", kind: "wide", source: file("servers.<name>.address") }, { title: "SSH port", kind: "number", source: file("servers.<name>.port or ssh.port") }],
      rows: Object.entries(servers).map(([name, { address, port }]) => [name, address, String(port ?? ssh.port)]),
    },
    site: siteAddresses(environment, file),
  };
}
