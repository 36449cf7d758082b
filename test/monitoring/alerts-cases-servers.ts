import { fromNow, grows, jumps, onlyWell, steady, swing, type Signal } from "./alerts-timeline";
import type { Case } from "./alerts-promtool";
import { gpu, node } from "./alerts-series";

const array = { tier: "warm", array: "gpu-01-warm" };
const drive = { drive: "nvme-X", tier: "hot" };
const port = { device: "mlx5_0", port: "1" };
const onGpu01 = { server: "gpu-01" };

/** Used share of a tier, as its file system says it. */
function used(mountpoint: string, signal: Signal): Record<string, Signal> {
  const labels = { device: "/dev/md1", fstype: "xfs", mountpoint };
  return { [node("node_filesystem_avail_bytes", labels)]: signal, [node("node_filesystem_size_bytes", labels)]: steady(1000) };
}
const nearlyFull = (mountpoint: string, limit: number): Case => ({
  input: used(mountpoint, swing(500, 1000 - limit - 5)),
  labels: { ...onGpu01, mountpoint },
  summary: `The tier ${mountpoint} of gpu-01 is ${(limit + 5) / 10}% full`,
  quiet: { "just below": used(mountpoint, swing(500, 1000 - limit + 5)) },
});
const full = (mountpoint: string): Case => ({
  input: used(mountpoint, swing(500, 25)),
  labels: { ...onGpu01, mountpoint },
  summary: `The tier ${mountpoint} of gpu-01 is 97.5% full`,
  quiet: { "just below": used(mountpoint, swing(500, 35)), "another file system": { ...used(mountpoint, steady(500)), ...used("/boot", swing(500, 10)) } },
});
const unusable = (metric: string, mountpoint: string): Case => ({
  input: { [node(metric, { device: "/dev/md1", fstype: "xfs", mountpoint })]: swing(0, 1) },
  labels: { ...onGpu01, mountpoint },
  summary: `The tier ${mountpoint} of gpu-01 cannot be written to`,
  quiet: { "another file system": { [node(metric, { device: "/dev/md1", fstype: "xfs", mountpoint })]: steady(0), [node(metric, { device: "/dev/sr0", fstype: "iso9660", mountpoint: "/media" })]: steady(1) } },
});
const arrayState = (state: string, signal: Signal): Record<string, Signal> => ({ [node("rackwright_array_state", { ...array, state })]: signal });

const xid = (code: string): string => gpu("DCGM_EXP_XID_ERRORS_COUNT", { xid: code, window_size_in_ms: "300000" });
const onGpu = { server: "gpu-01", gpu: "0", UUID: "GPU-a" };
const xidCase = (code: string, summary: string, others: readonly string[]): Case => ({
  input: { [xid(code)]: swing(0, 1) },
  labels: { ...onGpu, xid: code },
  summary,
  quiet: Object.fromEntries(others.map((other) => [`XID ${other}`, { [xid(code)]: steady(0), [xid(other)]: swing(0, 3) }])),
});
const gauge = (name: string, limit: number, wrong: number, nearly: number, summary: string, well: number): Case => ({
  input: { [gpu(name)]: swing(well, wrong) }, labels: onGpu, summary, quiet: { [`${nearly}, at or below ${limit}`]: { [gpu(name)]: swing(well, nearly) } },
});
const links = (kind: string, by: number, nearly: number): Case => ({
  input: { [gpu(`DCGM_FI_DEV_NVLINK_${kind}_ERROR_COUNT_TOTAL`)]: grows(0, by) },
  since: kind === "RECOVERY" ? 0 : 14, settles: 16, labels: onGpu, summary: "The NVLink of GPU 0 of gpu-01 has errors",
  quiet: { "just below": { [gpu(`DCGM_FI_DEV_NVLINK_${kind}_ERROR_COUNT_TOTAL`)]: grows(0, nearly) } },
});
const throttled = (cause: string, wrong: number, nearly: number, since: number, settles: number, summary: string): Case => ({
  input: { [gpu(`DCGM_FI_DEV_${cause}_VIOLATION`)]: grows(0, wrong * 60e9) },
  since, settles, labels: onGpu, summary,
  quiet: { "just below": { [gpu(`DCGM_FI_DEV_${cause}_VIOLATION`)]: grows(0, nearly * 60e9) }, "a short peak": { [gpu(`DCGM_FI_DEV_${cause}_VIOLATION`)]: jumps(60e9) } },
});

