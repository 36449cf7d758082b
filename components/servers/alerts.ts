import { mountOf } from "../environment";
import type { Environment, TierName } from "../environment/schema";
import type { Alert } from "../monitoring/alert";
import { jobs } from "../monitoring/names";
import { anyOf, oneOf } from "../monitoring/promql";
import { networkAlerts } from "./network-alerts";
import { tierNames } from "./tiers-plan";

/** Tiers of the environment with what their file systems match: the mount, and the servers where another tier is mounted there elsewhere. */
function fileSystems({ servers }: Environment, tier: TierName): string[] {
  const mounts = Object.entries(servers).flatMap(([server, { tiers }]) => tierNames.flatMap((name) => (tiers[name] === undefined ? [] : [{ server, tier: name, mount: mountOf(name, tiers[name]) }])));
  const own = mounts.filter((entry) => entry.tier === tier);
  return [...new Set(own.map(({ mount }) => mount))].map((mount) => {
    const shared = mounts.some((entry) => entry.mount === mount && entry.tier !== tier);
    const on = own.filter((entry) => entry.mount === mount).map(({ server }) => server);
    return [oneOf("mountpoint", [mount]), ...(shared ? [oneOf("server", on)] : [])].join(",");
  });
}

const used = (matcher: string): string => `1 - max by (server, mountpoint) (node_filesystem_avail_bytes{${matcher}}) / max by (server, mountpoint) (node_filesystem_size_bytes{${matcher}})`;

/** Hot holds copies that the plan has counted, warm fills up by itself, cold thins itself out. */
const fullAbove: Readonly<Record<TierName, number>> = { hot: 0.9, warm: 0.85, cold: 0.9 };

function tierAlerts(environment: Environment): Alert[] {
  const tiers = tierNames.map((tier) => ({ tier, matchers: fileSystems(environment, tier) })).filter(({ matchers }) => matchers.length > 0);
  if (tiers.length === 0) return [];
  const all = tiers.flatMap(({ matchers }) => matchers);
  return [
    {
      name: "TierNearlyFull",
      severity: "warning",
      expr: anyOf(tiers.flatMap(({ tier, matchers }) => matchers.map((matcher) => `${used(matcher)} > ${fullAbove[tier]}`))),
      forSeconds: 900,
      summary: "The tier {{ $labels.mountpoint }} of {{ $labels.server }} is {{ $value | humanizePercentage }} full",
      meaning: "On the hot tier the next model may not fit, on the cold one the next backup or image. The warm tier goes on filling up with checkpoints and measurements, and training stops when it is full.",
      reason: "Hot above 90 %: it holds copies that the plan has counted, so something else is on it. Warm above 85 %: one checkpoint of a large model has hundreds of gigabytes, and 15 % leave about a working day. Cold above 90 %: backups thin themselves out, so that this is growth, and new drives take weeks. General knowledge.",
      steps: [
        "On the server, see what takes the room: `du -xh --max-depth=2 <mountpoint> | sort -h | tail`.",
        "Hot: remove folders of models that no service of the environment names; their source is in the model store.",
        "Warm: lower `recovery.checkpoints.keepLast` or `monitoring.retentionGiB`, or move checkpoints of ended jobs to the cold tier.",
        "Cold: lower `recovery.backup.keepDaily` and `keepWeekly`, remove models that nothing uses from the model store, or order drives.",
      ],
    },
    {
      name: "TierFull",
      severity: "critical",
      expr: anyOf(all.map((matcher) => `${used(matcher)} > 0.97`)),
      forSeconds: 300,
      summary: "The tier {{ $labels.mountpoint }} of {{ $labels.server }} is {{ $value | humanizePercentage }} full",
      meaning: "Writes are about to fail: checkpoints, backups, measurements or new weights, whichever the tier holds.",
      reason: "XFS slows down and fragments over the last few percent, and a single checkpoint takes more than what is left. General knowledge.",
      steps: ["On the server, free room at once: `du -xh --max-depth=3 <mountpoint> | sort -h | tail`, and remove what can be made again.", "Then do what the page says about the tier being nearly full."],
    },
    {
      name: "TierNotMounted",
      severity: "critical",
      expr: "max by (server, tier, mountpoint) (rackwright_tier_mounted) == 0",
      forSeconds: 120,
      summary: "The {{ $labels.tier }} tier of {{ $labels.server }} is not mounted at {{ $labels.mountpoint }}",
      meaning: "What should be written to the tier fails, and pods that use it do not start.",
      reason: "A tier is mounted by UUID when the server boots; two minutes are more than that takes. Guide 2.2: everything else builds on the tiers.",
      steps: [
        "On the server, see why: `systemctl status '*.mount'` and `cat /proc/mdstat`.",
        "If the array is there, `mount <mountpoint>`; if not, follow ArrayFailed.",
        "`./rackwright drift <environment>` shows what differs, `./rackwright up <environment>` mends it.",
      ],
    },
    {
      name: "TierUnusable",
      severity: "critical",
      expr: anyOf(all.flatMap((matcher) => [`max by (server, mountpoint) (node_filesystem_readonly{${matcher}}) == 1`, `max by (server, mountpoint) (node_filesystem_device_error{${matcher}}) == 1`])),
      forSeconds: 60,
      summary: "The tier {{ $labels.mountpoint }} of {{ $labels.server }} cannot be written to",
      meaning: "The file system stopped itself after errors of its drives. Nothing more is written until somebody looks.",
      reason: "XFS shuts down rather than write where it is not sure; it never comes back by itself. General knowledge.",
      steps: ["On the server, read the first error: `dmesg --level=err,crit | grep -iE 'xfs|md|nvme|ata'`.", "Stop what uses the mount, `umount` it, and `xfs_repair -n` the device.", "If a drive gave the errors, follow docs/runbooks/drives.md before you mount again."],
    },
  ];
}

