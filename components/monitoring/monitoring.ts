import * as pulumi from "@pulumi/pulumi";
import { notYetKnown, type Cluster } from "../cluster/cluster";
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
import { summariseMonitoring } from "./summary";

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
    const spec = { name, monitoring: environment.monitoring, ...summariseMonitoring(environment, plan) };
    super("rackwright:monitoring:Monitoring", name, spec, options);
    const objects = planMonitoring(environment, plan);
    const common = { parent: this, provider: cluster.provider };
    const secrets = environment.monitoring.mode === "standalone" ? secretsOf(environment).map((content) => secretObject(content, credentials, { ...common, dependsOn: cluster.ready })) : [];
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
  /** Key in the Secret to what of the credentials it holds. */
  data: Record<string, keyof Credentials>;
}

function secretsOf(environment: Environment): SecretContent[] {
  const needed = receiverSecrets(environment);
  return [
    ...(needsReceiverSecret(environment)
      ? [{ name: alertmanagerSecret, data: { ...(needed.smtpPassword ? { [alertmanagerSecrets.smtpPassword]: "smtpPassword" as const } : {}), ...(needed.chatUrl ? { [alertmanagerSecrets.chatUrl]: "alertChatUrl" as const } : {}) } }]
      : []),
    ...(environment.monitoring.grafana.enabled ? [{ name: grafanaSecret.name, data: { [grafanaSecret.key]: "grafanaAdminPassword" as const } }] : []),
  ];
}

function secretObject({ name, data }: SecretContent, credentials: Credentials, options: { parent: pulumi.Resource; provider: pulumi.ProviderResource; dependsOn: pulumi.Resource[] }): pulumi.CustomResource {
  const { Secret } = kubernetes().core.v1;
  const stringData = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, pulumi.secret(credentials[value] ?? notYetKnown(value))]));
  return new Secret(`secret-${namespaces.monitoring}-${name}`, { metadata: { name, namespace: namespaces.monitoring, labels: { [labels.managedBy]: "rackwright" } }, type: "Opaque", stringData }, options);
}
