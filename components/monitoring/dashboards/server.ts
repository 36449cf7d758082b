import { boardUids, layOut, serverVariable, type BoardInput } from "./board";
import type { Facts } from "./facts";
import { graph, states, table, tile, units } from "./panels";
import { longWindow, onServer, window } from "./queries";
import type { DashboardModel, PanelBuilder } from "./sdk";

/** Interfaces that pods bring are not the server's. */
const ownInterfaces = 'device!~"lo|veth.*|cni.*|flannel.*|cali.*|docker.*"';
const ownDrives = 'device!~"loop.*|ram.*|sr.*|dm-.*"';

/** One server or several beside each other: processors, memory, network, drives, temperatures, and what ages. */
export function serverBoard(_: BoardInput, facts: Facts): DashboardModel {
  return layOut({
    uid: boardUids.server,
    title: "Server",
    description: "Processors, memory, network, drives and temperatures of servers.",
    variables: [serverVariable("rackwright:server:info", facts.servers)],
    rows: [
      { title: "Now", panels: now(facts) },
      { title: "Processors and memory", panels: processors() },
      { title: "Network", panels: network(facts) },
      { title: "Ways to other servers", panels: ways(facts) },
      { title: "RDMA", panels: facts.hasRdma ? rdma() : [] },
      { title: "Drives and temperatures", panels: drives() },
      { title: "What ages", panels: ages(facts) },
    ],
  });
}

function now({ hasCluster }: Facts): PanelBuilder[] {
  const width = hasCluster ? 6 : 8;
  return [
    tile({ title: "Up", description: "Whether node_exporter answers: 1 where it does, the lowest of the chosen servers.", unit: units.count, min: 0, max: 1, limit: { value: 1, wrong: "below" }, width, alert: "ServerDown", query: { expr: `min(up{job="node", ${onServer}})`, legend: "up" } }),
    ...(hasCluster
      ? [states({ title: "Node", description: "Whether Kubernetes takes the node for ready, and whether it may be given pods.", alert: "NodeNotReady", states: { 0: { text: "not ready", colour: "red" }, 1: { text: "ready", colour: "green" } }, queries: [{ expr: `max by (node) (kube_node_status_condition{condition="Ready", status="true", node=~"$server"})`, legend: "{{node}}" }], width, height: 4 })]
      : []),
    tile({ title: "Since the last start", description: "Time since the server was started; the shortest of the chosen ones.", unit: units.seconds, decimals: 0, width, query: { expr: `min(node_time_seconds{${onServer}} - node_boot_time_seconds{${onServer}})`, legend: "up for" } }),
    tile({ title: "Clock", description: "How far the clock is off, as the kernel's discipline says; the farthest of the chosen servers. Tokens, certificates and checkpoints depend on it.", unit: units.seconds, width, alert: "ClockNotSynchronised", query: { expr: `max(abs(node_timex_offset_seconds{${onServer}}))`, legend: "off by" } }),
  ];
}

function processors(): PanelBuilder[] {
  return [
    graph({ title: "CPU", description: "Share of time in which the processors did anything, all of a server's together.", unit: units.ratio, min: 0, max: 1, queries: [{ expr: `1 - avg by (server) (rate(node_cpu_seconds_total{mode="idle", ${onServer}}[${window}]))`, legend: "{{server}}" }], width: 6 }),
    graph({ title: "Load for each core", description: "Processes that run or wait for a drive, over cores: above 1 some wait.", unit: units.count, min: 0, decimals: 2, queries: [{ expr: `sum by (server) (node_load1{${onServer}}) / count by (server) (node_cpu_seconds_total{mode="idle", ${onServer}})`, legend: "{{server}}" }], width: 6 }),
    graph({ title: "Memory", description: "Share of the host's memory that is in use and could not be given away at once; caches can.", unit: units.ratio, min: 0, max: 1, alert: "HostMemoryLow", queries: [{ expr: `max by (server) (1 - node_memory_MemAvailable_bytes{${onServer}} / node_memory_MemTotal_bytes{${onServer}})`, legend: "{{server}}" }], width: 6 }),
    graph({ title: "Fragmentation of the host's memory", description: "Share of a zone's free memory in pieces below 2 MiB, from buddyinfo: what cannot become a huge page without moving pages. The kernel joins pieces when asked, so a high share is a cost and not a fault.", unit: units.ratio, min: 0, max: 1, alert: "HostMemoryFragmented", queries: [{ expr: `rackwright:host_fragmentation:ratio{${onServer}}`, legend: "{{server}} node {{node}} {{zone}}" }], width: 6 }),
  ];
}