const hasArrays = ({ servers }: Environment): boolean => Object.values(servers).some(({ tiers }) => tierNames.some((tier) => tiers[tier] !== undefined && tiers[tier].level !== "single"));

function arrayAlerts(environment: Environment): Alert[] {
  if (!hasArrays(environment)) return [];
  return [
    {
      name: "ArrayFailed",
      severity: "critical",
      expr: 'max by (server, tier, array, state) (rackwright_array_state{state=~"failed|missing"}) == 1',
      forSeconds: 60,
      summary: "The array {{ $labels.array }} ({{ $labels.tier }}) of {{ $labels.server }} is {{ $labels.state }}",
      meaning: "The tier is gone. On the hot tier these are copies, which are loaded again; on the others it is data that only a backup has.",
      reason: "mdadm's own test says that the array cannot run (guide 2.2: RAID 0 on the hot tier is lost with any one drive).",
      steps: ["On the server: `cat /proc/mdstat` and `mdadm --detail --test /dev/md/<array>`.", "If a drive was pulled or came loose, put it back and run `./rackwright up <environment>`: an array that is whole is assembled, never made anew over data.", "Otherwise follow docs/runbooks/drives.md."],
    },
    {
      name: "ArrayDegraded",
      severity: "warning",
      expr: 'max by (server, tier, array) (rackwright_array_state{state="degraded"}) == 1',
      forSeconds: 300,
      summary: "The array {{ $labels.array }} ({{ $labels.tier }}) of {{ $labels.server }} is degraded",
      meaning: "All data is there, with less redundancy than planned; on RAID 1, 5 and 10 the next drive may take it along.",
      reason: "Any lost member is worth a visit within the day: rebuilding is when the next drive fails. General knowledge; levels by guide 2.2.",
      steps: ["On the server: `mdadm --detail /dev/md/<array>` names the member that is missing or faulty.", "Replace the drive and follow docs/runbooks/drives.md.", "Watch `cat /proc/mdstat` until the rebuild is done."],
    },
    {
      name: "ArrayMemberMissing",
      severity: "warning",
      expr: "max by (server, tier, array) (rackwright_array_members_expected) - max by (server, tier, array) (rackwright_array_members_working) > 0",
      forSeconds: 300,
      summary: "The array {{ $labels.array }} ({{ $labels.tier }}) of {{ $labels.server }} lacks {{ $value }} of its members",
      meaning: "A drive that the environment names does not work in its array, whatever the array makes of it.",
      reason: "The environment says how many drives an array has; one fewer is never as planned.",
      steps: ["On the server: `ls -l /dev/disk/by-id/` shows whether the drive of the environment is there at all.", "If it is there, `mdadm --detail /dev/md/<array>` and `smartctl -a /dev/disk/by-id/<drive>` say what became of it.", "If it is not, look at its slot and cable, then follow docs/runbooks/drives.md."],
    },
    {
      name: "ArrayDriveFaulty",
      severity: "warning",
      expr: 'max by (server, device) (node_md_disks{state="failed"}) > 0',
      forSeconds: 60,
      summary: "The kernel threw {{ $value }} drives out of {{ $labels.device }} on {{ $labels.server }}",
      meaning: "A drive gave errors and is no longer used. This covers the operating system's own mirror as well.",
      reason: "The kernel marks a member as faulty at its first error in writing (md(4)). General knowledge.",
      steps: ["On the server: `mdadm --detail /dev/<device>` names the faulty drive.", "Replace it and follow docs/runbooks/drives.md."],
    },
  ];
}

