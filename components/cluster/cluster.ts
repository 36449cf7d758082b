import * as pulumi from "@pulumi/pulumi";
import { unknown } from "@pulumi/pulumi/output";
import type * as Kubernetes from "@pulumi/kubernetes";
import type { Environment } from "../environment/schema";
import type { WorkloadPlan } from "../inference/plan-types";
import type { Credentials, Server } from "../servers";
import { k3sCluster } from "./k3s-cluster";
import { inferenceApiKeySecret, namespaces } from "./names";
import type { KubernetesObject } from "./object";
import { planCluster } from "./plan";
import { registerNode, registerObject } from "./register";
import { kubernetes } from "./sdk";

export interface ClusterArgs {
  environment: Environment;
  plan: WorkloadPlan;
  credentials: Credentials;
  /** By name. Their steps are done before they join. */
  servers: ReadonlyMap<string, Server>;
}

/** The Kubernetes cluster of a site: servers joined to it, accelerators offered, namespaces closed but for what is stated. */
export class Cluster extends pulumi.ComponentResource {
  /** Of every object that goes to the cluster. */
  readonly provider: Kubernetes.Provider;
  /** What objects in the cluster's namespaces depend on. */
  readonly ready: pulumi.Resource[];

  /** @throws RunError for a secret that is missing, outside of previews; `missingSecrets` names all of them before. */
  constructor(name: string, args: ClusterArgs, options?: pulumi.ComponentResourceOptions) {
    const { environment, plan, credentials, servers } = args;
    const spec = { name, ...environment.cluster };
    super("rackwright:cluster:Cluster", name, spec, options);
    const { objects, nodes } = planCluster(environment, plan);
    const k3s = environment.cluster.distribution === "k3s" ? k3sCluster(this, { environment, credentials, servers }) : undefined;
    const kubeconfig = k3s?.kubeconfig ?? credentials.kubeconfig ?? notYetKnown("kubeconfig");
    // Without an identity of its own a cluster whose kubeconfig is not known yet, or has another address, would be taken for
    // another one, and everything in it would be replaced.
    const clusterIdentifier = `${environment.site.name}/${environment.cluster.distribution}`;
    this.provider = new (kubernetes().Provider)("cluster", { kubeconfig: pulumi.secret(kubeconfig), enableServerSideApply: true, clusterIdentifier }, { parent: this });

    const common = { parent: this, provider: this.provider };
    const joined = (server: string): pulumi.Resource[] => [k3s?.joined.get(server)].filter((command) => command !== undefined);
    const patched = nodes.map((node) => registerNode(node, { ...common, dependsOn: joined(node.metadata.name) }));
    const made = new Map<Stage, pulumi.CustomResource[]>(stages.map((stage) => [stage, []]));
    const all = (): pulumi.CustomResource[] => [...made.values()].flat();
    for (const stage of stages) {
      const dependsOn = stage === "whole cluster" ? [] : stage === "in namespaces" ? [...(made.get("whole cluster") ?? [])] : [...all(), ...patched];
      made.set(stage, objects.filter((object) => stageOf(object) === stage).map((object) => registerObject(object, { ...common, dependsOn })));
    }
    const keys = Object.keys(environment.services).length === 0 ? [] : [apiKey(credentials, { ...common, dependsOn: made.get("whole cluster") ?? [] })];
    this.ready = [...all(), ...patched, ...keys, ...Object.keys(environment.servers).flatMap(joined)];
    this.registerOutputs(spec);
  }
}

/** Namespaces and kinds come first; pods wait for what they use and for the labels of nodes; the operator's orders for the operator. */
const stages = ["whole cluster", "in namespaces", "pods", "orders"] as const;
type Stage = (typeof stages)[number];

function stageOf({ apiVersion, kind, metadata }: KubernetesObject): Stage {
  if (kind === "DaemonSet" || kind === "Deployment") return "pods";
  if (apiVersion.startsWith("nvidia.com/")) return "orders";
  return metadata.namespace === undefined ? "whole cluster" : "in namespaces";
}

/** A secret that a preview has no need of: what depends on it is planned from its inputs, and nothing is contacted. */
export function notYetKnown(key: keyof Credentials): pulumi.Output<string> {
  if (!pulumi.runtime.isDryRun()) throw new pulumi.RunError(`rackwright:${key} is missing: set it with ./rackwright secret ${pulumi.getStack()} ${key}, or pulumi config set --secret --stack ${pulumi.getStack()} rackwright:${key}`);
  return pulumi.output(unknown as unknown as string);
}

function apiKey({ inferenceApiKey }: Credentials, options: { parent: Cluster; provider: Kubernetes.Provider; dependsOn: pulumi.Resource[] }): pulumi.CustomResource {
  const { parent, provider, dependsOn } = options;
  const key = pulumi.secret(inferenceApiKey ?? notYetKnown("inferenceApiKey")).apply((text) => Buffer.from(text).toString("base64"));
  const { Secret } = kubernetes().core.v1;
  return new Secret(`secret-${namespaces.inference}-${inferenceApiKeySecret.name}`, { metadata: { name: inferenceApiKeySecret.name, namespace: namespaces.inference }, type: "Opaque", data: { [inferenceApiKeySecret.key]: key } }, { parent, provider, dependsOn });
}
