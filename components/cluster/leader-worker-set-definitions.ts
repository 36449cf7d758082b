import { labels } from "./names";
import type { KubernetesObject } from "./object";

type Schema = Record<string, unknown>;

const text: Schema = { type: "string" };
const integer: Schema = { type: "integer", format: "int32" };
/** Pod templates are checked when pods are made of them. */
const open: Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const choice = (...values: string[]): Schema => ({ type: "string", enum: values });
const fields = (properties: Record<string, Schema>, required?: string[]): Schema => ({ type: "object", properties, ...(required === undefined ? {} : { required }) });
const amount: Schema = { anyOf: [{ type: "integer" }, { type: "string" }], "x-kubernetes-int-or-string": true };

const spec = fields(
  {
    replicas: { ...integer, default: 1 },
    startupPolicy: { ...choice("LeaderCreated", "LeaderReady"), default: "LeaderCreated" },
    networkConfig: fields({ subdomainPolicy: choice("Shared", "UniquePerReplica") }, ["subdomainPolicy"]),
    rolloutStrategy: fields(
      {
        type: { ...choice("RollingUpdate"), default: "RollingUpdate" },
        rollingUpdateConfiguration: fields({ partition: { ...integer, default: 0 }, maxUnavailable: { ...amount, default: 1 }, maxSurge: { ...amount, default: 0 } }),
      },
      ["type"],
    ),
    leaderWorkerTemplate: fields(
      {
        size: { ...integer, default: 1 },
        restartPolicy: { ...choice("Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None"), default: "RecreateGroupOnPodRestart" },
        leaderTemplate: open,
        workerTemplate: open,
        subGroupPolicy: fields({ subGroupPolicyType: { ...choice("LeaderWorker", "LeaderExcluded"), default: "LeaderWorker" }, subGroupSize: integer }),
        volumeClaimTemplates: { type: "array", items: open },
        persistentVolumeClaimRetentionPolicy: fields({ whenDeleted: text, whenScaled: text }),
      },
      ["workerTemplate"],
    ),
  },
  ["leaderWorkerTemplate"],
);

const condition = fields(
  { type: text, status: choice("True", "False", "Unknown"), observedGeneration: { type: "integer", format: "int64" }, lastTransitionTime: { type: "string", format: "date-time" }, reason: text, message: text },
  ["type", "status", "lastTransitionTime", "reason", "message"],
);

const status = fields({
  conditions: { type: "array", items: condition, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] },
  observedGeneration: { type: "integer", format: "int64" },
  replicas: integer,
  readyReplicas: integer,
  updatedReplicas: integer,
  hpaPodSelector: text,
});

interface Definition {
  group: string;
  kind: string;
  shortNames: string[];
  properties: Record<string, Schema>;
  subresources: Record<string, unknown>;
}

function definition({ group, kind, shortNames, properties, subresources }: Definition): KubernetesObject {
  const singular = kind.toLowerCase();
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${singular}s.${group}`, labels: { [labels.managedBy]: "rackwright" } },
    spec: {
      group,
      names: { kind, listKind: `${kind}List`, plural: `${singular}s`, singular, shortNames },
      scope: "Namespaced",
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources,
          schema: { openAPIV3Schema: { type: "object", properties: { apiVersion: text, kind: text, metadata: { type: "object" }, ...properties } } },
        },
      ],
    },
  };
}

/** The kinds that the controller serves: LeaderWorkerSet as at 0.9.0, and one that it watches whether it is used or not. */
export function leaderWorkerSetDefinitions(): KubernetesObject[] {
  return [
    definition({
      group: "leaderworkerset.x-k8s.io", kind: "LeaderWorkerSet", shortNames: ["lws"], properties: { spec, status },
      subresources: { status: {}, scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas", labelSelectorPath: ".status.hpaPodSelector" } },
    }),
    definition({ group: "disaggregatedset.x-k8s.io", kind: "DisaggregatedSet", shortNames: ["ds-lws"], properties: { spec: open, status: open }, subresources: { status: {} } }),
  ];
}