function driveAlerts({ servers }: Environment): Alert[] {
  if (!Object.values(servers).some(({ drives }) => Object.keys(drives).length > 0)) return [];
  return [
    {
      name: "DriveFailing",
      severity: "warning",
      expr: "max by (server, drive, tier) (rackwright_drive_healthy) == 0",
      forSeconds: 300,
      summary: "The drive {{ $labels.drive }} of {{ $labels.server }} calls itself unhealthy",
      meaning: "The drive expects to fail. On the hot tier that is the whole array.",
      reason: "A failed SMART verdict is seldom and seldom wrong (general knowledge: drives fail without one far more often).",
      steps: ["On the server: `smartctl -a /dev/disk/by-id/<drive>`.", "Order a drive of the same kind and size, and replace this one before it fails: docs/runbooks/drives.md."],
    },
    {
      name: "DriveWearHigh",
      severity: "warning",
      expr: "max by (server, drive, tier) (rackwright_drive_wear_ratio) > 0.9",
      forSeconds: 3600,
      summary: "The drive {{ $labels.drive }} of {{ $labels.server }} has used {{ $value | humanizePercentage }} of its endurance",
      meaning: "The drive still works, but its maker vouches for it no longer than to 100 %.",
      reason: "Members of an array wear alike: at 90 % there is time to replace them one after another. General knowledge.",
      steps: ["On the server: `smartctl -a /dev/disk/by-id/<drive>`, and the same for the other members of its array.", "Order drives, and replace members one at a time, each after the rebuild of the last.", "If it wore out within a year, look at what writes: `iostat -x 10`."],
    },
    {
      name: "DriveMediaErrors",
      severity: "warning",
      expr: "delta(rackwright_drive_media_errors[1d]) > 0",
      forSeconds: 0,
      summary: "The drive {{ $labels.drive }} of {{ $labels.server }} could not read what it had stored",
      meaning: "Data that the drive could not give back: a redundant array mends it, the hot tier may give an I/O error.",
      reason: "An error that the drive's own correction did not catch is a fault of its medium. It is looked for over a day, for many drives count them only in their own background scan. General knowledge.",
      steps: ["On the server: `smartctl -a /dev/disk/by-id/<drive>` and `dmesg | grep -i 'I/O error'`.", "Have the array read in full: `echo check > /sys/block/<md>/md/sync_action`.", "Replace the drive if there are more tomorrow."],
    },
  ];
}

