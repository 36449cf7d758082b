import { labels, modelsClaim, namespaces, rdmaResource } from "../cluster/names";
import { allHaveRdma } from "../cluster/nodes";
import type { KubernetesObject } from "../cluster/object";
import type { Finding } from "../environment/problems";
import type { Environment } from "../environment/schema";
import { planTiers, type TierPlan } from "../servers/tiers-plan";
import { shortHash } from "../hash";
import type { Member } from "./engines/engine";
import { commonLabels, enginePod, workloadSelector, type EnginePod, type PodTemplate } from "./engines/pod";
import type { ServicePlan, Workload } from "./plan-types";

/** Ray's own default. */
const rayPort = 6379;
/** The controller makes names of it that have at most 63 characters: `<name>-0-<hash of ten>`. */
const longestName = 50;
/** Engines whose own processes, or Ray, run one replica on several servers. */
const engines: Readonly<Record<string, readonly Member["through"][]>> = { vllm: ["native", "ray"], sglang: ["native"] };

const throughOf = ({ spec }: ServicePlan): Member["through"] => (spec.multiServer === "ray" ? "ray" : "native");

/** Name of the LeaderWorkerSet of a workload: the workload's own where that is short enough. */
export function groupName({ name }: Workload): string {
  return name.length <= longestName ? name : `${name.slice(0, longestName - 9)}-${shortHash(name, 8)}`;
}

/**
 * One replica that spans servers: a LeaderWorkerSet of one group with one pod on each of them, the leader on the first.
 * When a pod is lost, all of the group start anew, for no engine goes on without one of its processes.
 */
export function planMultiServerReplica(environment: Environment, service: ServicePlan, workload: Workload): KubernetesObject[] {
  const [first = "", ...rest] = workload.servers;
  const leader = memberPod(environment, service, workload, true, first);
  const worker = memberPod(environment, service, workload, false, rest[0] ?? first);
  const shared = rest.length > 1 ? workersVolume(environment, service, workload, rest) : [];
  return [...(leader.configMap === undefined ? [] : [leader.configMap]), ...shared, leaderWorkerSet(environment, service, workload, { leader, worker, rest })];
}

/** What keeps a replica from spanning servers as written. */
export function multiServerFindings(environment: Environment, { name, engine, spec, workloads }: ServicePlan): Finding[] {
  const spanning = workloads.filter(({ servers }) => servers.length > 1);
  if (spanning.length === 0) return [];
  const through = spec.multiServer === "ray" ? "ray" : "native";
  const ways = Object.hasOwn(engines, engine) ? engines[engine] ?? [] : [];
  const findings: Finding[] = [];
  if (ways.length === 0) {
    const why = engine === "tensorrt-llm" ? "starts on several servers by MPI, which needs SSH between pods" : "serves one replica on one server only";
    findings.push({ keys: ["services", name, "engine"], message: `cannot span ${spanning[0]?.servers.length ?? 2} servers: ${engine} ${why}`, value: spec.engine, allowed: Object.keys(engines).join(", "), fix: "Choose one of these engines, or fewer GPUs for each replica." });
  } else if (!ways.includes(through)) {
    findings.push({ keys: ["services", name, "multiServer"], message: `is not a way to start ${engine}`, value: spec.multiServer, allowed: "leader-worker-set", fix: `Leave it out: ${engine} starts its own processes on each server.` });
  }
  for (const { servers } of spanning) {
    const mounts = new Set(servers.slice(1).map((server) => hotTier(environment, server)?.mount));
    if (mounts.size > 1) findings.push({ keys: ["services", name], message: `has a replica on ${servers.join(", ")}, whose hot tiers are mounted at different places`, fix: "Mount the hot tier at the same path on all of them: the pods of one replica are alike." });
  }
  return findings;
}

function memberPod(environment: Environment, service: ServicePlan, workload: Workload, leads: boolean, server: string): EnginePod {
  const member: Member = { leads, server, rank: "$(LWS_WORKER_INDEX)", leaderAddress: "$(LWS_LEADER_ADDRESS)", pods: workload.servers.length, through: throughOf(service) };
  return enginePod({ environment, service, workload, member });
}

function hotTier(environment: Environment, server: string): TierPlan | undefined {
  const spec = Object.hasOwn(environment.servers, server) ? environment.servers[server] : undefined;
  return spec === undefined ? undefined : planTiers(server, spec).find(({ tier }) => tier === "hot");
}

function workersClaim(workload: Workload): string {
  return `models-${workload.name}-workers`;
}

