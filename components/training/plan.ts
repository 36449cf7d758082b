import { readFileSync } from "node:fs";
import { join } from "node:path";
import { image } from "../catalog/images";
import { checkpointsClaim, gpuRuntimeClass, labels, namespaces, priorityClasses, rdmaResource } from "../cluster/names";
import { allHaveRdma } from "../cluster/nodes";
import type { KubernetesObject } from "../cluster/object";
import { pinnedTo, restrictedContainer, restrictedPod, tolerationsFor, writableDirs } from "../cluster/pod";
import type { Environment } from "../environment/schema";
import type { TrainingPlan } from "../inference/plan-types";
import { shortHash } from "../hash";
import { checkpointTier, checkpointVolume, makesCheckpointVolume } from "./checkpoint-volumes";
import { filesMount, hostfile, launchCommand, launcherImages, programOf, rendezvousPort, type TrainingSpec } from "./launchers";
import { deepspeedConfig, deepspeedConfigPath } from "./zero";

export const checkpointsMount = "/checkpoints";
/** Port on the first server where all agree on the checkpoint that they start from. */
export const meetingPort = 29400;

const homeFolder = "/home/training";
/** A server that is being repaired or an image of 20 GB that is being pulled: the others wait this long before they count a failure. */
const patienceSeconds = 1800;
/** For a framework to finish the checkpoint that it writes when it is told to end. */
const graceSeconds = 100;
/** Failures of one server's pod before its job gives up. Drained nodes and pods pushed aside do not count. */
const backoffLimit = 10;
/** run_together.py ends with it where another try would end likewise. */
const configurationExitCode = 78;
const scripts = ["run_together.py", "checkpoints.py"] as const;

/**
 * Everything that a training job needs in a cluster. Pure; no secrets.
 *
 * One Kubernetes Job a server rather than one Indexed Job for all: a Job has one pod template, and each server has a
 * checkpoint volume and a rank of its own that must not move to another server.
 */
export function planTrainingJob(environment: Environment, plan: TrainingPlan): KubernetesObject[] {
  const spec = specOf(environment, plan);
  const data = files(plan, spec);
  const generation = generationOf(environment, plan, spec, data);
  const made = plan.servers.filter((server) => makesCheckpointVolume(environment, plan.name, server));
  return [
    ...made.flatMap((server) => {
      const tier = checkpointTier(environment, server);
      return tier === undefined ? [] : checkpointVolume(server, tier);
    }),
    networkPolicy(plan),
    { apiVersion: "v1", kind: "ConfigMap", metadata: metadata(plan, groupName(plan, generation)), immutable: true, data: withHosts(plan, generation, data) },
    headlessService(plan, generation),
    ...plan.servers.map((_, rank) => job(environment, plan, spec, rank, generation)),
  ];
}

function specOf(environment: Environment, { name }: TrainingPlan): TrainingSpec {
  const spec = Object.hasOwn(environment.training, name) ? environment.training[name] : undefined;
  if (spec === undefined) throw new Error(`training.${name} is planned but not in the environment`);
  return spec;
}

/** Name of what a change of the job makes anew: a Job's template cannot be changed, and two generations must not meet. */
function groupName({ name }: TrainingPlan, generation: string): string {
  return `${name}-${generation}`;
}

/** Host name of one server's pod, below the headless service. */
const hostOf = (rank: number): string => `rank-${rank}`;

function hosts(plan: TrainingPlan, generation: string): string[] {
  return plan.servers.map((_, rank) => `${hostOf(rank)}.${groupName(plan, generation)}`);
}

function metadata({ name }: TrainingPlan, objectName: string, more: Record<string, string> = {}): KubernetesObject["metadata"] {
  return { name: objectName, namespace: namespaces.training, labels: { ...jobLabels(name), ...more } };
}

function jobLabels(name: string): Record<string, string> {
  return { [labels.managedBy]: "rackwright", "app.kubernetes.io/name": name, [labels.service]: name };
}

function files(plan: TrainingPlan, spec: TrainingSpec): Record<string, string> {
  return {
    ...Object.fromEntries(scripts.map((file) => [file, readFileSync(join(__dirname, "scripts", file), "utf8")])),
    ...(spec.zeroStage === undefined ? {} : { "deepspeed.json": `${JSON.stringify(deepspeedConfig(spec.zeroStage), undefined, 2)}\n` }),
    ...(spec.launcher === "deepspeed" ? { hostfile: hostfile(plan.servers.map((_, rank) => hostOf(rank)), plan.devicesPerPod) } : {}),
  };
}

