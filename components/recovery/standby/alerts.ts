import type { Environment } from "../../environment/schema";
import type { Alert, Recording } from "../../monitoring/alert";
import { jobs } from "../../monitoring/names";
import { anyOf, oneOf } from "../../monitoring/promql";
import { planHostBalancers } from "./host-step";
import { slowest, standbyBudget } from "./budget";

/** The script looks every ten seconds: two minutes without a look say that there is none. */
const freshSeconds = 120;
const fresh = `and on (server) time() - max by (server) (node_textfile_mtime_seconds{file=~"(.*/)?rackwright-standby[.]prom"}) < ${freshSeconds}`;

/** The metrics of a replica, with the labels that other metrics of services have: those of a host's exporter cannot have them. */
const ofReplica = (expr: string): string => `label_replace(label_replace(${expr}, "service", "$1", "name", "(.+)"), "role", "$1", "kind", "(.+)")`;

/** What the balancers see now; what a balancer saw before it fell silent counts no more. */
export function standbyRecordings(environment: Environment): Recording[] {
  if (planHostBalancers(environment) === undefined) return [];
  return [
    { record: "rackwright:balancer_up:bool", expr: `min by (server) (rackwright_balancer_program_up) ${fresh}`, meaning: "1 for a balancer whose HAProxy answers and whose keepalived runs." },
    { record: "rackwright:address_held:bool", expr: `max by (server, address) (rackwright_balancer_address_held) ${fresh}`, meaning: "1 for the balancer that holds the virtual address." },
    { record: "rackwright:replica_up:bool", expr: `max by (server, service, role, replica) (${ofReplica("rackwright_balancer_replica_up")}) ${fresh}`, meaning: "1 for each replica that answers a balancer, which is `server`." },
  ];
}

/** What happens to the balancers and to what they see. Nothing switches without being said. */
export function standbyAlerts(environment: Environment): Alert[] {
  const plan = planHostBalancers(environment);
  if (plan === undefined) return [];
  const worst = slowest(standbyBudget(environment, plan))?.seconds ?? 0;
  const look = "On the balancer: `journalctl -u keepalived -u haproxy -n 50`.";
  const page = "`curl -s http://127.0.0.1:8405/statistics` on a balancer shows what it thinks of every replica.";
  return [
    {
      name: "VirtualAddressMoved",
      severity: "warning",
      expr: "rackwright:address_held:bool == 1 and on (address) count by (address) (max_over_time(rackwright:address_held:bool[15m]) == 1) > 1",
      forSeconds: 0,
      summary: "{{ $labels.address }} has moved to {{ $labels.server }}",
      meaning: "The balancer that held the address failed, was cut off, or lost its HAProxy. Requests are answered; until that balancer is back, the next such fault takes the address off.",
      reason: `At worst ${worst} s without an answer, after which nobody would know. It fires for a quarter of an hour: the address does not move back by itself (docs/recovery.md).`,
      steps: ["On the balancer that held it before: `journalctl -u keepalived -u haproxy --since -1h` says what it lost, if it runs at all.", "ServerDown or BalancerDown of it: as those say.", "Nothing has to be moved back: the other balancer is as good."],
    },
    {
      name: "VirtualAddressLost",
      severity: "critical",
      expr: "max by (address) (rackwright:address_held:bool) == 0",
      forSeconds: 120,
      summary: "No balancer is seen to hold {{ $labels.address }}",
      meaning: "Clients reach no service at the virtual address.",
      reason: `A switch takes ${worst} s at worst (components/recovery/standby/budget.ts), and what the balancers say is half a minute old at most: after two minutes nothing will mend it by itself. Where no balancer says anything, ServerDown and BalancerDown do.`,
      steps: [
        "On each balancer: `systemctl status keepalived haproxy`. Both give the address up where their HAProxy does not answer, or where they reach none of the other servers.",
        "HAProxy does not start: `haproxy -c -f /etc/haproxy/haproxy.cfg`, then `./rackwright up <environment>`.",
        `No balancer can be reached: until one can, give clients a replica's own address. ${page}`,
      ],
    },
    {
      name: "VirtualAddressHeldTwice",
      severity: "critical",
      expr: "count by (address) (rackwright:address_held:bool == 1) > 1",
      forSeconds: 120,
      summary: "{{ $value }} balancers hold {{ $labels.address }}",
      meaning: "Each client reaches one or the other as its switch pleases, and connections break when that changes.",
      reason: "Two balancers that do not hear each other's advertisements each take the other for gone. What they say is half a minute old at most, so that a move is over after two. General knowledge.",
      steps: ["From one balancer to the other: `ping`, then `tcpdump -ni any vrrp` on both. A firewall that drops IP protocol 112 is the usual cause.", "Stop one until that is mended: `systemctl stop keepalived` on the balancer that fewer clients reach.", look],
    },
    {
      name: "BalancerDown",
      severity: "warning",
      expr: anyOf(["rackwright:balancer_up:bool == 0", `(max by (server) (up{job="${jobs.node}",${oneOf("server", plan.balancers.map(({ server }) => server))}}) == 1 unless on (server) rackwright:balancer_up:bool)`]),
      forSeconds: 120,
      summary: "The balancer on {{ $labels.server }} does not work",
      meaning: "Its HAProxy does not answer, its keepalived does not run, or it does not say so any more. The others go on; with none left, clients reach nothing.",
      reason: "systemd starts both again within two seconds (components/servers/scripts/standby.sh), and a reload takes less: two minutes are neither.",
      steps: ["On the server: `systemctl status haproxy keepalived rackwright-standby-metrics.timer`.", "`haproxy -c -f /etc/haproxy/haproxy.cfg` and `keepalived --config-test` say what they do not accept; `./rackwright up <environment>` writes both anew.", look],
    },
    ...(plan.services.length === 0 ? [] : replicaAlerts(page)),
  ];
}