/** Each GPU of a server, and then one fewer of them. */
function gpus(server: string, all: number, wrong: Signal): Record<string, Signal> {
  return Object.fromEntries(Array.from({ length: all }, (_, index) => [gpu("DCGM_FI_DEV_FB_USED", { gpu: String(index), UUID: `GPU-${index}` }, server), index === 0 ? wrong : steady(70_000)]));
}
const ibPorts = (wrong: Signal): Record<string, Signal> => Object.fromEntries(Array.from({ length: 8 }, (_, index) => [node("node_infiniband_state_id", { device: `mlx5_${index}`, port: "1" }), index === 0 ? wrong : steady(4)]));

export const serverCases: Readonly<Record<string, readonly Case[]>> = {
  ServerDown: [{ input: { [node("up")]: swing(1, 0) }, labels: onGpu01, summary: "gpu-01 cannot be reached", quiet: { "another exporter": { [node("up")]: steady(1), [gpu("up")]: swing(1, 0) } } }],
  HostMetricsStale: [{
    input: { [node("node_textfile_mtime_seconds", { file: "/var/lib/rackwright/metrics/rackwright-state.prom" })]: fromNow(-40, -1830) },
    labels: { ...onGpu01, file: "/var/lib/rackwright/metrics/rackwright-state.prom" },
    summary: "/var/lib/rackwright/metrics/rackwright-state.prom of gpu-01 was last written 30m 30s ago",
    quiet: {
      "just below": { [node("node_textfile_mtime_seconds", { file: "/var/lib/rackwright/metrics/rackwright-state.prom" })]: fromNow(-40, -1770) },
      "somebody else's file": { [node("node_textfile_mtime_seconds", { file: "/var/lib/rackwright/metrics/rackwright-state.prom" })]: fromNow(-40, -40), [node("node_textfile_mtime_seconds", { file: "/var/lib/other/x.prom" })]: steady(0) },
    },
  }],
  HostMemoryLow: [{
    input: { [node("node_memory_MemAvailable_bytes")]: swing(500, 49), [node("node_memory_MemTotal_bytes")]: steady(1000) },
    labels: onGpu01, summary: "gpu-01 has 4.9% of its memory left", quiet: { "just above": { [node("node_memory_MemAvailable_bytes")]: swing(500, 51) } },
  }],
  HostTemperatureHigh: [{
    input: { [node("node_hwmon_temp_celsius", { chip: "platform_coretemp_0", sensor: "temp1" })]: swing(60, 96), [node("node_hwmon_temp_crit_celsius", { chip: "platform_coretemp_0", sensor: "temp1" })]: steady(100) },
    labels: { ...onGpu01, chip: "platform_coretemp_0" }, summary: "platform_coretemp_0 of gpu-01 has 96% of its critical temperature",
    quiet: {
      "just below": { [node("node_hwmon_temp_celsius", { chip: "platform_coretemp_0", sensor: "temp1" })]: swing(60, 94) },
      "a sensor without a bound": { [node("node_hwmon_temp_crit_celsius", { chip: "platform_coretemp_0", sensor: "temp1" })]: steady(0) },
    },
  }],
  HostMemoryFragmented: [{
    // 96 of 100 pages below order 9: 96 * 4 blocks of order 2 and 4 of one block of order 9.
    input: { [node("node_buddyinfo_blocks", { node: "0", zone: "Normal", size: "2" })]: swing(1000, 3072), [node("node_buddyinfo_blocks", { node: "0", zone: "Normal", size: "9" })]: swing(100, 1) },
    labels: { ...onGpu01, node: "0", zone: "Normal" }, summary: "96% of the free memory of gpu-01 (NUMA node 0) is in pieces of less than 2 MiB",
    quiet: {
      "just below": { [node("node_buddyinfo_blocks", { node: "0", zone: "Normal", size: "2" })]: swing(1000, 2304) },
      "a zone of old devices": { [node("node_buddyinfo_blocks", { node: "0", zone: "Normal", size: "2" })]: steady(1000), [node("node_buddyinfo_blocks", { node: "0", zone: "Normal", size: "9" })]: steady(100), [node("node_buddyinfo_blocks", { node: "0", zone: "DMA", size: "0" })]: steady(7) },
    },
  }],
  ClockNotSynchronised: [
    { input: { [node("node_timex_sync_status")]: swing(1, 0), [node("node_timex_offset_seconds")]: steady(0.001) }, labels: onGpu01, summary: "The clock of gpu-01 is not in step", quiet: { "in step": { [node("node_timex_sync_status")]: steady(1) } } },
    {
      input: { [node("node_timex_sync_status")]: steady(1), [node("node_timex_offset_seconds")]: swing(0.001, -0.051) }, labels: onGpu01, summary: "The clock of gpu-01 is not in step",
      quiet: { "just below": { [node("node_timex_offset_seconds")]: swing(0.001, 0.049) } },
    },
  ],
  NetworkLinkDown: [{
    input: { [node("node_network_up", { device: "eno1" })]: swing(1, 0) }, labels: { ...onGpu01, device: "eno1" }, summary: "The network card eno1 of gpu-01 has no link",
    quiet: { "a card without a cable that the environment does not name": { [node("node_network_up", { device: "eno1" })]: steady(1), [node("node_network_up", { device: "eno2" })]: steady(0) } },
  }],
  NetworkReceiveErrors: [{
    input: { [node("node_network_receive_errs_total", { device: "eno1" })]: grows(0, 61) }, since: 14, settles: 1, labels: { ...onGpu01, device: "eno1" }, summary: "The network card eno1 of gpu-01 receives 1.017 broken packets a second",
    quiet: { "just below": { [node("node_network_receive_errs_total", { device: "eno1" })]: grows(0, 59) } },
  }],
  RdmaPortDown: [
    { input: { ...ibPorts(swing(4, 1)), [node("up")]: steady(1) }, labels: onGpu01, summary: "gpu-01 has fewer active RDMA ports than the environment says", quiet: { "a ninth port without a cable": { ...ibPorts(steady(4)), [node("node_infiniband_state_id", { device: "mlx5_8", port: "1" })]: steady(1) } } },
    {
      input: { [node("up")]: steady(1), [node("node_infiniband_state_id", port)]: onlyWell(4), ...Object.fromEntries(Array.from({ length: 7 }, (_, index) => [node("node_infiniband_state_id", { device: `mlx5_${index + 1}`, port: "1" }), onlyWell(4)])) },
      labels: onGpu01, summary: "gpu-01 has fewer active RDMA ports than the environment says", quiet: { "the server is gone as a whole": { [node("up")]: swing(1, 0) } },
    },
  ],
  RdmaLinkErrors: [{
    input: { [node("node_infiniband_port_errors_received_total", port)]: jumps(10.1) }, trouble: 15, labels: { ...onGpu01, ...port }, summary: "The RDMA port mlx5_0/1 of gpu-01 received 10.1 broken packets in 15 minutes",
    quiet: { "just below": { [node("node_infiniband_port_errors_received_total", port)]: jumps(9.9) } },
  }],
  RdmaLinkUnstable: [{
    input: { [node("node_infiniband_link_downed_total", port)]: jumps(3) }, trouble: 60, calm: 90, labels: { ...onGpu01, ...port }, summary: "The RDMA port mlx5_0/1 of gpu-01 lost its link 3 times in an hour",
    quiet: { "twice, as with a reboot": { [node("node_infiniband_link_downed_total", port)]: jumps(2) } },
  }],
  ArrayFailed: ["failed", "missing"].map((state): Case => ({
    input: arrayState(state, swing(0, 1)), labels: { ...onGpu01, ...array, state }, summary: `The array gpu-01-warm (warm) of gpu-01 is ${state}`,
    quiet: { "degraded only": { ...arrayState(state, steady(0)), ...arrayState("degraded", steady(1)) } },
  })),
  ArrayDegraded: [{
    input: arrayState("degraded", swing(0, 1)), labels: { ...onGpu01, ...array }, summary: "The array gpu-01-warm (warm) of gpu-01 is degraded",
    quiet: { rebuilding: { ...arrayState("degraded", steady(0)), ...arrayState("rebuilding", steady(1)) } },
  }],
  ArrayMemberMissing: [{
    input: { [node("rackwright_array_members_expected", array)]: steady(4), [node("rackwright_array_members_working", array)]: swing(4, 3) }, labels: { ...onGpu01, ...array }, summary: "The array gpu-01-warm (warm) of gpu-01 lacks 1 of its members",
    quiet: { "all there": { [node("rackwright_array_members_working", array)]: steady(4) } },
  }],
  ArrayDriveFaulty: [{
    input: { [node("node_md_disks", { device: "md127", state: "failed" })]: swing(0, 1) }, labels: { ...onGpu01, device: "md127" }, summary: "The kernel threw 1 drives out of md127 on gpu-01",
    quiet: { "a spare": { [node("node_md_disks", { device: "md127", state: "failed" })]: steady(0), [node("node_md_disks", { device: "md127", state: "spare" })]: steady(1) } },
  }],
  TierNearlyFull: [nearlyFull("/srv/hot", 900), nearlyFull("/srv/warm", 850), nearlyFull("/srv/cold", 900)],
  TierFull: ["/srv/hot", "/srv/warm", "/srv/cold"].map(full),
  TierNotMounted: [{
    input: { [node("rackwright_tier_mounted", { tier: "warm", mountpoint: "/srv/warm" })]: swing(1, 0) }, labels: { ...onGpu01, tier: "warm", mountpoint: "/srv/warm" }, summary: "The warm tier of gpu-01 is not mounted at /srv/warm",
    quiet: { mounted: { [node("rackwright_tier_mounted", { tier: "warm", mountpoint: "/srv/warm" })]: steady(1) } },
  }],
  TierUnusable: ["/srv/hot", "/srv/warm", "/srv/cold"].flatMap((mount) => [unusable("node_filesystem_readonly", mount), unusable("node_filesystem_device_error", mount)]),
  DriveFailing: [{
    input: { [node("rackwright_drive_healthy", drive)]: swing(1, 0) }, labels: { ...onGpu01, ...drive }, summary: "The drive nvme-X of gpu-01 calls itself unhealthy", quiet: { healthy: { [node("rackwright_drive_healthy", drive)]: steady(1) } },
  }],
  DriveWearHigh: [{
    input: { [node("rackwright_drive_wear_ratio", drive)]: swing(0.1, 0.91) }, labels: { ...onGpu01, ...drive }, summary: "The drive nvme-X of gpu-01 has used 91% of its endurance", quiet: { "just below": { [node("rackwright_drive_wear_ratio", drive)]: swing(0.1, 0.89) } },
  }],
  DriveMediaErrors: [{
    stepSeconds: 600, calm: 200, trouble: 144, input: { [node("rackwright_drive_media_errors", drive)]: jumps(1) },
    labels: { job: "node", instance: "gpu-01:9100", ...onGpu01, ...drive }, summary: "The drive nvme-X of gpu-01 could not read what it had stored", quiet: { "old errors": { [node("rackwright_drive_media_errors", drive)]: steady(7) } },
  }],
  GpuMissing: [
    { input: { ...gpus("gpu-01", 8, onlyWell(70_000)), [gpu("up")]: steady(1) }, labels: onGpu01, summary: "gpu-01 has fewer GPUs than the environment says", quiet: { "all there, one of them idle": gpus("gpu-01", 8, steady(0)) } },
    {
      input: { ...Object.fromEntries(Object.keys(gpus("gpu-01", 8, steady(1))).map((name) => [name, onlyWell(1)])), [gpu("up")]: steady(1) },
      labels: onGpu01, summary: "gpu-01 has fewer GPUs than the environment says", quiet: { "the exporter does not answer": { [gpu("up")]: swing(1, 0) } },
    },
  ],
  GpuXid: ["48", "62", "63", "64", "74", "79", "94", "95", "119", "120"].map((code, index) => xidCase(code, `GPU 0 of gpu-01 reported XID ${code}`, index === 0 ? ["13", "32", "31", "43", "45"] : [])),
  GpuXidOther: [xidCase("32", "GPU 0 of gpu-01 reported XID 32", ["13", "31", "43", "45", "48", "62", "63", "64", "74", "79", "94", "95", "119", "120"])],
  GpuXidApplication: ["13", "31", "43", "45"].map((code) => xidCase(code, `A program on GPU 0 of gpu-01 brought about XID ${code}`, code === "13" ? ["32", "48"] : [])),
  GpuEccDoubleBit: [gauge("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", 0, 1, 0, "GPU 0 of gpu-01 has 1 memory errors that could not be corrected", 0)],
  GpuRowRemapFailure: [gauge("DCGM_FI_DEV_ROW_REMAP_FAILURE", 0, 1, 0, "GPU 0 of gpu-01 has no spare memory rows left", 0)],
  GpuEccSingleBitRate: [{
    input: { [gpu("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL")]: jumps(101) }, calm: 90, trouble: 60, labels: onGpu, summary: "GPU 0 of gpu-01 corrected 101 memory errors in an hour", quiet: { "just below": { [gpu("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL")]: jumps(99) } },
  }],
  GpuTemperatureHigh: [gauge("DCGM_FI_DEV_GPU_TEMP", 85, 86, 85, "GPU 0 of gpu-01 has 86 °C", 60)],
  GpuMemoryTemperatureHigh: [gauge("DCGM_FI_DEV_MEMORY_TEMP", 95, 96, 95, "The memory of GPU 0 of gpu-01 has 96 °C", 70)],
  GpuThermalThrottling: [throttled("THERMAL", 0.102, 0.098, 4, 1, "GPU 0 of gpu-01 spends 10.2% of its time slowed down by heat")],
  GpuPowerThrottling: [throttled("POWER", 0.51, 0.49, 4, 1, "GPU 0 of gpu-01 spends 51% of its time at its power cap")],
  GpuNvlinkErrors: [links("RECOVERY", 0.05, 0), links("REPLAY", 0.68, 0.66), links("CRC_FLIT", 6.8, 6.6)],
  GpuPcieReplays: [{
    input: { [gpu("DCGM_FI_DEV_PCIE_REPLAY_COUNTER")]: grows(0, 8.2) }, since: 4, settles: 1, labels: onGpu, summary: "GPU 0 of gpu-01 repeats 8.2 PCIe transfers a minute", quiet: { "just below": { [gpu("DCGM_FI_DEV_PCIE_REPLAY_COUNTER")]: grows(0, 7.8) } },
  }],
  GpuPowerCapWrong: [
    { input: { [gpu("DCGM_FI_DEV_POWER_MGMT_LIMIT", {}, "gpu-04")]: swing(600, 602) }, labels: { ...onGpu, server: "gpu-04" }, summary: "The power cap of GPU 0 of gpu-04 is 2 W off the environment's", quiet: { rounding: { [gpu("DCGM_FI_DEV_POWER_MGMT_LIMIT", {}, "gpu-04")]: swing(600, 600.9) }, "a server without a cap": { [gpu("DCGM_FI_DEV_POWER_MGMT_LIMIT", {}, "gpu-04")]: steady(600), [gpu("DCGM_FI_DEV_POWER_MGMT_LIMIT")]: steady(700) } } },
    { input: { [gpu("DCGM_FI_DEV_POWER_MGMT_LIMIT", {}, "gpu-04")]: swing(600, 598) }, labels: { ...onGpu, server: "gpu-04" }, summary: "The power cap of GPU 0 of gpu-04 is 2 W off the environment's", quiet: {} },
  ],
};