/** The hostfile names hosts as they are resolved, which only the generation's name settles. */
function withHosts(plan: TrainingPlan, generation: string, data: Record<string, string>): Record<string, string> {
  return data.hostfile === undefined ? data : { ...data, hostfile: hostfile(hosts(plan, generation), plan.devicesPerPod) };
}

/** Eight hexadecimal digits over all that the pods are made of. */
function generationOf(environment: Environment, plan: TrainingPlan, spec: TrainingSpec, data: Record<string, string>): string {
  const pods = plan.servers.map((_, rank) => job(environment, plan, spec, rank, "00000000"));
  return shortHash(JSON.stringify([pods, data]), 8);
}

function headlessService(plan: TrainingPlan, generation: string): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata(plan, groupName(plan, generation)),
    spec: {
      clusterIP: "None",
      // The servers find each other before any of them is ready.
      publishNotReadyAddresses: true,
      selector: { [labels.service]: plan.name, "app.kubernetes.io/instance": groupName(plan, generation) },
      ports: [{ name: "meeting", port: meetingPort, targetPort: meetingPort, protocol: "TCP" }, { name: "rendezvous", port: rendezvousPort, targetPort: rendezvousPort, protocol: "TCP" }],
    },
  };
}

/** Pods of one job reach each other on every port, for NCCL chooses its own; nothing else reaches them, and they reach nothing else. */
function networkPolicy(plan: TrainingPlan): KubernetesObject {
  const own = { podSelector: { matchLabels: { [labels.service]: plan.name } } };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: metadata(plan, plan.name),
    spec: { ...own, policyTypes: ["Ingress", "Egress"], ingress: [{ from: [own] }], egress: [{ to: [own] }] },
  };
}

/** Whether the servers talk over RDMA. */
function usesRdma(environment: Environment, { servers }: TrainingPlan): boolean {
  return servers.length > 1 && allHaveRdma(environment.servers, servers);
}

function job(environment: Environment, plan: TrainingPlan, spec: TrainingSpec, rank: number, generation: string): KubernetesObject {
  const server = plan.servers[rank] ?? "";
  const group = groupName(plan, generation);
  const own = { [labels.server]: server };
  const writable = writableDirs({ tmp: "/tmp", home: homeFolder, shm: { path: "/dev/shm", memoryGiB: sharedMemoryGiB(plan.memoryGiB) } });
  const amounts = { cpu: String(plan.cpus), memory: `${plan.memoryGiB}Gi`, [plan.resource]: String(plan.devicesPerPod), ...(usesRdma(environment, plan) ? { [rdmaResource]: "1" } : {}) };
  const leader = plan.servers.length === 1 ? "127.0.0.1" : hosts(plan, generation)[0] ?? "";
  const launch = launchCommand({ launcher: spec.launcher, program: programOf(spec.command), rank, servers: plan.servers.length, processesPerServer: plan.devicesPerPod, leader });
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      // Pods have the name as a label of at most 63 characters.
      ...metadata(plan, `${plan.name.slice(0, 51)}-${rank}-${generation}`, own),
      // A job trains for days: whoever brings the cluster up does not wait for its end.
      annotations: { "pulumi.com/skipAwait": "true" },
    },
    spec: {
      completions: 1,
      parallelism: 1,
      backoffLimit,
      podReplacementPolicy: "Failed",
      podFailurePolicy: {
        rules: [
          { action: "FailJob", onExitCodes: { containerName: "training", operator: "In", values: [configurationExitCode] } },
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
        ],
      },
      template: {
        metadata: { labels: { ...jobLabels(plan.name), "app.kubernetes.io/instance": group, ...own } },
        spec: {
          ...restrictedPod(),
          hostname: hostOf(rank),
          subdomain: group,
          restartPolicy: "Never",
          priorityClassName: priorityClasses.batch,
          ...(plan.resource.startsWith("nvidia.com/") ? { runtimeClassName: gpuRuntimeClass } : {}),
          terminationGracePeriodSeconds: graceSeconds + 20,
          ...pinnedTo([server]),
          tolerations: tolerationsFor(environment, [server]),
          containers: [
            {
              name: "training",
              image: spec.image ?? image(launcherImages[spec.launcher], environment),
              command: ["python3", `${filesMount}/run_together.py`, "--"],
              args: launch,
              env: variables(environment, plan, spec, rank, leader, generation),
              ports: [{ name: "meeting", containerPort: meetingPort, protocol: "TCP" }, { name: "rendezvous", containerPort: rendezvousPort, protocol: "TCP" }],
              resources: { requests: amounts, limits: amounts },
              ...restrictedContainer(),
              volumeMounts: [
                { name: "checkpoints", mountPath: checkpointsMount },
                { name: "files", mountPath: filesMount, readOnly: true },
                ...writable.volumeMounts,
              ],
            },
          ],
          volumes: [
            { name: "checkpoints", persistentVolumeClaim: { claimName: checkpointsClaim(server) } },
            { name: "files", configMap: { name: group } },
            ...writable.volumes,
          ],
        },
      },
    },
  };
}

