import * as pulumi from "@pulumi/pulumi";
import type { Environment } from "../environment/schema";
import { planServer, Server, type Credentials, type ServerPlan } from "../servers";

export interface SiteArgs {
  environment: Environment;
  /** @default - the SSH agent, and no object store */
  credentials?: Credentials;
}

/** What a user wants to know of a server once it is up. */
export interface ServerSummary {
  address: string;
  tiers: Record<string, { mount: string; level: string; usableGB: number; survivesDrives: number }>;
  gpus?: { model: string; count: number; driver: string };
}

/**
 * Servers that are registered at the same time: the SDK holds about 90 KiB for each resource that waits for its answer,
 * and a thousand servers at once are more than a gigabyte. In a preview nothing waits for a host, and few are enough.
 */
const serversAtOnce = { preview: 8, update: 16 };

/** Everything of one environment. Its servers come with {@link Site.addServers}. */
export class Site extends pulumi.ComponentResource {
  private readonly args: SiteArgs;

  constructor(name: string, args: SiteArgs, options?: pulumi.ComponentResourceOptions) {
    const { site, ssh, software, cluster, servers, training } = args.environment;
    const spec = { name, site, ssh, software, cluster, servers, training };
    super("rackwright:site:Site", name, spec, options);
    this.args = args;
    this.registerOutputs(spec);
  }

  /** Registers all servers, a bounded number at a time. Resolves with what users want to know of each. */
  async addServers(): Promise<Record<string, ServerSummary>> {
    const { environment } = this.args;
    const names = Object.keys(environment.servers);
    const waiting = [...names];
    const worker = async (): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await new Server(name, this.args, { parent: this }).registered;
    };
    const length = pulumi.runtime.isDryRun() ? serversAtOnce.preview : serversAtOnce.update;
    await Promise.all(Array.from({ length }, worker));
    return Object.fromEntries(names.map((name) => [name, summarise(planServer(environment, name), environment)]));
  }
}

function summarise(plan: ServerPlan, environment: Environment): ServerSummary {
  const gpus = environment.servers[plan.name]?.gpus;
  const { driver } = plan.software;
  return {
    address: plan.connection.host,
    tiers: Object.fromEntries(plan.tiers.map(({ tier, mount, level, usableGB, survivesDrives }) => [tier, { mount, level, usableGB, survivesDrives }])),
    ...(gpus === undefined || driver === undefined ? {} : { gpus: { model: gpus.model, count: gpus.count, driver: driver.version } }),
  };
}
