import { histogram, samplesOf, type Sample } from "./exposition";
import { arrayStates, valueAt, type LatencyPeer, type ServerState } from "./state";

const sample = samplesOf("node");
const bytesPerSecond = { disk: 50e6, network: 20e6 } as const;
const infinibandPort = "1";
const secondsInMicrosecond = 1e-6;

function machineSamples(server: ServerState, now: number): Sample[] {
  const up = now - server.bootedAt;
  return [
    sample("node_boot_time_seconds", {}, server.bootedAt),
    sample("node_time_seconds", {}, now),
    sample("node_load1", {}, server.cpus * server.cpuBusy),
    ...Array.from({ length: server.cpus }, (_, cpu) => [sample("node_cpu_seconds_total", { cpu, mode: "idle" }, up * (1 - server.cpuBusy)), sample("node_cpu_seconds_total", { cpu, mode: "user" }, up * server.cpuBusy)]).flat(),
    sample("node_memory_MemTotal_bytes", {}, server.memoryBytes),
    sample("node_memory_MemAvailable_bytes", {}, server.availableMemoryBytes),
    ...server.freeBlocks.map((blocks, size) => sample("node_buddyinfo_blocks", { node: "0", zone: "Normal", size }, blocks)),
    sample("node_hwmon_temp_celsius", { chip: "platform_coretemp_0", sensor: "temp1" }, server.cpuCelsius),
    sample("node_hwmon_temp_crit_celsius", { chip: "platform_coretemp_0", sensor: "temp1" }, 100),
    ...(server.watts === undefined ? [] : [sample("node_hwmon_power_average_watt", { chip: "LNXSYSTM:00_LNXSYBUS:00_ACPI000D:00", sensor: "power1" }, server.watts)]),
    sample("node_rapl_package_joules_total", { index: "0", path: "/sys/class/powercap/intel-rapl:0" }, up * 180),
    sample("node_rapl_dram_joules_total", { index: "0", path: "/sys/class/powercap/intel-rapl:0:0" }, up * 20),
    sample("node_timex_sync_status", {}, server.clockSynchronised ? 1 : 0),
    sample("node_timex_offset_seconds", {}, server.clockOffsetSeconds),
    ...server.textfiles.map(({ file, ageSeconds }) => sample("node_textfile_mtime_seconds", { file }, now - ageSeconds)),
  ];
}

function storageSamples({ rootSizeBytes, rootAvailableBytes, tiers, drives }: ServerState, up: number): Sample[] {
  const filesystems = [
    { device: "/dev/sda2", mountpoint: "/", sizeBytes: rootSizeBytes, availableBytes: rootAvailableBytes, readOnly: false },
    ...tiers.filter(({ mounted }) => mounted).map(({ mount, array, ...tier }) => ({ device: array === undefined ? `/dev/${tier.tier}` : `/dev/${array.device}`, mountpoint: mount, ...tier })),
  ];
  return [
    ...filesystems.flatMap(({ device, mountpoint, sizeBytes, availableBytes, readOnly }) => {
      const labels = { device, fstype: mountpoint === "/" ? "ext4" : "xfs", mountpoint };
      return [
        sample("node_filesystem_size_bytes", labels, sizeBytes),
        sample("node_filesystem_avail_bytes", labels, availableBytes),
        sample("node_filesystem_readonly", labels, readOnly ? 1 : 0),
        sample("node_filesystem_device_error", labels, 0),
      ];
    }),
    ...[...drives, ...tiers.flatMap(({ array }) => (array === undefined ? [] : [array]))].flatMap(({ device }) => [
      sample("node_disk_read_bytes_total", { device }, up * bytesPerSecond.disk),
      sample("node_disk_written_bytes_total", { device }, up * bytesPerSecond.disk),
      sample("node_disk_io_time_seconds_total", { device }, up * 0.2),
    ]),
  ];
}

function arraySamples({ tiers }: ServerState): Sample[] {
  return tiers.flatMap(({ tier, mount, mounted, array }) => {
    const mountedSample = sample("rackwright_tier_mounted", { tier, mountpoint: mount }, mounted ? 1 : 0);
    if (array === undefined) return [mountedSample];
    const { name, device, state, expected, working } = array;
    return [
      mountedSample,
      ...arrayStates.map((each) => sample("rackwright_array_state", { tier, array: name, state: each }, each === state ? 1 : 0)),
      sample("rackwright_array_members_expected", { tier, array: name }, expected),
      sample("rackwright_array_members_working", { tier, array: name }, working),
      sample("node_md_disks_required", { device }, expected),
      sample("node_md_disks", { device, state: "active" }, working),
      sample("node_md_disks", { device, state: "failed" }, expected - working),
      ...["active", "inactive", "recovering"].map((each) => sample("node_md_state", { device, state: each }, each === (state === "rebuilding" ? "recovering" : state === "failed" ? "inactive" : "active") ? 1 : 0)),
      sample("node_md_blocks", { device }, 1e9),
      sample("node_md_blocks_synced", { device }, state === "rebuilding" ? 5e8 : 1e9),
    ];
  });
}

