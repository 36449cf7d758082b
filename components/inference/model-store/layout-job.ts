import { readFileSync } from "node:fs";
import { join } from "node:path";
import { image } from "../../catalog/images";
import { labels, modelsClaim, namespaces, priorityClasses } from "../../cluster/names";
import type { KubernetesObject } from "../../cluster/object";
import { pinnedTo, restrictedContainer, restrictedPod, tolerationsFor, writableDirs } from "../../cluster/pod";
import type { Environment } from "../../environment/schema";
import { shortHash } from "../../hash";
import type { LaidOutModel } from "./models";
import { layoutLabels } from "./network";
import { layoutRequests } from "./resources";
import type { StoreSource } from "./source";

/** Secret with the object store's keys, in the namespace `inference`. */
export const storeSecret = { name: "model-store", accessKeyId: "accessKeyId", secretAccessKey: "secretAccessKey" } as const;

/** What one layout asks of its server. The limits let checksums use idle cores. */
export const layoutResources = { requests: { cpu: `${layoutRequests.cpus * 1000}m`, memory: `${layoutRequests.memoryGiB * 1024}Mi` }, limits: { cpu: "8", memory: "4Gi" } } as const;

/** Files copied at the same time; each large one comes in four streams. */
const streams = 8;
/** Slower than any tier or network that a site would keep weights on: half of one Gigabit link. */
const slowestBytesPerSecond = 50e6;
const startSeconds = 600;
/** Wrong flags, full hot tier, wrong checksum twice, refused manifest: the next try would end the same. */
const hopelessExitCodes = [2, 3, 5, 6];

const hash = (text: string): string => shortHash(text, 8);

let script: string | undefined;
function layoutScript(): string {
  return (script ??= readFileSync(join(__dirname, "layout.sh"), "utf8"));
}

/** The script, under a name that changes with it: pods of an older one keep theirs. */
export function layoutConfigMap(): KubernetesObject {
  const content = layoutScript();
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `model-layout-${hash(content)}`, namespace: namespaces.inference, labels: { [labels.managedBy]: "rackwright" } },
    data: { "layout.sh": content },
    immutable: true,
  };
}

/** rclone's configuration of the store by variables alone; keys come from the Secret. */
function storeVariables(source: StoreSource): Record<string, unknown>[] {
  if (source.kind !== "object-store") return [];
  const plain = { TYPE: "s3", PROVIDER: "Other", ENV_AUTH: "false", ENDPOINT: source.endpoint, REGION: source.region, NO_CHECK_BUCKET: "true" };
  const secret = { ACCESS_KEY_ID: storeSecret.accessKeyId, SECRET_ACCESS_KEY: storeSecret.secretAccessKey };
  return [
    ...Object.entries(plain).map(([name, value]) => ({ name: `RCLONE_CONFIG_STORE_${name}`, value })),
    ...Object.entries(secret).map(([name, key]) => ({ name: `RCLONE_CONFIG_STORE_${name}`, valueFrom: { secretKeyRef: { name: storeSecret.name, key } } })),
  ];
}

function storePath(source: StoreSource): string {
  return source.kind === "object-store" ? `store:${source.bucket}/${source.prefix}` : "/store";
}

/** Name of the claim that mounts the store, where it is a folder. */
function storeClaim(source: StoreSource, server: string): string | undefined {
  return source.kind === "object-store" ? undefined : source.kind === "nfs" ? "model-store" : `model-store-${server}`;
}

function podSpec(environment: Environment, server: string, source: StoreSource, models: readonly LaidOutModel[], configMap: string): Record<string, unknown> {
  const claim = storeClaim(source, server);
  const tmp = writableDirs({ tmp: "/tmp" });
  const flags = ["--source", storePath(source), "--target", "/models", "--streams", String(streams), "--jobs", layoutResources.limits.cpu];
  return {
    ...restrictedPod(),
    ...pinnedTo([server]),
    tolerations: tolerationsFor(environment, [server]),
    priorityClassName: priorityClasses.batch,
    restartPolicy: "Never",
    terminationGracePeriodSeconds: 30,
    containers: [
      {
        name: "layout",
        image: image("rclone", environment),
        command: ["/bin/sh", "/layout/layout.sh"],
        args: [...flags, ...models.flatMap(({ folder, manifestSha256 }) => ["--model", manifestSha256 === undefined ? folder : `${folder}=${manifestSha256}`])],
        env: [{ name: "HOME", value: "/tmp" }, ...storeVariables(source)],
        resources: layoutResources,
        // The last lines of the log say what is wrong, and a plan that waits for the job shows them.
        terminationMessagePolicy: "FallbackToLogsOnError",
        ...restrictedContainer(),
        volumeMounts: [
          { name: "layout", mountPath: "/layout", readOnly: true },
          { name: "models", mountPath: "/models" },
          ...(claim === undefined ? [] : [{ name: "store", mountPath: "/store", readOnly: true }]),
          ...tmp.volumeMounts,
        ],
      },
    ],
    volumes: [
      { name: "layout", configMap: { name: configMap } },
      { name: "models", persistentVolumeClaim: { claimName: modelsClaim(server) } },
      ...(claim === undefined ? [] : [{ name: "store", persistentVolumeClaim: { claimName: claim, readOnly: true } }]),
      ...tmp.volumes,
    ],
  };
}

/** Longest name of which the label `batch.kubernetes.io/job-name` can be made, less `layout-`, a hyphen and the hash. */
const longestServerPart = 63 - "layout-".length - 9;

/** Annotation of the pods with the drives that they fill: a hot tier that was made again on others is empty. */
const hotTierAnnotation = "rackwright.dev/hot-tier";

/**
 * The job that lays out a server's models. Its name changes with whatever it does, for the template of a job cannot be
 * changed; a new one finds what the old one has laid out. It changes with the drives of the hot tier as well: a finished
 * job would never run again, and the weights would stay away after a lost drive.
 */
export function layoutJob(environment: Environment, server: string, source: StoreSource, models: readonly LaidOutModel[], configMap: string): KubernetesObject {
  const podLabels = { ...layoutLabels, [labels.managedBy]: "rackwright", [labels.server]: server };
  const drives = environment.servers[server]?.tiers.hot?.drives ?? [];
  const template = { metadata: { labels: podLabels, annotations: { [hotTierAnnotation]: hash(JSON.stringify(drives)) } }, spec: podSpec(environment, server, source, models, configMap) };
  const sizeGB = models.reduce((sum, model) => sum + model.sizeGB, 0);
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: `layout-${server.slice(0, longestServerPart)}-${hash(JSON.stringify(template))}`,
      namespace: namespaces.inference,
      labels: podLabels,
      annotations: { "pulumi.com/timeoutSeconds": String(startSeconds + Math.ceil((sizeGB * 1e9) / slowestBytesPerSecond)) },
    },
    spec: {
      backoffLimit: 4,
      podFailurePolicy: {
        rules: [
          { action: "FailJob", onExitCodes: { containerName: "layout", operator: "In", values: hopelessExitCodes } },
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
        ],
      },
      template,
    },
  };
}
