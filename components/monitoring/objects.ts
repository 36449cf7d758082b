import { labels, type Namespace } from "../cluster/names";
import type { KubernetesObject } from "../cluster/object";
import { pinnedTo, restrictedContainer, restrictedPod, tolerationsFor } from "../cluster/pod";
import type { Environment } from "../environment/schema";
import { shortHash } from "../hash";

/** Label by which every program of the monitoring is found; its value is the program's name. */
export const programLabel = "app.kubernetes.io/name";

export function named(apiVersion: string, kind: string, namespace: string | undefined, name: string, program: string, fields: Record<string, unknown>): KubernetesObject {
  return { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }), labels: { [labels.managedBy]: "rackwright", [programLabel]: program } }, ...fields };
}

/** Files of a program, from one ConfigMap. */
export function configMap(namespace: Namespace, name: string, program: string, data: Readonly<Record<string, string>>): KubernetesObject {
  return named("v1", "ConfigMap", namespace, name, program, { data });
}

export interface Program {
  name: string;
  namespace: Namespace;
  image: string;
  args: string[];
  /** Name to number. */
  ports: Readonly<Record<string, number>>;
  /** Path that answers with 200 once it works, on the first of the ports. */
  ready: string;
  requests: { cpu: string; memory: string };
  memoryLimit: string;
  /** Beyond what all have. */
  env?: readonly Record<string, unknown>[];
  volumes?: readonly { name: string; mountPath: string; readOnly?: boolean; source: Record<string, unknown> }[];
  /** A changed text makes a new pod, for programs read their files once. */
  files?: readonly string[];
  /** It talks to the API server with this account. @default - it has none and gets no token */
  serviceAccount?: string;
  /** Servers that it may run on. @default - any */
  servers?: readonly string[];
  /** Of the pod, beyond what all have. */
  pod?: Record<string, unknown>;
}

/** Labels that a program's pods have and no other's. */
export const selectorOf = (program: string): Record<string, string> => ({ [programLabel]: program });

/** Template of a program's pod at level `restricted`. */
export function programPod(environment: Environment, program: Program): Record<string, unknown> {
  const { name, image, args, ports, ready, requests, memoryLimit, env = [], volumes = [], files = [], serviceAccount, servers, pod = {} } = program;
  const [portName = ""] = Object.keys(ports);
  const probe = { httpGet: { path: ready, port: portName }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 };
  return {
    metadata: { labels: { [labels.managedBy]: "rackwright", ...selectorOf(name) }, ...(files.length === 0 ? {} : { annotations: { "rackwright.dev/config": shortHash(files.join("\0"), 16) } }) },
    spec: {
      ...restrictedPod(),
      ...(serviceAccount === undefined ? {} : { automountServiceAccountToken: true, serviceAccountName: serviceAccount }),
      ...(servers === undefined ? {} : { ...pinnedTo(servers), tolerations: tolerationsFor(environment, servers) }),
      ...pod,
      containers: [
        {
          name,
          image,
          args,
          ...(env.length === 0 ? {} : { env }),
          ports: Object.entries(ports).map(([port, containerPort]) => ({ name: port, containerPort, protocol: "TCP" })),
          readinessProbe: probe,
          resources: { requests, limits: { memory: memoryLimit } },
          ...restrictedContainer(),
          volumeMounts: volumes.map(({ name: volume, mountPath, readOnly }) => ({ name: volume, mountPath, ...(readOnly === undefined ? {} : { readOnly }) })),
        },
      ],
      volumes: volumes.map(({ name: volume, source }) => ({ name: volume, ...source })),
    },
  };
}

/** One pod of a program. The old one ends before the new one starts: two of them must not write to the same folder. */
export function programDeployment(environment: Environment, program: Program): KubernetesObject {
  return named("apps/v1", "Deployment", program.namespace, program.name, program.name, {
    spec: { replicas: 1, revisionHistoryLimit: 2, strategy: { type: "Recreate" }, selector: { matchLabels: selectorOf(program.name) }, template: programPod(environment, program) },
  });
}

/** Address of a program inside the cluster: `http://<name>.<namespace>:<port>`. */
export function programService({ name, namespace, ports }: Pick<Program, "name" | "namespace" | "ports">): KubernetesObject {
  const all = Object.entries(ports).map(([port, number]) => ({ name: port, port: number, targetPort: port, protocol: "TCP" }));
  return named("v1", "Service", namespace, name, name, { spec: { type: "ClusterIP", selector: selectorOf(name), ports: all } });
}

type Rule = Record<string, readonly string[]>;

/** An account with a name, and what it may do: in the whole cluster, or in the namespaces that are named. */
export function access(namespace: Namespace, name: string, grants: readonly { in?: string; rules: readonly Rule[] }[]): KubernetesObject[] {
  const subjects = [{ kind: "ServiceAccount", name, namespace }];
  const group = "rbac.authorization.k8s.io";
  return [
    named("v1", "ServiceAccount", namespace, name, name, { automountServiceAccountToken: false }),
    ...grants.flatMap(({ in: place, rules }) => {
      const kind = place === undefined ? "ClusterRole" : "Role";
      const roleName = `rackwright-${name}`;
      return [
        named(`${group}/v1`, kind, place, roleName, name, { rules }),
        named(`${group}/v1`, `${kind}Binding`, place, roleName, name, { roleRef: { apiGroup: group, kind, name: roleName }, subjects }),
      ];
    }),
  ];
}
