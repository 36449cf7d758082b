import { image } from "../../catalog/images";
import { gpuRuntimeClass, labels, modelsClaim, namespaces, priorityClasses } from "../../cluster/names";
import type { KubernetesObject } from "../../cluster/object";
import { pinnedTo, restrictedContainer, restrictedPod, tolerationsFor, writableDirs } from "../../cluster/pod";
import { shortHash } from "../../hash";
import { allocatorExporter } from "./allocator";
import { homeFolder, modelsMount, type EngineInput, type EngineProgram, type MountedFile } from "./engine";
import { engineOf } from "./index";
import { loadSeconds, startBudgetSeconds } from "./load-time";

/** Annotation with a hash of the files that the pod mounts: a changed file makes new pods. */
export const filesAnnotation = "rackwright.dev/files-sha256";
/** Label of pods that answer requests; workers of a replica that spans servers have `worker`. */
export const componentLabel = "app.kubernetes.io/component";

/** Between the end's announcement and the signal: load balancers learn meanwhile that the pod takes no more requests. */
const announceSeconds = 10;
/** Closing files and freeing the device, after the last request. */
const closeSeconds = 20;
const probePeriodSeconds = 10;
/** When a pod that hangs gets no more requests from Kubernetes. */
export const readiness = { periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 } as const;

export interface PodTemplate {
  metadata: { labels: Record<string, string>; annotations: Record<string, string> };
  spec: Record<string, unknown>;
}

/** One pod of an engine. */
export interface EnginePod {
  program: EngineProgram;
  /** For a Deployment, a LeaderWorkerSet or whatever else makes pods of it. */
  template: PodTemplate;
  /** With the files that the pod mounts; absent where it mounts none. */
  configMap?: KubernetesObject;
  /** From the container's start to its first answer. */
  estimatedStartSeconds: number;
  /** What the start-up probe waits. */
  startBudgetSeconds: number;
  terminationGraceSeconds: number;
}

/** Memory that processes of one pod share. It counts as the pod's memory: a quarter of that at most. */
export function sharedMemoryGiB(memoryGiB: number): number {
  return Math.max(1, Math.min(16, Math.floor(memoryGiB / 4)));
}

/** A ConfigMap's key of a file: `/repository/a/config.pbtxt` as `repository.a.config.pbtxt`. */
function keyOf({ path }: MountedFile): string {
  return path.slice(1).replaceAll("/", ".");
}

function configMapOf({ service, workload }: EngineInput, files: readonly MountedFile[]): KubernetesObject | undefined {
  if (files.length === 0) return undefined;
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: workload.name, namespace: namespaces.inference, labels: commonLabels(service.name) },
    data: Object.fromEntries(files.map((file) => [keyOf(file), file.content])),
  };
}

/** Labels of every object of a service. */
export function commonLabels(service: string): Record<string, string> {
  return { [labels.managedBy]: "rackwright", "app.kubernetes.io/name": service, [labels.service]: service };
}

/** Labels that one workload's pods have and no other's. The role is not among them: it may change while a pod runs. */
export function workloadSelector({ service, workload }: Pick<EngineInput, "service" | "workload">): Record<string, string> {
  return { [labels.service]: service.name, "app.kubernetes.io/instance": workload.name };
}

function probes({ ready, alive }: EngineProgram["health"], budgetSeconds: number): Record<string, unknown> {
  const get = (path: string): Record<string, unknown> => ({ httpGet: { path, port: "http" } });
  return {
    startupProbe: { ...get(ready), periodSeconds: probePeriodSeconds, timeoutSeconds: 5, failureThreshold: Math.ceil(budgetSeconds / probePeriodSeconds) },
    readinessProbe: { ...get(ready), ...readiness },
    livenessProbe: { ...get(alive), periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 6 },
  };
}

/**
 * The pod that runs an engine: what all engines have in common around what {@link engineOf} says. Pods of a replica that
 * spans servers say which one they are in `member`; those that do not lead answer nothing and are not probed.
 */
