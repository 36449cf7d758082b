import * as pulumi from "@pulumi/pulumi";
import type { Environment } from "../environment/schema";
import { Server, type Credentials } from "../servers";

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

/** Everything of one environment. */
export class Site extends pulumi.ComponentResource {
  readonly servers: Readonly<Record<string, Server>>;
  readonly summary: Readonly<Record<string, ServerSummary>>;

  constructor(name: string, args: SiteArgs, options?: pulumi.ComponentResourceOptions) {
    const { site, ssh, software, cluster, servers, training } = args.environment;
    const spec = { name, site, ssh, software, cluster, servers, training };
    super("rackwright:site:Site", name, spec, options);
    this.servers = Object.fromEntries(Object.keys(servers).map((server) => [server, new Server(server, args, { parent: this })]));
    this.summary = Object.fromEntries(Object.entries(this.servers).map(([server, { plan }]) => [server, summarise(plan, args.environment)]));
    this.registerOutputs(spec);
  }
}

function summarise(plan: Server["plan"], environment: Environment): ServerSummary {
  const gpus = environment.servers[plan.name]?.gpus;
  const { driver } = plan.software;
  return {
    address: plan.connection.host,
    tiers: Object.fromEntries(plan.tiers.map(({ tier, mount, level, usableGB, survivesDrives }) => [tier, { mount, level, usableGB, survivesDrives }])),
    ...(gpus === undefined || driver === undefined ? {} : { gpus: { model: gpus.model, count: gpus.count, driver: driver.version } }),
  };
}