function networkSamples({ nics, rdmaPorts, rdmaPeers }: ServerState, now: number, up: number): Sample[] {
  return [
    ...nics.flatMap(({ device, up: isUp, errors }) => [
      sample("node_network_receive_bytes_total", { device }, up * bytesPerSecond.network),
      sample("node_network_transmit_bytes_total", { device }, up * bytesPerSecond.network),
      sample("node_network_receive_errs_total", { device }, valueAt(errors, now)),
      sample("node_network_up", { device }, isUp ? 1 : 0),
    ]),
    ...rdmaPorts.flatMap(({ device, stateId, linkDowned, errors }) => {
      const labels = { device, port: infinibandPort };
      return [
        sample("node_infiniband_state_id", labels, stateId),
        sample("node_infiniband_link_downed_total", labels, valueAt(linkDowned, now)),
        sample("node_infiniband_port_errors_received_total", labels, valueAt(errors, now)),
        sample("node_infiniband_port_data_received_bytes_total", labels, up * bytesPerSecond.network),
        sample("node_infiniband_port_data_transmitted_bytes_total", labels, up * bytesPerSecond.network),
      ];
    }),
    ...rdmaPeers.flatMap(({ peer, device, typicalSeconds, works }) => [
      sample("rackwright_rdma_probe_success", { peer, device }, works ? 1 : 0),
      ...(works ? [sample("rackwright_rdma_latency_seconds", { peer, device, stat: "typical" }, typicalSeconds), sample("rackwright_rdma_latency_seconds", { peer, device, stat: "p99" }, typicalSeconds + secondsInMicrosecond)] : []),
    ]),
  ];
}

function recordSamples({ drives, checkpoints, backups, driver, certificates }: ServerState): Sample[] {
  return [
    ...drives.flatMap(({ id, tier, wear, healthy, celsius, mediaErrors }) => {
      const labels = { drive: id, tier };
      return [
        sample("rackwright_drive_healthy", labels, healthy ? 1 : 0),
        ...(wear === undefined ? [] : [sample("rackwright_drive_wear_ratio", labels, wear)]),
        sample("rackwright_drive_temperature_celsius", labels, celsius),
        sample("rackwright_drive_media_errors", labels, mediaErrors),
      ];
    }),
    ...checkpoints.flatMap(({ name, step, at }) => [sample("rackwright_checkpoint_step", { name }, step), sample("rackwright_checkpoint_timestamp_seconds", { name }, at)]),
    ...backups.flatMap(({ what, at, verifiedAt, failed, damaged }) => [
      sample("rackwright_backup_timestamp_seconds", { what }, at),
      sample("rackwright_backup_verified_timestamp_seconds", { what }, verifiedAt),
      sample("rackwright_backup_failed", { what }, Number(failed)),
      sample("rackwright_backup_damaged", { what }, Number(damaged)),
    ]),
    ...(driver === undefined ? [] : [sample("rackwright_driver_info", driver, 1)]),
    ...certificates.map(({ path, endsAt }) => sample("rackwright_certificate_expiry_timestamp_seconds", { path }, endsAt)),
  ];
}

function balancerSamples({ balancer }: ServerState, now: number): Sample[] {
  if (balancer === undefined) return [];
  const { address, holds, programs, replicas } = balancer;
  return [
    ...Object.entries(programs).map(([program, works]) => sample("rackwright_balancer_program_up", { program }, Number(works))),
    sample("rackwright_balancer_address_held", { address }, Number(holds)),
    ...replicas.flatMap(({ name, replica, kind, up, failures }) => [sample("rackwright_balancer_replica_up", { name, replica, kind }, Number(up)), sample("rackwright_balancer_replica_failures_total", { name, replica, kind }, valueAt(failures, now))]),
  ];
}

/** What node_exporter on a server says, and what our scripts leave for it. */
export function nodeSamples(server: ServerState, now: number): Sample[] {
  const up = now - server.bootedAt;
  return [...machineSamples(server, now), ...storageSamples(server, up), ...arraySamples(server), ...networkSamples(server, now, up), ...recordSamples(server), ...balancerSamples(server, now)];
}

/** As smokeping_prober has them, from 50 µs on, each twice the one before. */
const latencyBuckets = Array.from({ length: 20 }, (_, index) => 5e-5 * 2 ** index);

/** What smokeping_prober on a server says. */
export function latencySamples({ latency, address }: Pick<ServerState, "latency" | "address">, now: number): Sample[] {
  const requested = samplesOf("latency");
  return latency.flatMap(({ host, seconds, loss, since }: LatencyPeer) => {
    const labels = { host, ip: host, source: address };
    const requests = now - since;
    return [requested("smokeping_requests_total", labels, requests), ...histogram("smokeping_response_duration_seconds", labels, requests * (1 - loss), seconds, latencyBuckets)];
  });
}
