import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../../cluster";
import { labels, namespaces } from "../../cluster/names";
import { registerObject } from "../../cluster/register";
import type { Environment } from "../../environment/schema";
import type { Credentials } from "../../servers";
import type { WorkloadPlan } from "../plan-types";
import { storeSecret } from "./layout-job";
import { planModelStore } from "./plan";
import { sourceFor } from "./source";

export interface ModelStoreArgs {
  environment: Environment;
  plan: WorkloadPlan;
  /** The object store's keys, where the weights come from there. */
  credentials: Credentials;
  cluster: Pick<Cluster, "provider" | "ready">;
}

/** Weights on the hot tier of every server that runs a service, verified against the store's checksums. */
export class ModelStore extends pulumi.ComponentResource {
  private readonly ready = new Map<string, pulumi.Resource[]>();

  constructor(name: string, args: ModelStoreArgs, options?: pulumi.ComponentResourceOptions) {
    const { environment, plan, credentials, cluster } = args;
    const { shared, servers } = planModelStore(environment, plan);
    const spec = {
      name,
      ...(environment.site.modelStore === undefined ? {} : { modelStore: environment.site.modelStore }),
      servers: Object.fromEntries(servers.map(({ server, models }) => [server, models])),
    };
    super("rackwright:inference:ModelStore", name, spec, options);
    const { provider } = cluster;
    const register = (object: Parameters<typeof registerObject>[0], dependsOn: pulumi.Resource[]): pulumi.CustomResource => registerObject(object, { parent: this, provider, dependsOn });

    const common: pulumi.Resource[] = [];
    for (const object of shared) common.push(register(object, [...cluster.ready, ...common]));
    if (servers.some(({ server, job }) => job !== undefined && sourceFor(environment, server)?.kind === "object-store")) {
      common.push(register(keys(credentials), cluster.ready));
    }
    for (const { server, volumes, claims, job } of servers) {
      const bound = volumes.map((volume) => register(volume, cluster.ready));
      const claimed = claims.map((claim) => register(claim, [...cluster.ready, ...bound]));
      this.ready.set(server, job === undefined ? claimed : [...claimed, register(job, [...cluster.ready, ...common, ...claimed])]);
    }
    this.registerOutputs(spec);
  }

  /** What a workload of any service on this server waits for: the claim of its model folder, and the weights in it. */
  readyOn(_service: string, server: string): pulumi.Resource[] {
    return this.ready.get(server) ?? [];
  }
}

/** A preview may lack the keys; an update has been refused without them before it begins. */
function keys({ objectStoreAccessKeyId, objectStoreSecretAccessKey }: Credentials): Parameters<typeof registerObject>[0] {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: storeSecret.name, namespace: namespaces.inference, labels: { [labels.managedBy]: "rackwright" } },
    type: "Opaque",
    stringData: {
      ...(objectStoreAccessKeyId === undefined ? {} : { [storeSecret.accessKeyId]: pulumi.secret(objectStoreAccessKeyId) }),
      ...(objectStoreSecretAccessKey === undefined ? {} : { [storeSecret.secretAccessKey]: pulumi.secret(objectStoreSecretAccessKey) }),
    },
  };
}