/** Memory that NCCL's and the data loaders' processes share. It counts as the pod's memory: a quarter of that at most. */
function sharedMemoryGiB(memoryGiB: number): number {
  return Math.max(1, Math.min(64, Math.floor(memoryGiB / 4)));
}

function variables(environment: Environment, plan: TrainingPlan, spec: TrainingSpec, rank: number, leader: string, generation: string): { name: string; value: string }[] {
  const { everySteps, everyMinutes, keepLast, keepEverySteps } = environment.recovery.checkpoints;
  const values = {
    RACKWRIGHT_CHECKPOINT_DIRECTORY: `${checkpointsMount}/${plan.name}`,
    RACKWRIGHT_CHECKPOINT_EVERY_STEPS: String(everySteps),
    ...(everyMinutes === undefined ? {} : { RACKWRIGHT_CHECKPOINT_EVERY_MINUTES: String(everyMinutes) }),
    RACKWRIGHT_CHECKPOINT_KEEP_LAST: String(keepLast),
    ...(keepEverySteps === undefined ? {} : { RACKWRIGHT_CHECKPOINT_KEEP_EVERY_STEPS: String(keepEverySteps) }),
    ...(spec.zeroStage === undefined ? {} : { RACKWRIGHT_ZERO_STAGE: String(spec.zeroStage), RACKWRIGHT_DEEPSPEED_CONFIG: deepspeedConfigPath }),
    RACKWRIGHT_SERVERS: String(plan.servers.length),
    RACKWRIGHT_RANK: String(rank),
    RACKWRIGHT_PROCESSES: String(plan.devicesPerPod),
    RACKWRIGHT_LEADER: leader,
    RACKWRIGHT_MEETING_PORT: String(meetingPort),
    RACKWRIGHT_GENERATION: generation,
    RACKWRIGHT_PATIENCE_SECONDS: String(patienceSeconds),
    RACKWRIGHT_GRACE_SECONDS: String(graceSeconds),
    // Processes of one server share its cores.
    OMP_NUM_THREADS: String(Math.max(1, Math.floor(plan.cpus / Math.max(1, plan.devicesPerPod)))),
    // By CNI's convention the pod's only interface; without it the loopback may be taken.
    ...(plan.servers.length > 1 ? { NCCL_SOCKET_IFNAME: "eth0", GLOO_SOCKET_IFNAME: "eth0" } : {}),
    PYTHONUNBUFFERED: "1",
    DO_NOT_TRACK: "1",
    HF_HUB_DISABLE_TELEMETRY: "1",
    HF_HUB_OFFLINE: "1",
    TRANSFORMERS_OFFLINE: "1",
    HF_DATASETS_OFFLINE: "1",
    WANDB_MODE: "offline",
    HOME: homeFolder,
    // The user has no entry in the image's passwd, and PyTorch asks for its name.
    USER: "training",
    LOGNAME: "training",
    XDG_CACHE_HOME: `${homeFolder}/cache`,
    TRITON_CACHE_DIR: `${homeFolder}/cache/triton`,
    TORCHINDUCTOR_CACHE_DIR: `${homeFolder}/cache/inductor`,
    TORCH_EXTENSIONS_DIR: `${homeFolder}/cache/extensions`,
  };
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}
