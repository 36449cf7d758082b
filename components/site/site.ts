import * as pulumi from "@pulumi/pulumi";
import { Cluster } from "../cluster/cluster";
import type { Environment } from "../environment/schema";
import { InferenceService } from "../inference/inference-service";
import { ModelStore } from "../inference/model-store";
import { Monitoring } from "../monitoring";
import { Backup } from "../recovery/backup";
import { planBackups } from "../recovery/backup-plan";
import { planServer, Server, type Credentials } from "../servers";
import { TrainingJob } from "../training";
import type { SitePlan } from "./plan";
import { summariseServer, summariseService, type ServerSummary, type ServiceSummary } from "./summary";

export interface SiteArgs {
  environment: Environment;
  /** From `planSite`, without findings. */
  plan: SitePlan;
  /** @default - the SSH agent, and no object store */
  credentials?: Credentials;
}

/**
 * Servers that are registered at the same time: the SDK holds about 90 KiB for each resource that waits for its answer,
 * and a thousand servers at once are more than a gigabyte. In a preview nothing waits for a host, and few are enough.
 */
const serversAtOnce = { preview: 8, update: 16 };

/** Everything of one environment. What is in it comes with {@link Site.add}. */
export class Site extends pulumi.ComponentResource {
  private readonly args: SiteArgs;

  constructor(name: string, args: SiteArgs, options?: pulumi.ComponentResourceOptions) {
    const { site, ssh, software, cluster, servers, services, training, monitoring, recovery } = args.environment;
    const spec = { name, site, ssh, software, cluster, servers, services, training, monitoring, recovery };
    super("rackwright:site:Site", name, spec, options);
    this.args = args;
    this.registerOutputs(spec);
  }

  /** Registers everything: servers first, a bounded number at a time, then the cluster and what runs on it. Resolves with what users want to know. */
  async add(): Promise<{ servers: Record<string, ServerSummary>; services: Record<string, ServiceSummary> }> {
    const { environment, plan } = this.args;
    const servers = await this.addServers();
    if (environment.cluster.distribution !== "none") this.addWorkloads(servers);
    if (Object.keys(planBackups(environment).sources).length > 0) new Backup("backup", { environment, credentials: this.args.credentials ?? {}, servers }, { parent: this });
    return {
      servers: Object.fromEntries(Object.keys(environment.servers).map((name) => [name, summariseServer(planServer(environment, name), environment)])),
      services: Object.fromEntries(Object.entries(plan.workloads.services).map(([name, service]) => [name, summariseService(service)])),
    };
  }

  private async addServers(): Promise<Map<string, Server>> {
    const servers = new Map<string, Server>();
    const waiting = Object.keys(this.args.environment.servers);
    const worker = async (): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        const server = new Server(name, this.args, { parent: this });
        servers.set(name, server);
        await server.registered;
      }
    };
    const length = pulumi.runtime.isDryRun() ? serversAtOnce.preview : serversAtOnce.update;
    await Promise.all(Array.from({ length }, worker));
    return servers;
  }

  private addWorkloads(servers: ReadonlyMap<string, Server>): void {
    const { environment, plan, credentials = {} } = this.args;
    const { workloads } = plan;
    const parent = { parent: this };
    const cluster = new Cluster("cluster", { environment, plan: workloads, credentials, servers }, parent);
    const modelStore = new ModelStore("model-store", { environment, plan: workloads, credentials, cluster }, parent);
    for (const service of Object.values(workloads.services)) new InferenceService(service.name, { environment, service, cluster, modelStore }, parent);
    for (const job of Object.values(workloads.training)) new TrainingJob(job.name, { environment, job, cluster }, parent);
    if (environment.monitoring.enabled) new Monitoring("monitoring", { environment, plan: workloads, credentials, cluster }, parent);
  }
}