/** All workers are of one template, which names one claim: a volume that is the same folder on each of their servers. */
function workersVolume(environment: Environment, service: ServicePlan, workload: Workload, servers: readonly string[]): KubernetesObject[] {
  const name = workersClaim(workload);
  const [first = ""] = servers;
  const tier = hotTier(environment, first);
  const storage = `${Math.max(1, Math.floor(((tier?.usableGB ?? 1) * 1e9) / 2 ** 30))}Gi`;
  const accessModes = [service.spec.weights.from === "hub" ? "ReadWriteMany" : "ReadOnlyMany"];
  return [
    {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name, labels: commonLabels(service.name) },
      spec: {
        capacity: { storage },
        accessModes,
        persistentVolumeReclaimPolicy: "Retain",
        storageClassName: "",
        volumeMode: "Filesystem",
        claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: namespaces.inference, name },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [...servers] }] }] } },
        local: { path: `${tier?.mount ?? "/srv/hot"}/models` },
      },
    },
    {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name, namespace: namespaces.inference, labels: commonLabels(service.name) },
      spec: { accessModes, storageClassName: "", volumeName: name, resources: { requests: { storage } } },
    },
  ];
}

function leaderWorkerSet(environment: Environment, service: ServicePlan, workload: Workload, { leader, worker, rest }: { leader: EnginePod; worker: EnginePod; rest: readonly string[] }): KubernetesObject {
  return {
    apiVersion: "leaderworkerset.x-k8s.io/v1",
    kind: "LeaderWorkerSet",
    metadata: { name: groupName(workload), namespace: namespaces.inference, labels: { ...commonLabels(service.name), [labels.role]: workload.role, [labels.server]: workload.servers[0] ?? "" } },
    spec: {
      replicas: 1,
      startupPolicy: "LeaderCreated",
      // There is no GPU to spare for a second group beside the first.
      rolloutStrategy: { type: "RollingUpdate", rollingUpdateConfiguration: { partition: 0, maxUnavailable: 1, maxSurge: 0 } },
      leaderWorkerTemplate: {
        size: workload.servers.length,
        restartPolicy: "RecreateGroupOnPodRestart",
        leaderTemplate: connected(environment, workload, started(service, workload, leader.template, true)),
        workerTemplate: spread(service, workload, rest, connected(environment, workload, started(service, workload, worker.template, false))),
      },
    },
  };
}

type Container = Record<string, unknown> & { command: string[]; args: string[]; env: unknown[]; resources: { requests: Record<string, string>; limits: Record<string, string> } };

function withContainer({ metadata, spec }: PodTemplate, change: (container: Container) => Container): PodTemplate {
  return { metadata, spec: { ...spec, containers: (spec.containers as Container[]).map(change) } };
}

/** With Ray, the leader starts a Ray cluster, waits for all servers and then runs the engine in it; workers join and stay. */
function started(service: ServicePlan, workload: Workload, template: PodTemplate, leads: boolean): PodTemplate {
  if (throughOf(service) !== "ray") return template;
  const join = leads ? `--head --port=${rayPort} --include-dashboard=false` : `--address="$LWS_LEADER_ADDRESS:${rayPort}" --block`;
  // A worker may start before the leader's Ray answers.
  const script = leads
    ? `ray start ${join} --disable-usage-stats && python3 -c 'import ray, sys, time
ray.init(address="auto")
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[1]): time.sleep(1)' ${workload.servers.length} && exec "$@"`
    : `until ray health-check --address "$LWS_LEADER_ADDRESS:${rayPort}"; do sleep 2; done; exec ray start ${join}`;
  return withContainer(template, (container) => ({ ...container, command: ["/bin/sh", "-c", script, "--"], args: leads ? [...container.command, ...container.args] : [] }));
}

/** Cards for RDMA where all servers have one, and the pod's own interface for what goes over TCP. */
function connected(environment: Environment, { servers }: Workload, template: PodTemplate): PodTemplate {
  const rdma = allHaveRdma(environment.servers, servers);
  const card: Record<string, string> = rdma ? { [rdmaResource]: "1" } : {};
  return withContainer(template, (container) => ({
    ...container,
    env: [...container.env, { name: "NCCL_SOCKET_IFNAME", value: "eth0" }, { name: "GLOO_SOCKET_IFNAME", value: "eth0" }],
    resources: { requests: { ...container.resources.requests, ...card }, limits: { ...container.resources.limits, ...card } },
  }));
}

/** Workers on their servers, one on each. */
function spread(service: ServicePlan, workload: Workload, servers: readonly string[], template: PodTemplate): PodTemplate {
  if (servers.length === 1) return template;
  const { [labels.server]: _one, ...podLabels } = template.metadata.labels;
  const affinity = {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [...servers] }] }] } },
    podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: { matchLabels: workloadSelector({ service, workload }) }, topologyKey: "kubernetes.io/hostname" }] },
  };
  const volumes = (template.spec.volumes as { name: string; persistentVolumeClaim?: { claimName: string } }[]).map((volume) =>
    volume.persistentVolumeClaim?.claimName === modelsClaim(servers[0] ?? "") ? { ...volume, persistentVolumeClaim: { ...volume.persistentVolumeClaim, claimName: workersClaim(workload) } } : volume,
  );
  return { metadata: { ...template.metadata, labels: podLabels }, spec: { ...template.spec, affinity, volumes } };
}
