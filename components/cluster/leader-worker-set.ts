import { image } from "../catalog/images";
import { kubernetesMinor } from "../catalog/kubernetes";
import type { Environment } from "../environment/schema";
import type { WorkloadPlan } from "../inference/plan-types";
import { leaderWorkerSetDefinitions } from "./leader-worker-set-definitions";
import { labels } from "./names";
import type { KubernetesObject } from "./object";
import { restrictedContainer, restrictedPod } from "./pod";

/** The controller's own default: it looks for its certificate there. */
const namespace = "lws-system";
const name = "lws-controller-manager";
const selector = { "app.kubernetes.io/name": "lws", "app.kubernetes.io/component": "controller-manager" };
/** Names that are fixed in the controller, which puts its certificate into these objects. */
const fixed = { service: "lws-webhook-service", secret: "lws-webhook-server-cert", mutating: "lws-mutating-webhook-configuration", validating: "lws-validating-webhook-configuration" };
const ports = { webhook: 9443, health: 8081 };
const certificateFolder = "/tmp/k8s-webhook-server/serving-certs";

type Rule = Record<string, readonly string[]>;
const change = ["create", "delete", "get", "list", "patch", "update", "watch"];
const read = ["get", "list", "watch"];

/** Whether a replica of any service spans servers: nothing else needs the controller. */
export function needsLeaderWorkerSet({ services }: WorkloadPlan): boolean {
  return Object.values(services).some(({ workloads }) => workloads.some(({ servers }) => servers.length > 1));
}

/** The LeaderWorkerSet controller and its definitions; nothing where no replica spans servers. */
export function leaderWorkerSetObjects(environment: Environment, plan: WorkloadPlan): KubernetesObject[] {
  if (!needsLeaderWorkerSet(plan)) return [];
  return [
    ...leaderWorkerSetDefinitions(),
    namespaceObject(),
    own("v1", "ServiceAccount", name, { automountServiceAccountToken: false }),
    ...access(),
    // Empty: the controller makes its certificate and keeps it here and in the webhooks below.
    own("v1", "Secret", fixed.secret, { type: "Opaque" }),
    own("v1", "ConfigMap", name, { data: { "configuration.json": JSON.stringify(configuration) } }),
    ...network(),
    own("v1", "Service", fixed.service, { spec: { selector, ports: [{ name: "webhook", port: 443, targetPort: ports.webhook, protocol: "TCP" }] } }),
    // Before the Deployment: as it starts, the controller puts the authority of its certificate into them.
    ...webhooks(),
    deployment(environment),
  ];
}

const configuration = {
  apiVersion: "config.lws.x-k8s.io/v1alpha1",
  kind: "Configuration",
  leaderElection: { leaderElect: true },
  internalCertManagement: { enable: true, webhookServiceName: fixed.service, webhookSecretName: fixed.secret },
};

function object(apiVersion: string, kind: string, objectName: string, fields: Record<string, unknown>): KubernetesObject {
  return { apiVersion, kind, metadata: { name: objectName, labels: { [labels.managedBy]: "rackwright", ...selector } }, ...fields };
}

function own(apiVersion: string, kind: string, objectName: string, fields: Record<string, unknown>): KubernetesObject {
  const made = object(apiVersion, kind, objectName, fields);
  return { ...made, metadata: { ...made.metadata, namespace } };
}

function namespaceObject(): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespace, labels: { [labels.managedBy]: "rackwright", "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": `v${kubernetesMinor}` } },
  };
}

/** What its watches and changes need; secrets and leases in its own namespace only. */
function access(): KubernetesObject[] {
  const rule = (apiGroup: string, resources: readonly string[], verbs: readonly string[], resourceNames?: readonly string[]): Rule => ({ apiGroups: [apiGroup], resources, verbs, ...(resourceNames === undefined ? {} : { resourceNames }) });
  const subject = { kind: "ServiceAccount", name, namespace };
  const bind = (kind: "Role" | "ClusterRole"): Record<string, unknown> => ({ roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name }, subjects: [subject] });
  const group = "rbac.authorization.k8s.io/v1";
  const hooks = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];
  return [
    object(group, "ClusterRole", name, {
      rules: [
        rule("", ["nodes"], read),
        rule("", ["pods", "services"], change),
        rule("", ["pods/finalizers"], ["update"]),
        rule("", ["events"], ["create", "patch"]),
        rule("events.k8s.io", ["events"], ["create", "patch"]),
        rule("apps", ["controllerrevisions", "statefulsets"], change),
        rule("apps", ["controllerrevisions/finalizers", "statefulsets/finalizers"], ["update"]),
        rule("leaderworkerset.x-k8s.io", ["leaderworkersets"], ["get", "list", "patch", "update", "watch"]),
        rule("leaderworkerset.x-k8s.io", ["leaderworkersets/finalizers"], ["update"]),
        rule("leaderworkerset.x-k8s.io", ["leaderworkersets/status"], ["get", "patch", "update"]),
        // It watches the kind whether it is used or not.
        rule("disaggregatedset.x-k8s.io", ["disaggregatedsets"], read),
        rule("admissionregistration.k8s.io", hooks, read),
        rule("admissionregistration.k8s.io", hooks, ["update"], [fixed.mutating, fixed.validating]),
      ],
    }),
    object(group, "ClusterRoleBinding", name, bind("ClusterRole")),
    own(group, "Role", name, {
      rules: [
        rule("", ["secrets"], read),
        rule("", ["secrets"], ["update"], [fixed.secret]),
        rule("coordination.k8s.io", ["leases"], ["create", "get", "list", "patch", "update", "watch"]),
      ],
    }),
    own(group, "RoleBinding", name, bind("Role")),
  ];
}