export function enginePod(input: EngineInput): EnginePod {
  const { environment, service, workload, member } = input;
  const program = engineOf(service.engine)(input);
  const answers = member === undefined || member.leads;
  const server = member?.server ?? workload.servers[0] ?? "";
  const estimatedStartSeconds = loadSeconds(environment, service, workload.servers, program.preparationSeconds);
  const budget = startBudgetSeconds(estimatedStartSeconds);
  const terminationGraceSeconds = announceSeconds + program.drainSeconds + closeSeconds;
  const exporter = allocatorExporter(input, program);
  const files = [...program.files, ...exporter.files];
  const ports = { ...(answers ? program.ports : {}), ...exporter.ports };
  const configMap = configMapOf(input, files);
  const writable = writableDirs({ tmp: "/tmp", home: homeFolder, shm: { path: "/dev/shm", memoryGiB: sharedMemoryGiB(workload.memoryGiB) } });
  const fromHub = service.spec.weights.from === "hub";
  const amounts = {
    cpu: String(workload.cpus),
    memory: `${workload.memoryGiB}Gi`,
    ...(workload.resource === undefined || workload.devicesPerPod === 0 ? {} : { [workload.resource]: String(workload.devicesPerPod) }),
  };
  const container = {
    name: "engine",
    image: image(program.image, environment),
    command: program.command,
    args: program.args,
    env: [...program.env, ...exporter.env],
    ports: Object.entries(ports).map(([name, containerPort]) => ({ name, containerPort, protocol: "TCP" })),
    resources: { requests: amounts, limits: amounts },
    ...(answers ? probes(program.health, budget) : {}),
    lifecycle: { preStop: { sleep: { seconds: announceSeconds } } },
    ...restrictedContainer(),
    volumeMounts: [
      { name: "models", mountPath: modelsMount, readOnly: !fromHub },
      ...program.folders.map(({ path, folder }) => ({ name: "models", mountPath: path, subPath: folder, readOnly: true })),
      ...files.map((file) => ({ name: "files", mountPath: file.path, subPath: keyOf(file), readOnly: true })),
      ...writable.volumeMounts,
    ],
  };
  return {
    program,
    estimatedStartSeconds,
    startBudgetSeconds: budget,
    terminationGraceSeconds,
    ...(configMap === undefined ? {} : { configMap }),
    template: {
      metadata: {
        labels: { ...commonLabels(service.name), ...workloadSelector(input), [labels.role]: workload.role, [labels.server]: server, [componentLabel]: answers ? "api" : "worker" },
        annotations: { ...scraping(program, answers), ...(configMap === undefined ? {} : { [filesAnnotation]: shortHash(JSON.stringify(configMap.data), 16) }) },
      },
      spec: {
        ...restrictedPod(),
        serviceAccountName: service.name,
        priorityClassName: priorityClasses[service.spec.priority],
        ...(workload.resource?.startsWith("nvidia.com/") === true ? { runtimeClassName: gpuRuntimeClass } : {}),
        terminationGracePeriodSeconds: terminationGraceSeconds,
        ...pinnedTo([server]),
        tolerations: tolerationsFor(environment, [server]),
        containers: [container],
        volumes: [
          { name: "models", persistentVolumeClaim: { claimName: modelsClaim(server), ...(fromHub ? {} : { readOnly: true }) } },
          ...(configMap === undefined ? [] : [{ name: "files", configMap: { name: configMap.metadata.name } }]),
          ...writable.volumes,
        ],
      },
    },
  };
}

function scraping({ metricsPath, ports }: EngineProgram, answers: boolean): Record<string, string> {
  if (metricsPath === undefined || !answers) return {};
  return { "prometheus.io/scrape": "true", "prometheus.io/port": String(ports.metrics ?? ports.http), "prometheus.io/path": metricsPath };
}
