import { clientLabel, ingressNamespace, labels, namespaces } from "../cluster/names";
import { scraperNamespace } from "../cluster/namespaces";
import type { KubernetesObject } from "../cluster/object";
import type { Environment } from "../environment/schema";
import type { Finding } from "../environment/problems";
import { ports as monitoringPorts } from "../monitoring/names";
import { balancerPeers, nodePortServices } from "../recovery/standby/objects";
import { exportsAllocator } from "./engines/allocator";
import type { EngineProgram } from "./engines/engine";
import { serviceFindings } from "./engines/findings";
import { engineOf } from "./engines";
import { commonLabels, componentLabel, enginePod, workloadSelector, type EnginePod } from "./engines/pod";
import { multiServerFindings, planMultiServerReplica } from "./multi-server";
import type { ServicePlan, Workload } from "./plan-types";

/** Port of a service inside the cluster: `http://<service>.inference`. */
const servicePort = 80;
/** Images of engines have 10 GB and more: time that the first pull on a server may take (general knowledge). */
const pullSeconds = 900;

interface Planned {
  workload: Workload;
  pod: EnginePod;
}

/**
 * Everything that one inference service needs in a cluster, in the order in which it is made. Pure; no secrets. Its Secret
 * `inference-api-key` and the claims of its servers' model folders are made elsewhere.
 */
export function planInferenceService(environment: Environment, service: ServicePlan): KubernetesObject[] {
  const [first] = service.workloads;
  if (first === undefined) return [];
  const { program } = enginePod({ environment, service, workload: first });
  const planned = service.workloads.filter(({ servers }) => servers.length === 1).map((workload): Planned => ({ workload, pod: enginePod({ environment, service, workload }) }));
  return [
    serviceAccount(service),
    ...planned.flatMap(({ pod }) => (pod.configMap === undefined ? [] : [pod.configMap])),
    ...planned.map((entry) => deployment(service, entry)),
    ...service.workloads.filter(({ servers }) => servers.length > 1).flatMap((workload) => planMultiServerReplica(environment, service, workload)),
    clusterService(environment, service, program),
    ...nodePortServices(environment, service, program.ports.http ?? 0),
    ...ingress(environment, service, program),
    disruptionBudget(service),
    networkPolicy(environment, service, program),
  ];
}

/** What the service's engine cannot do of what the environment asks. Empty in a plan that is carried out. */
export function inferenceFindings(environment: Environment, service: ServicePlan): Finding[] {
  return [...serviceFindings(environment, service), ...multiServerFindings(environment, service)];
}

function named(service: ServicePlan, apiVersion: string, kind: string, fields: Record<string, unknown>): KubernetesObject {
  return { apiVersion, kind, metadata: { name: service.name, namespace: namespaces.inference, labels: commonLabels(service.name) }, ...fields };
}

function serviceAccount(service: ServicePlan): KubernetesObject {
  return named(service, "v1", "ServiceAccount", { automountServiceAccountToken: false });
}

function deployment(service: ServicePlan, { workload, pod }: Planned): KubernetesObject {
  // Pods of one Deployment are replaced one after another, for there is no GPU to spare.
  const oneSeconds = pod.startBudgetSeconds + pod.terminationGraceSeconds;
  const allSeconds = pullSeconds + oneSeconds * workload.replicas;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: workload.name,
      namespace: namespaces.inference,
      labels: { ...commonLabels(service.name), [labels.role]: workload.role, [labels.server]: workload.servers[0] ?? "" },
      annotations: { "pulumi.com/timeoutSeconds": String(allSeconds) },
    },
    spec: {
      replicas: workload.replicas,
      revisionHistoryLimit: 2,
      progressDeadlineSeconds: pullSeconds + oneSeconds,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
      selector: { matchLabels: workloadSelector({ service, workload }) },
      template: pod.template,
    },
  };
}

/**
 * Clients inside the cluster reach every replica that is ready, standbys too, where there is a way to switch: a Service knows
 * no order, and one that had active replicas alone would answer nothing while they are gone. Without a way they stay aside.
 */
