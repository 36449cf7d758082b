import { annotation, apiVersionOf, get, isKind, isSecret, kindOf } from "./object";
import type { KubeObject } from "./object";
import type { Value } from "../../values";
import type { Settings } from "./settings";

const SELECTOR = [".spec.selector"];

const POD_CONTAINER = [
  "args", "command", "env", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "ports", "readinessProbe", "resources",
  "securityContext", "stdin", "stdinOnce", "terminationMessagePath", "terminationMessagePolicy", "tty", "volumeDevices",
  "volumeMounts", "workingDir",
];
const POD_SPEC = [
  "affinity", "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "enableServiceLinks", "hostAliases", "hostIPC",
  "hostNetwork", "hostPID", "hostname", "imagePullSecrets", "nodeName", "nodeSelector", "overhead", "preemptionPolicy",
  "priority", "priorityClassName", "readinessGates", "restartPolicy", "runtimeClassName", "schedulerName", "securityContext",
  "serviceAccount", "serviceAccountName", "shareProcessNamespace", "subdomain", "terminationGracePeriodSeconds", "volumes",
];
const VOLUME_SOURCES = [
  "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume", "flocker",
  "gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk", "portworxVolume", "quobyte",
  "rbd", "scaleIO", "storageos", "vsphereVolume",
];

const BINDING = [".roleRef"];
const JOB = [".spec.completions", ".spec.parallelism", ".spec.template", ...SELECTOR];

/** Fields of which a change replaces the object, as pulumi-kubernetes decides it. */
const BY_KIND: Record<string, string[]> = {
  "apps/v1/DaemonSet": SELECTOR,
  "apps/v1/Deployment": SELECTOR,
  "apps/v1/StatefulSet": [
    ".spec.podManagementPolicy", ".spec.revisionHistoryLimit", ".spec.serviceName", ".spec.volumeClaimTemplates", ...SELECTOR,
  ],
  "batch/v1/Job": JOB,
  "rbac.authorization.k8s.io/v1/ClusterRoleBinding": BINDING,
  "rbac.authorization.k8s.io/v1/RoleBinding": BINDING,
  "storage.k8s.io/v1/StorageClass": [".parameters", ".provisioner"],
  "v1/PersistentVolume": VOLUME_SOURCES.map((name) => `.spec.${name}`),
  "v1/PersistentVolumeClaim": [".spec.accessModes", ".spec.storageClassName", ".spec.volumeName", ...SELECTOR],
  "v1/Pod": [
    ...POD_SPEC.map((name) => `.spec.${name}`),
    ...[".spec.containers[*]", ".spec.initContainers[*]"].flatMap((list) => POD_CONTAINER.map((name) => `${list}.${name}`)),
  ],
  "v1/ResourceQuota": [".spec.scopes"],
  "v1/Service": [".spec.clusterIP"],
};

const IDENTITY = [".metadata.name", ".metadata.namespace"];

/** Paths below which a change cannot be made in place. */
export function replacingPaths(object: KubeObject, patch: boolean, settings: Pick<Settings, "enableSecretMutable" | "enableConfigMapMutable">): string[] {
  // A patch changes an object that is not its own: all but whose object it is can be changed in place.
  if (patch) return IDENTITY;
  const immutable = get(object, "immutable") === true;
  if (isSecret(object)) {
    if (!settings.enableSecretMutable || immutable) return [...IDENTITY, ".type", ".stringData", ".data"];
    return [...IDENTITY, ".type"];
  }
  if (isKind(object, "v1", "ConfigMap")) {
    return !settings.enableConfigMapMutable || immutable ? [...IDENTITY, ".binaryData", ".data"] : IDENTITY;
  }
  return [...IDENTITY, ...(BY_KIND[`${apiVersionOf(object)}/${kindOf(object)}`] ?? [])];
}

/** Whether a change to `value` at `path` lies at or below one of the paths, or has one of them inside. */
export function asksForReplacement(path: (string | number)[], value: Value | undefined, replacing: string[]): boolean {
  return replacing.some((pattern) => {
    const keys = [...pattern.matchAll(/\.([^.[\]]+)|\[(\*)\]/g)].map(([, name, any]) => name ?? any ?? "");
    if (!keys.every((key, i) => i >= path.length || key === "*" || key === String(path[i]))) return false;
    return keys.length <= path.length || get(value, ...keys.slice(path.length)) !== undefined;
  });
}

/** Objects that are made anew while they are not ready, by annotation. */
export function replacesUnready(object: KubeObject): boolean {
  return annotation(object, "pulumi.com/replaceUnready") === "true";
}