function network(facts: Facts): PanelBuilder[] {
  const selector = `${ownInterfaces}, ${onServer}`;
  const rate = (metric: string): string => `sum by (server, device) (rate(${metric}{${selector}}[${window}]))`;
  return [
    graph({ title: "Received", description: "By interface; those of pods are left out.", unit: units.bytesPerSecond, min: 0, queries: [{ expr: rate("node_network_receive_bytes_total"), legend: "{{server}} {{device}}" }], width: 6 }),
    graph({ title: "Sent", description: "By interface; those of pods are left out.", unit: units.bytesPerSecond, min: 0, queries: [{ expr: rate("node_network_transmit_bytes_total"), legend: "{{server}} {{device}}" }], width: 6 }),
    graph({ title: "Errors of receiving", description: "Frames that arrived broken: a cable, a transceiver or a port.", unit: units.perSecond, min: 0, ...facts.watchedBy("NetworkReceiveErrors"), queries: [{ expr: rate("node_network_receive_errs_total"), legend: "{{server}} {{device}}" }], width: 6 }),
    states({ title: "Links", description: "Whether an interface has a link.", ...facts.watchedBy("NetworkLinkDown"), states: { 0: { text: "down", colour: "red" }, 1: { text: "up", colour: "green" } }, queries: [{ expr: `max by (server, device) (node_network_up{${selector}})`, legend: "{{server}} {{device}}" }], width: 6 }),
  ];
}

function ways({ servers }: Facts): PanelBuilder[] {
  if (servers.length < 2) return [];
  const from = 'source=~"$server"';
  return [
    graph({ title: "Latency to each server", description: "Round trip over IP (ICMP), mean of five minutes; what was lost is not in it.", unit: units.seconds, min: 0, alert: "NetworkLatencyHigh", queries: [{ expr: `rackwright:network_latency:seconds{${from}}`, legend: "{{source}} to {{destination}}" }], width: 12 }),
    graph({ title: "Loss to each server", description: "Share of ICMP requests of five minutes that were not answered.", unit: units.ratio, min: 0, max: 1, alert: "NetworkLoss", queries: [{ expr: `rackwright:network_loss:ratio{${from}}`, legend: "{{source}} to {{destination}}" }], width: 12 }),
  ];
}

function rdma(): PanelBuilder[] {
  const rate = (direction: string): string => `sum by (server, device) (rate(node_infiniband_port_data_${direction}_bytes_total{${onServer}}[${window}]))`;
  return [
    graph({ title: "RDMA latency", description: "Typical time of a write of two bytes, one way (ib_write_lat), measured now and then so as not to disturb.", unit: units.seconds, min: 0, alert: "RdmaLatencyHigh", queries: [{ expr: 'rackwright:rdma_latency:seconds{source=~"$server"}', legend: "{{source}} to {{destination}} {{device}}" }], width: 6 }),
    states({ title: "RDMA measurement", description: "Whether the last measurement worked.", alert: "RdmaProbeFailed", states: { 0: { text: "failed", colour: "red" }, 1: { text: "worked", colour: "green" } }, queries: [{ expr: `rackwright_rdma_probe_success{${onServer}}`, legend: "{{server}} to {{peer}}" }], width: 6 }),
    graph({ title: "RDMA traffic", description: "Data of RDMA cards, InfiniBand and RoCE alike, both directions.", unit: units.bytesPerSecond, min: 0, queries: [{ expr: rate("received"), legend: "{{server}} {{device}} in" }, { expr: rate("transmitted"), legend: "{{server}} {{device}} out" }], width: 6 }),
    graph({ title: "RDMA faults", description: "Links that went down and packets that arrived broken, in the last hour.", unit: units.count, min: 0, alert: "RdmaLinkErrors", queries: [
      { expr: `sum by (server, device) (increase(node_infiniband_link_downed_total{${onServer}}[${longWindow}]))`, legend: "{{server}} {{device}} link down" },
      { expr: `sum by (server, device) (increase(node_infiniband_port_errors_received_total{${onServer}}[${longWindow}]))`, legend: "{{server}} {{device}} broken packets" },
    ], width: 6 }),
  ];
}