const hostAlerts: readonly Alert[] = [
  {
    name: "ServerDown",
    severity: "critical",
    expr: `max by (server) (up{job="${jobs.node}"}) == 0`,
    forSeconds: 120,
    summary: "{{ $labels.server }} cannot be reached",
    meaning: "The server is down, cut off, or its node_exporter does not answer. What ran there is probably gone.",
    reason: "Two minutes are eight scrapes of 15 s, and less than a reboot takes: a planned reboot is to be silenced. General knowledge.",
    steps: ["`ping <address>` and `ssh <address>` from another server of the site.", "If neither answers, look at the server's console or BMC.", "If SSH answers: `systemctl status '*node*exporter*'`.", "For good: `kubectl drain <server> --ignore-daemonsets`, so that nothing waits for it."],
  },
  {
    name: "HostMetricsStale",
    severity: "warning",
    expr: 'time() - max by (server, file) (node_textfile_mtime_seconds{file=~"(.*/)?rackwright-.*"}) > 1800',
    forSeconds: 300,
    summary: "{{ $labels.file }} of {{ $labels.server }} was last written {{ $value | humanizeDuration }} ago",
    meaning: "What a script on the host says about arrays, tiers, drives, RDMA or checkpoints no longer changes: its alerts neither fire nor end.",
    reason: "The scripts run each minute, each five and each ten: half an hour are three turns of the slowest (components/servers/scripts/monitoring-units.sh).",
    steps: ["On the server: `systemctl list-timers 'rackwright-*'` and `journalctl -u 'rackwright-metrics-*' -n 50`.", "`./rackwright up <environment>` installs them anew."],
  },
  {
    name: "HostMemoryLow",
    severity: "warning",
    expr: "max by (server) (node_memory_MemAvailable_bytes) / max by (server) (node_memory_MemTotal_bytes) < 0.05",
    forSeconds: 300,
    summary: "{{ $labels.server }} has {{ $value | humanizePercentage }} of its memory left",
    meaning: "The kernel ends a process next, and it takes the largest: an engine or a training job.",
    reason: "Pods have limits and the kubelet keeps a share for the system, so that 5 % means something outside of them, or that eviction comes too late. General knowledge.",
    steps: ["On the server: `ps -eo rss,pid,args --sort=-rss | head` and `df -h /dev/shm`.", "`kubectl top pods -A --sort-by=memory`, and end what is not in the environment."],
  },
  {
    name: "HostTemperatureHigh",
    severity: "warning",
    expr: "max by (server, chip) (node_hwmon_temp_celsius / (node_hwmon_temp_crit_celsius != 0)) > 0.95",
    forSeconds: 600,
    summary: "{{ $labels.chip }} of {{ $labels.server }} has {{ $value | humanizePercentage }} of its critical temperature",
    meaning: "CPUs slow down and drives stop at their critical temperature.",
    reason: "The chip's own figure is the bound. Processors touch 90 % of it under load; 95 % for ten minutes are cooling that does not suffice. General knowledge.",
    steps: ["On the server: `sensors` and the fans in the BMC (`ipmitool sdr type fan`).", "Look at the inlet: a blanking panel, a filter, the room's temperature."],
  },
  {
    name: "HostMemoryFragmented",
    severity: "info",
    expr: 'rackwright:host_fragmentation:ratio{zone=~"Normal|Movable"} > 0.95',
    forSeconds: 3600,
    summary: "{{ $value | humanizePercentage }} of the free memory of {{ $labels.server }} (NUMA node {{ $labels.node }}) is in pieces of less than 2 MiB",
    meaning: "Large pages and pinned buffers take longer to get, for the kernel has to move memory first. Engines that already run do not notice.",
    reason: "A full page cache alone brings this to high values, so that it is for the record only, and only when it lasts an hour. General knowledge; guide 5.1 names fragmentation without saying whose.",
    steps: ["If starts of engines have become slow, have the kernel join pieces: `echo 1 > /proc/sys/vm/compact_memory`.", "See `grep -E 'compact_(stall|fail)' /proc/vmstat`: only stalls that grow cost anything."],
  },
  {
    name: "ClockNotSynchronised",
    severity: "warning",
    expr: anyOf(["max by (server) (node_timex_sync_status) == 0", "max by (server) (abs(node_timex_offset_seconds)) > 0.05"]),
    forSeconds: 600,
    summary: "The clock of {{ $labels.server }} is not in step",
    meaning: "Certificates, leases of the cluster and the order of logs depend on clocks that agree.",
    reason: "A site with its own time server keeps clocks within a few milliseconds; 50 ms is what the Prometheus community's rules for node_exporter take. General knowledge.",
    steps: ["On the server: `timedatectl timesync-status` or `chronyc tracking`.", "See that it reaches the site's time server: UDP port 123.", "`systemctl restart systemd-timesyncd` or `chrony`."],
  },
];

/** What can go wrong with a site's servers, apart from their GPUs. Only what the environment has. */
export function serverAlerts(environment: Environment): Alert[] {
  return [...hostAlerts, ...networkAlerts(environment), ...arrayAlerts(environment), ...tierAlerts(environment), ...driveAlerts(environment)];
}
