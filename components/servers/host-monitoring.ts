import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { BareMonitoring, HostSecret } from "./bare-monitoring";
import type { Credentials } from "./credentials";
import { hostCommand, type HostStepArgs } from "./host-command";
import type { HostMonitoringPlan } from "./monitoring-plan";

export interface HostMonitoringSpec extends Omit<HostMonitoringPlan, "bare"> {
  server: string;
  /** Of a host without a cluster: what is installed and runs on it, without the files' content. */
  bare?: Pick<BareMonitoring, "packages" | "data" | "secrets"> & { services: string[] };
}

export interface HostMonitoringArgs extends Omit<HostStepArgs<unknown>, "spec"> {
  server: string;
  plan: HostMonitoringPlan;
  credentials: Credentials;
}

const credentialOf = { "smtp-password": "smtpPassword", "chat-url": "alertChatUrl", "grafana-admin-password": "grafanaAdminPassword" } as const satisfies Record<HostSecret["name"], keyof Credentials>;

/** Secrets as monitoring.sh reads them: a line each, on standard input only. */
function secretLines(secrets: readonly HostSecret[], credentials: Credentials): pulumi.Output<string> | undefined {
  const lines = secrets.flatMap(({ name }) => {
    const value = credentials[credentialOf[name]];
    return value === undefined ? [] : [pulumi.interpolate`${name} ${value}\n`];
  });
  return lines.length === 0 ? undefined : pulumi.secret(pulumi.all(lines).apply((all) => all.join("")));
}

/** What one server measures of itself, and on a site without a cluster the exporters and programs of its monitoring (guide 5.1). */
export class HostMonitoring extends pulumi.ComponentResource {
  readonly command: remote.Command;

  constructor(name: string, args: HostMonitoringArgs, options?: pulumi.ComponentResourceOptions) {
    const { server, credentials } = args;
    const { bare, ...plan } = args.plan;
    const spec: HostMonitoringSpec = {
      server,
      ...plan,
      ...(bare === undefined ? {} : { bare: { packages: bare.packages, data: bare.data, secrets: bare.secrets, services: bare.services.map((service) => service.name) } }),
    };
    super("rackwright:servers:HostMonitoring", name, { ...spec }, options);
    this.command = hostCommand(this, args, secretLines(bare?.secrets ?? [], credentials));
    this.registerOutputs({ ...spec });
  }
}