function drives(): PanelBuilder[] {
  const width = 8;
  const rate = (metric: string): string => `sum by (server, device) (rate(${metric}{${ownDrives}, ${onServer}}[${window}]))`;
  return [
    graph({ title: "Reads", description: "By drive and array.", unit: units.bytesPerSecond, min: 0, queries: [{ expr: rate("node_disk_read_bytes_total"), legend: "{{server}} {{device}}" }], width }),
    graph({ title: "Writes", description: "By drive and array.", unit: units.bytesPerSecond, min: 0, queries: [{ expr: rate("node_disk_written_bytes_total"), legend: "{{server}} {{device}}" }], width }),
    graph({ title: "Drives at work", description: "Share of time in which a drive had something to do. NVMe drives do many things at once: 100 % is not their limit.", unit: units.ratio, min: 0, max: 1, queries: [{ expr: rate("node_disk_io_time_seconds_total"), legend: "{{server}} {{device}}" }], width }),
    graph({ title: "Temperatures", description: "The hottest sensor of each chip.", unit: units.celsius, min: 0, queries: [{ expr: `max by (server, chip) (node_hwmon_temp_celsius{${onServer}})`, legend: "{{server}} {{chip}}" }], width: 12 }),
    graph({ title: "Share of the critical temperature", description: "Temperature over what the chip itself calls critical, for sensors that have such a figure: at 100 % the hardware slows down or switches off.", unit: units.ratio, min: 0, alert: "HostTemperatureHigh", queries: [{ expr: `max by (server, chip) (node_hwmon_temp_celsius{${onServer}} / (node_hwmon_temp_crit_celsius{${onServer}} > 0))`, legend: "{{server}} {{chip}}" }], width: 12 }),
  ];
}

function ages({ hasGpus, hasHostCertificates, watchedBy }: Facts): PanelBuilder[] {
  return [
    ...(hasHostCertificates ? [table({ title: "Certificates", description: "Certificates on the host, and how long they are still valid.", ...watchedBy("CertificateExpiring"), keys: { server: "Server", path: "File" }, columns: [{ header: "Valid for", expr: `min by (server, path) (rackwright_certificate_expiry_timestamp_seconds{${onServer}} - time())`, unit: units.seconds }], width: 8 })] : []),
    ...(hasGpus ? [table({ title: "Drivers", description: "The installed NVIDIA driver and its branch.", alert: "DriverBranchEndOfLife", keys: { server: "Server", version: "Driver", branch: "Branch" }, columns: [{ header: "Installed", expr: `max by (server, version, branch) (rackwright_driver_info{${onServer}})`, unit: units.count }], width: 8 })] : []),
    table({ title: "Scripts on the host", description: "When each script last left its measurements: what stands still has stopped.", alert: "HostMetricsStale", keys: { server: "Server", file: "File" }, columns: [{ header: "Age", expr: `max by (server, file) (time() - node_textfile_mtime_seconds{${onServer}})`, unit: units.seconds }], width: 8 }),
  ];
}
