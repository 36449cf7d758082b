import { mountOf } from "../environment";
import type { Environment } from "../environment/schema";
import type { Alert } from "./alert";
import { jobs } from "./names";
import { anyOf, oneOf } from "./promql";
import { rdmaServers } from "../cluster/nodes";
import { measurementsTier, monitoringServer } from "./server";

/** What is scraped whether it works or not. Engines answer only once they have loaded; node_exporter has an alert of its own. */
const exporters = [jobs.prometheus, jobs.alertmanager, jobs.gpu, jobs.kubernetes, jobs.latency, jobs.probe, jobs.meter];

/** Alerts about the network between servers. */
export function networkAlerts({ servers, monitoring }: Environment): Alert[] {
  const { networkLatencyMilliseconds } = monitoring.alerts;
  const rdma = rdmaServers(servers).length;
  if (Object.keys(servers).length < 2) return [];
  return [
    {
      name: "NetworkLatencyHigh",
      severity: "warning",
      expr: `rackwright:network_latency:seconds > ${networkLatencyMilliseconds / 1000}`,
      forSeconds: 300,
      summary: "{{ $labels.source }} reaches {{ $labels.destination }} in {{ $value | humanizeDuration }}",
      meaning: "Servers of one room are ten to a hundred times nearer than this: replicas that span servers, training and loads from the store wait.",
      reason: `Guide 5.1: above ${networkLatencyMilliseconds} ms RDMA is to be checked. This is ICMP over IP: RDMA bypasses the kernel and is measured by itself, see RdmaLatencyHigh (facts 5).`,
      steps: [
        rdma > 1
          ? "Check the RDMA configuration on both servers: `rdma link` (state ACTIVE), `show_gids`, `cma_roce_tos`, and on the switch flow control or ECN of the traffic class."
          : "Check the RDMA configuration where there is any (`rdma link`); this environment names no RDMA card on two servers, so it is the IP network.",
        "`ethtool <device>` for a link that came up slower, `ip -s link show <device>` for drops.",
        "`mtr -n <address>` from the source: one hop inside a room.",
        "A transfer that fills the link: `ip -s link` twice, and the board of the server.",
      ],
    },
    {
      name: "NetworkLoss",
      severity: "warning",
      expr: "rackwright:network_loss:ratio > 0.01",
      forSeconds: 300,
      summary: "{{ $value | humanizePercentage }} of the packets from {{ $labels.source }} to {{ $labels.destination }} are lost",
      meaning: "TCP halves its speed with each loss, and RoCE without flow control does worse.",
      reason: "A network inside one room loses nothing: one in a hundred is three of the 300 requests of five minutes. General knowledge.",
      steps: ["All destinations of one source: that server's card and cable, see NetworkReceiveErrors.", "All pairs across two switches: the link between them.", "One pair only: `mtr -n <address>`, and the servers' firewalls."],
    },
    ...(rdma > 1 ? rdmaAlerts : []),
  ];
}

const rdmaAlerts: readonly Alert[] = [
  {
    name: "RdmaLatencyHigh",
    severity: "warning",
    expr: "rackwright:rdma_latency:seconds > 0.00002",
    forSeconds: 1800,
    summary: "An RDMA write from {{ $labels.source }} to {{ $labels.destination }} over {{ $labels.device }} takes {{ $value | humanizeDuration }}",
    meaning: "Collective operations of training and of replicas that span servers wait for each such write.",
    reason: "One to two µs are usual on InfiniBand and two to five on RoCE, with a switch between: 20 µs are several times that, and a thousandth of what a ping would have to show (guide 5.1's 5 ms cannot tell). General knowledge.",
    steps: ["On both servers: `ib_write_lat -d <device>` and `ib_write_lat -d <device> <peer>` by hand, when no job runs.", "Check the RDMA configuration: `rdma link`, `show_gids` (RoCE v2), MTU (`ibv_devinfo`), flow control and ECN on the switch.", "`mlnx_tune` or the BIOS: power saving of PCIe and CPU adds tens of µs."],
  },
  {
    name: "RdmaProbeFailed",
    severity: "warning",
    expr: "max by (server, peer, device) (rackwright_rdma_probe_success) == 0",
    forSeconds: 3600,
    summary: "{{ $labels.server }} cannot write to {{ $labels.peer }} by RDMA over {{ $labels.device }}",
    meaning: "NCCL would fall back to TCP or not start.",
    reason: "A busy peer may miss a measurement. They come every five minutes, so that an hour is twelve (components/servers/scripts/monitoring-units.sh).",
    steps: ["On both servers: `rdma link` and `ibv_devinfo -d <device>`.", "`rping -s` on the peer and `rping -c -a <address> -v -C 3` here tell whether the connection or the test fails.", "RdmaPortDown and NetworkLinkDown of both."],
  },
];

/** Alerts about monitoring itself. What belongs to a Prometheus and Alertmanager of our own is left out in operator mode. */
export function monitoringAlerts(environment: Environment): Alert[] {
  const own = environment.monitoring.mode === "standalone" || environment.cluster.distribution === "none";
  return [watchdog, targetDown(environment), ...(own ? [...prometheusAlerts, ...roomAlert(environment)] : [])];
}

