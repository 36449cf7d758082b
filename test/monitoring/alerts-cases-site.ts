import { jobs } from "../../components/monitoring/names";
import { fromNow, grows, jumps, never, onlyWrong, steady, swing, until } from "./alerts-timeline";
import type { Case } from "./alerts-promtool";
import { engine, gpu, kubernetes, meter, node, own, pod } from "./alerts-series";

const powerMeter = (server: string): string => node("node_hwmon_power_average_watt", { chip: "lnxsybus:00_acpi000d:00", sensor: "power1" }, server);
const serverPower = (server: string, wrong: number, text: string, nearly: number): Case => ({
  input: { [powerMeter(server)]: swing(100, wrong) }, labels: { server, basis: "power-meter" }, summary: `${server} draws ${text}W`, quiet: { "just below": { [powerMeter(server)]: swing(100, nearly) } },
});
/** Draw of two servers of a rack. */
const rack = (name: string, servers: readonly [string, string]): Case => ({
  input: { [powerMeter(servers[0])]: swing(9000, 13_000), [powerMeter(servers[1])]: steady(12_200) }, labels: { rack: name }, summary: `The servers of ${name} draw 25.2kW`,
  quiet: { "just below": { [powerMeter(servers[0])]: swing(9000, 12_600) }, "as much, but in two racks": { [powerMeter(servers[1])]: steady(0), [powerMeter(name === "rack-a" ? "gpu-03" : "gpu-01")]: steady(12_200) } },
});

const driver = (branch: string, version: string): string => node("rackwright_driver_info", { version, branch });
const day = 86_400;
/** So many days before the end of support, reached in fifty steps: time begins in 1970. */
const daysBefore = (end: number, days: number): Pick<Case, "stepSeconds" | "calm" | "trouble"> => ({ stepSeconds: (end / 1000 - days * day) / 50, calm: 50, trouble: 1 });
function ending(branch: string, version: string, end: number): Case[] {
  const labels = { server: "gpu-01", branch, version };
  const left = (days: number): string => `NVIDIA's support of driver branch ${branch}, which gpu-01 has, ends in ${days} days`;
  return [
    { ...daysBefore(end, 89), input: { [driver(branch, version)]: onlyWrong(1) }, labels, summary: left(89), quiet: { "a branch without an announced end": { [driver(branch, version)]: never, [driver("595", "595.1")]: steady(1) } } },
    { ...daysBefore(end, 91), fires: false, input: { [driver(branch, version)]: until(1) }, labels, summary: left(91), quiet: {} },
    { ...daysBefore(end, -5), input: { [driver(branch, version)]: onlyWrong(1) }, labels, summary: `NVIDIA no longer supports driver branch ${branch}, which gpu-01 has`, quiet: {} },
  ];
}

const verified = node("rackwright_backup_verified_timestamp_seconds", { what: "etcd" }, "store-01");
const backup = node("rackwright_backup_timestamp_seconds", { what: "etcd" }, "store-01");
const backupFailed = node("rackwright_backup_failed", { what: "gpu-01/cluster" }, "store-01");
const backupDamaged = node("rackwright_backup_damaged", { what: "gpu-01/cluster" }, "store-01");
const up = (job: string): string => own(job, "up");
const blocks = own(jobs.prometheus, "prometheus_tsdb_storage_blocks_bytes");
const room = node("node_filesystem_avail_bytes", { device: "/dev/md1", fstype: "xfs", mountpoint: "/srv/warm" }, "store-01");
const readySeries = kubernetes("kube_pod_status_ready", { ...pod, condition: "true" });