/** Only the API server calls it, from an address that no selector knows; it calls the API server alone. */
function network(): KubernetesObject[] {
  const tcp = (port: number): Record<string, unknown> => ({ protocol: "TCP", port });
  const policy = (policyName: string, spec: Record<string, unknown>): KubernetesObject => own("networking.k8s.io/v1", "NetworkPolicy", policyName, { spec });
  return [
    policy("default-deny", { podSelector: {}, policyTypes: ["Ingress", "Egress"] }),
    policy(name, { podSelector: { matchLabels: selector }, policyTypes: ["Ingress", "Egress"], ingress: [{ ports: [tcp(ports.webhook)] }], egress: [{ ports: [tcp(443), tcp(6443)] }] }),
  ];
}

function deployment(environment: Environment): KubernetesObject {
  return own("apps/v1", "Deployment", name, {
    spec: {
      replicas: 2,
      selector: { matchLabels: selector },
      template: {
        metadata: { labels: selector },
        spec: {
          ...restrictedPod(),
          // The one pod of ours that talks to the API server.
          automountServiceAccountToken: true,
          serviceAccountName: name,
          priorityClassName: "system-cluster-critical",
          affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: { labelSelector: { matchLabels: selector }, topologyKey: "kubernetes.io/hostname" } }] } },
          // Where every node has GPUs and a taint of the site's own, it must still run somewhere.
          tolerations: [{ operator: "Exists", effect: "NoSchedule" }],
          containers: [
            {
              name: "manager",
              image: image("leader-worker-set", environment),
              command: ["/manager"],
              args: ["--config=/etc/lws/configuration.json"],
              ports: [{ name: "webhook", containerPort: ports.webhook, protocol: "TCP" }, { name: "health", containerPort: ports.health, protocol: "TCP" }],
              livenessProbe: { httpGet: { path: "/healthz", port: ports.health }, initialDelaySeconds: 15, periodSeconds: 20 },
              // Its own readiness says nothing of the webhooks, which answer once the certificate has come back through the mounted Secret.
              readinessProbe: { tcpSocket: { port: ports.webhook }, initialDelaySeconds: 5, periodSeconds: 5 },
              resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { cpu: "1", memory: "1Gi" } },
              ...restrictedContainer(),
              volumeMounts: [{ name: "certificate", mountPath: certificateFolder, readOnly: true }, { name: "configuration", mountPath: "/etc/lws", readOnly: true }],
            },
          ],
          volumes: [{ name: "certificate", secret: { secretName: fixed.secret } }, { name: "configuration", configMap: { name } }],
        },
      },
    },
  });
}

/** Pods of other workloads never wait for the controller: its webhook for pods sees those of LeaderWorkerSets alone. */
function webhooks(): KubernetesObject[] {
  const hook = (hookName: string, path: string, rule: Record<string, unknown>, more: Record<string, unknown> = {}): Record<string, unknown> => ({
    name: hookName, admissionReviewVersions: ["v1"], sideEffects: "None", failurePolicy: "Fail", timeoutSeconds: 10,
    clientConfig: { service: { name: fixed.service, namespace, path } }, rules: [rule], ...more,
  });
  const sets = { apiGroups: ["leaderworkerset.x-k8s.io"], apiVersions: ["v1"], operations: ["CREATE", "UPDATE"], resources: ["leaderworkersets"] };
  const pods = { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] };
  const ofSets = { objectSelector: { matchExpressions: [{ key: "leaderworkerset.sigs.k8s.io/name", operator: "Exists" }] } };
  const group = "admissionregistration.k8s.io/v1";
  return [
    object(group, "MutatingWebhookConfiguration", fixed.mutating, {
      webhooks: [hook("mleaderworkerset.kb.io", "/mutate-leaderworkerset-x-k8s-io-v1-leaderworkerset", sets), hook("mpod.kb.io", "/mutate--v1-pod", pods, ofSets)],
    }),
    object(group, "ValidatingWebhookConfiguration", fixed.validating, { webhooks: [hook("vleaderworkerset.kb.io", "/validate-leaderworkerset-x-k8s-io-v1-leaderworkerset", sets)] }),
  ];
}