function replicaAlerts(page: string): Alert[] {
  return [
    {
      name: "ServiceOnStandby",
      severity: "warning",
      expr: `max by (service) (rackwright:replica_up:bool{role="active"}) == 0
and on (service) max by (service) (rackwright:replica_up:bool{role="standby"}) == 1`,
      forSeconds: 0,
      summary: "{{ $labels.service }} is answered by its standby",
      meaning: "Every active replica has failed or is being replaced. Requests are answered; the next fault stops the service.",
      reason: "A switch that nobody hears of is the first half of an outage: it is said at once, an orderly update of the only active replica included (guide 5.2).",
      steps: ["See what became of the active replica: ServerDown, NodeNotReady, PodCrashLooping, or `journalctl` of its unit.", page, "When it answers again, requests go back to it by themselves."],
    },
    {
      name: "ReplicaTakenOut",
      severity: "info",
      expr: `max by (service, role, replica) (${ofReplica("increase(rackwright_balancer_replica_failures_total[15m])")}) > 0`,
      forSeconds: 0,
      summary: "{{ $labels.replica }} ({{ $labels.service }}, {{ $labels.role }}) stopped answering the balancers",
      meaning: "It was taken out, if only for a moment: requests that were under way there ended with an error.",
      reason: "HAProxy counts this itself, so that a failure between two looks is not missed. General knowledge; an orderly restart counts as well.",
      steps: [page, "If nobody restarted it: the engine's log of that time, `kubectl -n inference logs <pod> --previous`, or `journalctl` of its unit."],
    },
    {
      name: "ReplicaUnreachable",
      severity: "warning",
      expr: "min by (service, role, replica) (rackwright:replica_up:bool) == 0",
      forSeconds: 900,
      summary: "{{ $labels.replica }} ({{ $labels.service }}, {{ $labels.role }}) does not answer a balancer",
      meaning: "The service has one replica less than it should, or none to switch to.",
      reason: "As for ReplicasMissing: a quarter of an hour leaves out the load of a large model. Kubernetes may take the pod for ready all the same, where the balancer cannot reach it. General knowledge.",
      steps: [page, "On that balancer: `curl -si http://<server of the replica>:<its port><its health path>`, as the line of the replica in /etc/haproxy/haproxy.cfg has them.", "Answers elsewhere but not there: the network between them, or a policy that was changed (docs/runbooks/cluster.md)."],
    },
    {
      name: "ServiceUnreachable",
      severity: "critical",
      expr: "max by (service) (rackwright:replica_up:bool) == 0",
      forSeconds: 60,
      summary: "No replica of {{ $labels.service }} answers the balancers",
      meaning: "Requests are refused.",
      reason: "A loaded standby takes over within seconds (docs/recovery.md); after a minute nothing will by itself. General knowledge.",
      steps: [page, "In a cluster: `kubectl -n inference get pods -l rackwright.dev/service=<service> -o wide`. Ready there, and not here: ReplicaUnreachable.", "Units: `systemctl status <unit>` on each of their servers."],
    },
  ];
}