export const siteCases: Readonly<Record<string, readonly Case[]>> = {
  PueHigh: [{
    input: { [powerMeter("gpu-01")]: steady(10_000), [meter()]: swing(12_000, 13_200) }, calm: 70, since: 50, settles: 15, labels: {}, summary: "The site's PUE is 1.32", quiet: { "just below": { [meter()]: swing(12_000, 12_800) } },
  }],
  SitePowerHigh: [{ input: { [meter()]: swing(40_000, 61_000) }, labels: {}, summary: "The site draws 61kW", quiet: { "just below": { [meter()]: swing(40_000, 59_000) } } }],
  ServerPowerHigh: [
    serverPower("gpu-01", 13_300, "13.3k", 13_100),
    serverPower("ctrl-01", 505, "505", 495),
    serverPower("store-01", 1210, "1.21k", 1190),
    {
      input: { [gpu("DCGM_FI_DEV_POWER_USAGE")]: swing(700, 12_800), [node("node_rapl_package_joules_total", { index: "0", path: "a" })]: grows(30_000, 30_000) }, labels: { server: "gpu-01", basis: "gpus-and-cpus" }, summary: "gpu-01 draws 13.3kW",
      quiet: { "its power meter says less": { [powerMeter("gpu-01")]: steady(13_100) } },
    },
  ],
  RackPowerHigh: [rack("rack-a", ["gpu-01", "gpu-02"]), rack("rack-b", ["gpu-03", "gpu-04"])],
  DriverBranchEndOfLife: [...ending("535", "535.274.02", Date.UTC(2026, 6)), ...ending("570", "570.195.03", Date.UTC(2026, 2)), ...ending("580", "580.173.02", Date.UTC(2028, 8))],
  BackupOverdue: [{ input: { [backup]: fromNow(-3600, -66_000) }, labels: { what: "etcd" }, summary: "The last backup of etcd that ended well is 18h 20m 0s old", quiet: { "just below": { [backup]: fromNow(-3600, -63_000) } } }],
  BackupFailed: [{ stepSeconds: 900, input: { [backupFailed]: swing(0, 1) }, labels: { what: "gpu-01/cluster" }, summary: "The backup of gpu-01/cluster, or the last look at it, failed", quiet: { "the next try ends well": { [backupFailed]: steady(0) } } }],
  BackupDamaged: [{ input: { [backupDamaged]: swing(0, 1) }, labels: { what: "gpu-01/cluster" }, summary: "The backup of gpu-01/cluster has data that are not what was written", quiet: { "it could not be looked at, which says nothing of its data": { [backupDamaged]: steady(0), [backupFailed]: swing(0, 1) } } }],
  BackupUnverified: [
    { stepSeconds: 3600, input: { [backup]: fromNow(-3600, -3600), [verified]: fromNow(-3600, -700_000) }, labels: { what: "etcd" }, summary: "The backup of etcd has not been read back lately", quiet: { "just below": { [verified]: fromNow(-3600, -680_000) } } },
    { stepSeconds: 3600, input: { [backup]: onlyWrong(5) }, labels: { what: "etcd" }, summary: "The backup of etcd has not been read back lately", quiet: { "read back": { [verified]: fromNow(-3600, -3600) } } },
  ],
  TargetDown: [
    ...[jobs.prometheus, jobs.alertmanager, jobs.gpu, jobs.kubernetes, jobs.latency, jobs.probe, jobs.meter].map((job): Case => ({
      input: { [up(job)]: swing(1, 0) }, labels: { job, server: "store-01", instance: "127.0.0.1" }, summary: `${job} on store-01 gives no metrics`, quiet: { "node_exporter, which ServerDown watches": { [up(job)]: steady(1), [node("up")]: swing(1, 0) } },
    })),
    ...[jobs.engine, jobs.allocator].map((job): Case => ({
      input: { [engine("up").replace('job="engine"', `job="${job}"`)]: swing(1, 0), [readySeries]: steady(1) }, labels: { job, server: "gpu-01", namespace: pod.namespace, pod: pod.pod }, summary: `${job} on gpu-01 gives no metrics`, quiet: { "a pod that still loads": { [readySeries]: steady(0) } },
    })),
  ],
  RuleEvaluationFailing: [{
    input: { [own(jobs.prometheus, "prometheus_rule_evaluation_failures_total", { rule_group: "gpus" })]: grows(0, 0.15) }, settles: 5, labels: { rule_group: "gpus" }, summary: "Prometheus cannot evaluate rules of gpus",
    quiet: { "once, long ago": { [own(jobs.prometheus, "prometheus_rule_evaluation_failures_total", { rule_group: "gpus" })]: steady(3) } },
  }],
  PrometheusConfigRejected: [{ input: { [own(jobs.prometheus, "prometheus_config_last_reload_successful")]: swing(1, 0) }, labels: { server: "store-01" }, summary: "Prometheus runs with an old configuration", quiet: { "read": { [own(jobs.prometheus, "prometheus_config_last_reload_successful")]: steady(1) } } }],
  NotificationsFailing: [
    { input: { [own(jobs.alertmanager, "alertmanager_notifications_failed_total", { integration: "email" })]: jumps(1) }, calm: 20, trouble: 15, labels: { integration: "email" }, summary: "Notifications by email do not arrive", quiet: { "once, long ago": { [own(jobs.alertmanager, "alertmanager_notifications_failed_total", { integration: "email" })]: steady(2) } } },
    { input: { [own(jobs.prometheus, "prometheus_notifications_dropped_total")]: jumps(1) }, calm: 20, trouble: 15, labels: { server: "store-01" }, summary: "Notifications do not arrive", quiet: { "once, long ago": { [own(jobs.prometheus, "prometheus_notifications_dropped_total")]: steady(2) } } },
  ],
  MeasurementsStorageFilling: [{
    input: { [room]: swing(9e11, 9e10), [blocks]: steady(4.4e11) }, labels: { server: "store-01" }, summary: "The tier of the measurements on store-01 has 83.82GiB left, less than Prometheus may still take",
    quiet: { "just enough": { [room]: swing(9e11, 1e11) }, "at its limit": { [blocks]: steady(5.4e11) } },
  }],
};

