import type { Environment } from "../environment/schema";
import type { Alert } from "../monitoring/alert";
import { probeTargets } from "../monitoring/prometheus-config";
import { anyOf } from "../monitoring/promql";

const day = 86_400;

/** A probe looks at what clients see, a file at what the host will serve after its next restart. */
const certificates = (seconds: number): string => anyOf([
  `min by (target) (probe_ssl_earliest_cert_expiry) - time() < ${seconds}`,
  `min by (server, path) (rackwright_certificate_expiry_timestamp_seconds) - time() < ${seconds}`,
]);
const certificate = "{{ if $labels.target }}{{ $labels.target }}{{ else }}{{ $labels.path }} of {{ $labels.server }}{{ end }}";
const renewal: Alert["steps"] = [
  "k3s renews its own certificates when it starts within 90 days of their end: `systemctl restart k3s` (or `k3s-agent`), one server after another.",
  "`k3s certificate check` on a server lists what ends when.",
  "A service's or the object store's certificate comes from the site's own authority: have it renewed there.",
  "The kubeconfig holds a certificate too: docs/runbooks/cluster.md.",
];

const alerts: readonly Alert[] = [
  {
    name: "NodeNotReady",
    severity: "critical",
    // A node has its server's name; Alertmanager tells alerts of one server apart by that label.
    expr: 'label_replace(min by (node) (kube_node_status_condition{condition="Ready",status="true"}), "server", "$1", "node", "(.+)") == 0',
    forSeconds: 120,
    summary: "The node {{ $labels.node }} is not ready",
    meaning: "Its pods count as lost and nothing new is placed there. Standbys on other nodes have taken over, or nothing has.",
    reason: "Kubernetes itself waits 50 s before it says so (facts 6); two minutes more leave out a restart of the kubelet.",
    steps: ["`kubectl describe node <node>`, and on the server: `systemctl status k3s k3s-agent` or `kubelet`, with `journalctl -u k3s-agent -n 100`.", "If the server does not answer, follow ServerDown.", "To free its pods, `./rackwright fence <environment> <node>`: it powers the server off by its BMC, and frees them only once that is sure. A server without a BMC in the environment: pull its power first, then `kubectl taint nodes <node> node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`."],
  },
  {
    name: "PodCrashLooping",
    severity: "warning",
    // The reason goes while the container tries again.
    expr: 'max by (namespace, pod, container) (max_over_time(kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff"}[10m])) > 0',
    forSeconds: 600,
    summary: "{{ $labels.container }} of {{ $labels.namespace }}/{{ $labels.pod }} keeps ending",
    meaning: "The program ends soon after each start, and Kubernetes waits longer from one try to the next.",
    reason: "Ten minutes are four to five tries: what one restart mends is over by then. General knowledge (waits of 10, 20, 40 s, up to 5 minutes).",
    steps: ["`kubectl -n <namespace> logs <pod> --previous` for its last words, `kubectl -n <namespace> describe pod <pod>` for how it ended.", "`OOMKilled`: the pod needs more memory than planned. An XID or CUDA error: see the alerts of the server's GPUs.", "After a change of the environment: `./rackwright plan <environment>`, and take the change back."],
  },
  {
    name: "PodPendingLong",
    severity: "warning",
    expr: 'max by (namespace, pod) (kube_pod_status_phase{phase="Pending"}) == 1',
    forSeconds: 1800,
    summary: "{{ $labels.namespace }}/{{ $labels.pod }} has not started",
    meaning: "No node has room for the pod, or its image or its volume does not come.",
    reason: "Images of engines have 10 GB and more, and the first pull on a server may take a quarter of an hour: half an hour is longer than that (general knowledge).",
    steps: ["`kubectl -n <namespace> describe pod <pod>`: the events at the end say which.", "`Insufficient nvidia.com/gpu`: something unplanned holds a GPU, or GpuMissing fires: `kubectl describe node <server>`.", "`ImagePullBackOff`: the mirror lacks the image, docs/runbooks/mirror.md.", "An unbound claim: the layout job of the model store has not ended, `kubectl -n inference get jobs`."],
  },
  {
    name: "CertificateExpiring",
    severity: "warning",
    expr: certificates(21 * day),
    forSeconds: 3600,
    summary: `The certificate of ${certificate} ends in {{ $value | humanizeDuration }}`,
    meaning: "When it has ended, clients and nodes refuse the connection.",
    reason: "Three weeks are enough for a site whose own authority signs by hand. k3s renews its certificates when it starts in their last 90 days, so that one that gets here belongs to a server that has not been restarted for long. General knowledge.",
    steps: renewal,
  },
  {
    name: "CertificateExpiringNow",
    severity: "critical",
    expr: certificates(3 * day),
    forSeconds: 600,
    summary: `The certificate of ${certificate} ends in {{ $value | humanizeDuration }}`,
    meaning: "In less than three days clients and nodes refuse the connection, or they do so already.",
    reason: "A weekend must not pass over it. General knowledge.",
    steps: renewal,
  },
  {
    name: "ProbeFailing",
    severity: "critical",
    expr: "max by (target) (probe_success) == 0",
    forSeconds: 300,
    summary: "{{ $labels.target }} does not answer",
    meaning: "An address that clients use cannot be reached from the monitoring server.",
    reason: "A look each minute, so five in a row: a switch to a standby takes less (guide 5.2: 30 s).",
    steps: ["From the monitoring server: `openssl s_client -connect <target> </dev/null` says whether nothing listens or the handshake fails.", "The API server: `systemctl status k3s` on the control-plane servers, and the virtual address: `ip address`.", "A service's name: `kubectl -n kube-system get pods` for the ingress controller, then the name's entry in the site's DNS."],
  },
];

/** What is looked at from outside, on a site without a cluster as well: the object store's certificate. */
const probed: ReadonlySet<string> = new Set(["CertificateExpiring", "CertificateExpiringNow", "ProbeFailing"]);

/** What can go wrong with the cluster, and with what clients reach by a name. */
export function clusterAlerts(environment: Environment): Alert[] {
  if (environment.cluster.distribution !== "none") return [...alerts];
  return probeTargets(environment).length === 0 ? [] : alerts.filter(({ name }) => probed.has(name));
}