const watchdog: Alert = {
  name: "Watchdog",
  severity: "info",
  expr: "vector(1)",
  forSeconds: 0,
  summary: "Alerting works",
  meaning: "It always fires. When it stops arriving, alerts do not arrive either.",
  reason: "Nothing else tells silence from health. Have something outside of the site's monitoring expect it. General knowledge.",
  steps: ["Nothing while it fires. If it has stopped: `curl -s http://<monitoring server>:9090/-/healthy`, then the same on port 9093 for Alertmanager."],
};

function targetDown({ cluster }: Environment): Alert {
  return {
    name: "TargetDown",
    severity: "warning",
    expr: anyOf([
      `max by (job, server, instance) (up{${oneOf("job", exporters)}}) == 0`,
      ...(cluster.distribution === "none" ? [] : [`max by (job, server, namespace, pod) (up{${oneOf("job", [jobs.engine, jobs.allocator])}}) == 0 and on (namespace, pod) kube_pod_status_ready{condition="true"} == 1`]),
    ]),
    forSeconds: 300,
    summary: "{{ $labels.job }} {{ with $labels.server }}on {{ . }} {{ end }}gives no metrics",
    meaning: "What it measures is not known, and its alerts cannot fire.",
    reason: "Five minutes are longer than a restart. Engines count only once they are ready, for while they load they cannot answer. General knowledge.",
    steps: ["`kubectl -n exporters get pods -o wide` (or `systemctl status` on a host without a cluster) shows whether it runs.", "Prometheus' page /targets says why the scrape fails: refused, timed out, or not a metric.", "A network policy or a firewall that was changed: docs/runbooks/cluster.md has the ports."],
  };
}

const prometheusAlerts: readonly Alert[] = [
  {
    name: "RuleEvaluationFailing",
    severity: "critical",
    expr: "sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[5m])) > 0",
    forSeconds: 300,
    summary: "Prometheus cannot evaluate rules of {{ $labels.rule_group }}",
    meaning: "Alerts of that group may not fire.",
    reason: "An expression fails when series are there twice where one is expected; it never mends itself. General knowledge.",
    steps: ["Prometheus' page /rules shows the rule and its error.", "Two exporters that say the same of one server are the usual cause: `count by (job, server) (up)` above 1."],
  },
  {
    name: "PrometheusConfigRejected",
    severity: "warning",
    expr: "max by (server) (prometheus_config_last_reload_successful) == 0",
    forSeconds: 600,
    summary: "Prometheus runs with an old configuration",
    meaning: "It could not read its newest configuration and goes on with the one before.",
    reason: "Files arrive one after another, so that a single refused reload means nothing; after ten minutes it does. General knowledge.",
    steps: ["`kubectl -n monitoring logs statefulset/prometheus | grep -i error` (or `journalctl -u prometheus`).", "`./rackwright up <environment>` writes it anew."],
  },
  {
    name: "NotificationsFailing",
    severity: "critical",
    expr: anyOf([
      "sum by (integration) (increase(alertmanager_notifications_failed_total[15m])) > 0",
      "max by (server) (increase(prometheus_notifications_dropped_total[15m])) > 0",
    ]),
    forSeconds: 300,
    summary: "Notifications {{ with $labels.integration }}by {{ . }} {{ end }}do not arrive",
    meaning: "Somebody is not told. If this reaches you, another receiver works.",
    reason: "Alertmanager tries each notification again for minutes before it counts as failed. General knowledge.",
    steps: ["`kubectl -n monitoring logs statefulset/alertmanager | grep -i notify` names the receiver and the answer.", "Test its address from the monitoring server: `curl -v <url>`, or the mail server's port.", "A changed password: `pulumi config set --secret rackwright:smtpPassword`, and `./rackwright up <environment>`."],
  },
];

/** Prometheus drops its oldest data at its limit by itself; what must not happen is that the drive is full before. */
function roomAlert(environment: Environment): Alert[] {
  const name = monitoringServer(environment);
  const server = name === undefined ? undefined : environment.servers[name];
  const tier = name === undefined || server === undefined ? undefined : measurementsTier(name, server);
  const spec = tier === undefined ? undefined : server?.tiers[tier.tier];
  if (name === undefined || tier === undefined || spec === undefined) return [];
  const bytes = environment.monitoring.retentionGiB * 2 ** 30;
  return [
    {
      name: "MeasurementsStorageFilling",
      severity: "warning",
      expr: `max by (server) (node_filesystem_avail_bytes{${oneOf("server", [name])},${oneOf("mountpoint", [mountOf(tier.tier, spec)])}}) < ${bytes} - max by (server) (prometheus_tsdb_storage_blocks_bytes)`,
      forSeconds: 3600,
      summary: "The tier of the measurements on {{ $labels.server }} has {{ $value | humanize1024 }}B left, less than Prometheus may still take",
      meaning: "Prometheus would fill the tier before it reaches its own limit, and stop.",
      reason: `monitoring.retentionGiB is ${environment.monitoring.retentionGiB}. At its limit Prometheus drops the oldest by itself, which is no fault; that the room for it is gone is one.`,
      steps: [`Free room on the ${tier.tier} tier, or lower \`monitoring.retentionGiB\` and run \`./rackwright up <environment>\`.`, "`du -sh <mountpoint>/monitoring/*` shows what measurements take."],
    },
  ];
}
