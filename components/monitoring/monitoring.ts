import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../cluster";
import { labels, namespaces } from "../cluster/names";
import type { KubernetesObject } from "../cluster/object";
import { registerObject } from "../cluster/register";
import { kubernetes } from "../cluster/sdk";
import type { Environment } from "../environment/schema";
import type { WorkloadPlan } from "../inference/plan-types";
import type { Credentials } from "../servers";
import { alertmanagerSecret, needsReceiverSecret, receiverSecrets } from "./alertmanager";
import { alertmanagerSecrets } from "./alertmanager-config";
import { grafanaSecret } from "./grafana";
import { planMonitoring } from "./plan";
import { ruleGroups } from "./rules";
import { measurementsOf } from "./storage";

export interface MonitoringArgs {
  environment: Environment;
  plan: WorkloadPlan;
  /** Passwords of the mail server and of Grafana, address of the chat. */
  credentials: Credentials;
  cluster: Pick<Cluster, "provider" | "ready">;
}

/** Prometheus, Alertmanager, Grafana and the exporters of a site's cluster, or the objects for its own operator (guide 5.1). */
export class Monitoring extends pulumi.ComponentResource {
  constructor(name: string, args: MonitoringArgs, options?: pulumi.ComponentResourceOptions) {
    const { environment, plan, credentials, cluster } = args;
    const spec = summary(name, environment, plan);
    super("rackwright:monitoring:Monitoring", name, spec, options);
    const { objects } = planMonitoring(environment, plan);
    const common = { parent: this, provider: cluster.provider };
    const secrets = environment.monitoring.mode === "standalone" ? secretsOf(environment, credentials).map(({ name: secret, data }) => secretObject(secret, data, { ...common, dependsOn: cluster.ready })) : [];
    const made = objects.filter((object) => !runsPods(object)).map((object) => registerObject(object, { ...common, dependsOn: cluster.ready }));
    for (const object of objects.filter(runsPods)) registerObject(object, { ...common, dependsOn: [...cluster.ready, ...secrets, ...made] });
    this.registerOutputs(spec);
  }
}

/** Pods wait for what they use. */
function runsPods({ kind }: KubernetesObject): boolean {
  return kind === "Deployment" || kind === "DaemonSet" || kind === "CronJob";
}

interface SecretContent {
  name: string;
  data: Record<string, pulumi.Input<string> | undefined>;
}

function secretsOf(environment: Environment, { smtpPassword, alertChatUrl, grafanaAdminPassword }: Credentials): SecretContent[] {
  const needed = receiverSecrets(environment);
  return [
    ...(needsReceiverSecret(environment)
      ? [{ name: alertmanagerSecret, data: { ...(needed.smtpPassword ? { [alertmanagerSecrets.smtpPassword]: smtpPassword } : {}), ...(needed.chatUrl ? { [alertmanagerSecrets.chatUrl]: alertChatUrl } : {}) } }]
      : []),
    ...(environment.monitoring.grafana.enabled ? [{ name: grafanaSecret.name, data: { [grafanaSecret.key]: grafanaAdminPassword } }] : []),
  ];
}

/** What a preview lacks is planned as empty: nothing is contacted, and `up` asks for all secrets before it starts. */
function secretObject(name: string, data: SecretContent["data"], options: { parent: pulumi.Resource; provider: pulumi.ProviderResource; dependsOn: pulumi.Resource[] }): pulumi.CustomResource {
  const { Secret } = kubernetes().core.v1;
  const stringData = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, pulumi.secret(value ?? "")]));
  return new Secret(`secret-${namespaces.monitoring}-${name}`, { metadata: { name, namespace: namespaces.monitoring, labels: { [labels.managedBy]: "rackwright" } }, type: "Opaque", stringData }, options);
}

/** What policies and reports read: plain, and without secrets. */
function summary(name: string, environment: Environment, plan: WorkloadPlan): Record<string, unknown> {
  const place = environment.monitoring.mode === "standalone" ? measurementsOf(environment) : undefined;
  return {
    name,
    ...environment.monitoring,
    ...(place === undefined ? {} : { keptOn: { server: place.server, tier: place.tier.tier } }),
    alertNames: ruleGroups(environment, plan).flatMap(({ alerts }) => alerts.map((alert) => ({ name: alert.name, severity: alert.severity, forSeconds: alert.forSeconds }))),
  };
}
