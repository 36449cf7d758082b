import { stringify } from "yaml";
import { namespaces } from "../../components/cluster/names";
import type { Environment } from "../../components/environment/schema";
import type { WorkloadPlan } from "../../components/inference";
import { alertmanagerConfig } from "../../components/monitoring/alertmanager-config";
import { smokepingConfig } from "../../components/monitoring/exporters/smokeping-prober";
import { blackboxConfig } from "../../components/monitoring/prometheus-config";
import { prometheusFiles } from "../../components/monitoring/prometheus";
import type { ControlPlane } from "../control-plane/control-plane";
import { RehearsalError } from "../process";

/** The files that a site's programs read, as texts. */
export interface GeneratedFiles {
  prometheus: string;
  rules: string;
  alertmanager: string;
  blackbox: string;
  /** By server. */
  smokeping: Readonly<Record<string, string>>;
}

/** As the planners say them: what a site without a cluster has on its hosts. */
export function plannedFiles(environment: Environment, workloads: WorkloadPlan): GeneratedFiles {
  const files = prometheusFiles(environment, workloads, "hosts");
  return {
    prometheus: files["prometheus.yml"] ?? "",
    rules: files["rules.yml"] ?? "",
    alertmanager: stringify(alertmanagerConfig(environment)),
    blackbox: stringify(blackboxConfig()),
    smokeping: Object.fromEntries(Object.keys(environment.servers).map((server) => [server, smokepingConfig(environment, server)])),
  };
}

/** As they lie in the cluster after `up`. @throws RehearsalError where one is missing */
export async function filesInCluster(plane: Pick<ControlPlane, "call">, environment: Environment): Promise<GeneratedFiles> {
  const mapOf = async (namespace: string, name: string): Promise<Record<string, string>> => (await plane.call<{ data?: Record<string, string> }>("GET", `/api/v1/namespaces/${namespace}/configmaps/${name}`))?.data ?? {};
  const { monitoring, exporters } = namespaces;
  const [prometheus, alertmanager, blackbox, smokeping] = await Promise.all([mapOf(monitoring, "prometheus"), mapOf(monitoring, "alertmanager"), mapOf(monitoring, "blackbox-exporter"), mapOf(exporters, "smokeping-prober")]);
  const needed = (data: Record<string, string>, file: string): string => {
    const text = data[file];
    if (text === undefined) throw new RehearsalError(`After \`up\` the cluster has no ${file} in a ConfigMap.`);
    return text;
  };
  return {
    prometheus: needed(prometheus, "prometheus.yml"),
    rules: needed(prometheus, "rules.yml"),
    alertmanager: needed(alertmanager, "alertmanager.yml"),
    // Nothing has a certificate to be looked at.
    blackbox: blackbox["blackbox.yml"] ?? stringify(blackboxConfig()),
    smokeping: Object.fromEntries(Object.keys(environment.servers).flatMap((server) => (smokeping[`${server}.yml`] === undefined ? [] : [[server, smokeping[`${server}.yml`] ?? ""]]))),
  };
}