function clusterService({ recovery }: Environment, service: ServicePlan, { ports, metricsPath }: EngineProgram): KubernetesObject {
  const own = Object.entries(ports).map(([name, port]) => ({ name, port: name === "http" ? servicePort : port, targetPort: port, protocol: "TCP" }));
  const metrics = metricsPath === undefined || ports.metrics !== undefined ? [] : [{ name: "metrics", port: ports.http, targetPort: ports.http, protocol: "TCP" }];
  return named(service, "v1", "Service", {
    spec: {
      type: "ClusterIP",
      selector: { [labels.service]: service.name, ...(recovery.standby.mode === "none" ? { [labels.role]: "active" } : {}), [componentLabel]: "api" },
      ports: [...own, ...metrics],
    },
  });
}

function ingress(environment: Environment, service: ServicePlan, { publicPaths }: EngineProgram): KubernetesObject[] {
  const { hostname } = service.spec;
  if (hostname === undefined) return [];
  const backend = { service: { name: service.name, port: { name: "http" } } };
  return [
    named(service, "networking.k8s.io/v1", "Ingress", {
      spec: {
        ingressClassName: environment.cluster.ingressClass,
        rules: [{ host: hostname, http: { paths: publicPaths.map((path) => ({ path, pathType: "Prefix", backend })) } }],
      },
    }),
  ];
}

function disruptionBudget(service: ServicePlan): KubernetesObject {
  // Not minAvailable: with one replica a drained node would wait for ever.
  return named(service, "policy/v1", "PodDisruptionBudget", { spec: { maxUnavailable: 1, selector: { matchLabels: { [labels.service]: service.name } } } });
}

const tcp = (port: number): Record<string, unknown> => ({ protocol: "TCP", port });
const fromNamespace = (name: string): Record<string, unknown> => ({ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } } });

/** What may reach the pods, and what they may reach: nothing besides each other, unless the weights come from a hub. */
function networkPolicy(environment: Environment, service: ServicePlan, { ports, metricsPath }: EngineProgram): KubernetesObject {
  const matchLabels = { [labels.service]: service.name };
  const together = service.workloads.some(({ servers }) => servers.length > 1) ? [{ podSelector: { matchLabels } }] : [];
  const clients = [{ namespaceSelector: {}, podSelector: { matchLabels: clientLabel } }, ...(service.spec.hostname === undefined ? [] : [fromNamespace(ingressNamespace)])];
  const balancers = balancerPeers(environment, service.name);
  const api = Object.entries(ports).filter(([name]) => name !== "metrics").map(([, port]) => tcp(port));
  const inputs = service.workloads.map((workload) => ({ environment, service, workload }));
  const metrics = [
    ...(metricsPath === undefined || !environment.monitoring.enabled ? [] : [ports.metrics ?? ports.http ?? 0]),
    ...(inputs.some((input) => exportsAllocator(input, engineOf(service.engine)(input))) ? [monitoringPorts.allocator] : []),
  ];
  return named(service, "networking.k8s.io/v1", "NetworkPolicy", {
    spec: {
      podSelector: { matchLabels },
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        { from: clients, ports: api },
        ...(balancers.length === 0 ? [] : [{ from: balancers, ports: [tcp(ports.http ?? 0)] }]),
        ...(metrics.length === 0 ? [] : [{ from: [fromNamespace(scraperNamespace(environment))], ports: metrics.map(tcp) }]),
        ...together.map((peer) => ({ from: [peer] })),
      ],
      egress: [
        ...together.map((peer) => ({ to: [peer] })),
        ...(service.spec.weights.from === "hub" ? [{ ports: [tcp(443)] }] : []),
      ],
    },
  });
}

/** What the engine does otherwise than the environment says, and what was chosen for it. Shown in the plan. */
export function inferenceNotes(environment: Environment, service: ServicePlan): string[] {
  return [...new Set(service.workloads.flatMap((workload) => enginePod({ environment, service, workload }).program.notes))];
}
