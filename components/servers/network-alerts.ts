import type { Environment, Server } from "../environment/schema";
import type { Alert } from "../monitoring/alert";
import { jobs } from "../monitoring/names";
import { alike, anyOf, oneOf } from "../monitoring/promql";

const named = ({ nics }: Server, infiniband: boolean): string[] | undefined => {
  const names = Object.entries(nics).filter(([, { rdma }]) => (rdma === "infiniband") === infiniband).map(([name]) => name);
  return names.length === 0 ? undefined : names;
};

const rdmaPorts = ({ nics }: Server): number | undefined => Object.values(nics).filter(({ rdma }) => rdma !== "none").length || undefined;

/** Alerts about the network cards of the environment: those that it does not name may be without a cable. */
export function networkAlerts(environment: Environment): Alert[] {
  const interfaces = alike(environment, (server) => named(server, false)).map(({ value, servers }) => `${oneOf("server", servers)},${oneOf("device", value)}`);
  const ports = alike(environment, rdmaPorts);
  return [...(interfaces.length === 0 ? [] : interfaceAlerts(interfaces)), ...(ports.length === 0 ? [] : rdmaAlerts(ports))];
}

function interfaceAlerts(matchers: readonly string[]): Alert[] {
  return [
    {
      name: "NetworkLinkDown",
      severity: "critical",
      expr: anyOf(matchers.map((matcher) => `max by (server, device) (node_network_up{${matcher}}) == 0`)),
      forSeconds: 60,
      summary: "The network card {{ $labels.device }} of {{ $labels.server }} has no link",
      meaning: "Traffic takes another way or none: a server with two cards may answer while its services are slow.",
      reason: "The environment names the card, so it should have a cable. A minute is longer than a switch takes to bring a port up again.",
      steps: ["On the server: `ip link show <device>` and `ethtool <device>`.", "Look at the cable, the transceiver and the switch's port.", "If the card was taken out for good, remove it from the environment."],
    },
    {
      name: "NetworkReceiveErrors",
      severity: "warning",
      expr: anyOf(matchers.map((matcher) => `max by (server, device) (rate(node_network_receive_errs_total{${matcher}}[15m])) > 1`)),
      forSeconds: 900,
      summary: "The network card {{ $labels.device }} of {{ $labels.server }} receives {{ $value | humanize }} broken packets a second",
      meaning: "What is broken is sent again: throughput falls, and latency jumps.",
      reason: "A sound link has next to none in a day; one a second for half an hour is a cable, a transceiver or a port. General knowledge.",
      steps: ["On the server: `ethtool -S <device> | grep -iE 'err|drop|crc'`.", "Clean or replace the transceiver and the cable; try another port of the switch."],
    },
  ];
}

function rdmaAlerts(ports: readonly { value: number; servers: string[] }[]): Alert[] {
  return [
    {
      name: "RdmaPortDown",
      severity: "critical",
      // A server whose driver is gone has no series of ports at all, but its exporter answers.
      expr: anyOf(ports.flatMap(({ value, servers }) => [
        `sum by (server) (node_infiniband_state_id{${oneOf("server", servers)}} == bool 4) < ${value}`,
        `(max by (server) (up{job="${jobs.node}",${oneOf("server", servers)}}) == 1 unless on (server) node_infiniband_state_id)`,
      ])),
      forSeconds: 120,
      summary: "{{ $labels.server }} has fewer active RDMA ports than the environment says",
      meaning: "Training over several servers fails or falls back to TCP; replicas that span servers stop.",
      reason: "State 4 is active (facts 5). A card may have ports that nothing is plugged into, so active ports are counted against the environment's network cards.",
      steps: ["On the server: `ibstat` (or `rdma link`) shows each port's state and rate.", "No device at all: `lsmod | grep mlx5_ib` and `dmesg | grep -i mlx5`.", "`Initializing` on InfiniBand: the subnet manager does not answer, see `sminfo`.", "`Down`: cable, transceiver, or the switch's port."],
    },
    {
      name: "RdmaLinkErrors",
      severity: "warning",
      expr: "max by (server, device, port) (increase(node_infiniband_port_errors_received_total[15m])) > 10",
      forSeconds: 300,
      summary: "The RDMA port {{ $labels.device }}/{{ $labels.port }} of {{ $labels.server }} received {{ $value | humanize }} broken packets in 15 minutes",
      meaning: "The hardware sends again, which every collective operation of a training job waits for.",
      reason: "A sound InfiniBand link is specified for one bit error in 10^12 or fewer, and corrects those: ten broken packets in a quarter of an hour are a bad cable. General knowledge.",
      steps: ["On the server: `perfquery -x` or `rdma statistic show link <device>/<port>`.", "Clean or replace the cable or the transceiver, then watch the counter for an hour."],
    },
    {
      name: "RdmaLinkUnstable",
      severity: "warning",
      expr: "max by (server, device, port) (increase(node_infiniband_link_downed_total[1h])) > 2",
      forSeconds: 0,
      summary: "The RDMA port {{ $labels.device }}/{{ $labels.port }} of {{ $labels.server }} lost its link {{ $value | humanize }} times in an hour",
      meaning: "Each loss ends the NCCL communicators that use it: training starts again from its last checkpoint.",
      reason: "One or two are a reboot or a switch's restart; a third is a cable that comes loose. General knowledge.",
      steps: ["On the server: `dmesg | grep -iE 'mlx5|link down'` for when and which side.", "Seat the cable anew, then replace it."],
    },
  ];
}
