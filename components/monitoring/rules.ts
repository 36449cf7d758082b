import { clusterAlerts } from "../cluster/alerts";
import type { Environment } from "../environment/schema";
import { inferenceAlerts } from "../inference/alerts";
import type { WorkloadPlan } from "../inference";
import { recoveryAlerts } from "../recovery/alerts";
import { standbyAlerts, standbyRecordings } from "../recovery/standby/alerts";
import { serverAlerts } from "../servers/alerts";
import { gpuAlerts } from "../servers/gpu-alerts";
import { siteAlerts } from "../site/alerts";
import { trainingAlerts } from "../training/alerts";
import type { Alert, Recording, RuleGroup } from "./alert";
import { monitoringAlerts, networkAlerts } from "./alerts";
import { hostRecordings, inventoryRecordings, networkRecordings, serviceRecordings } from "./recordings";
import { gpuRecordings } from "./recordings-gpu";
import { powerRecordings } from "./recordings-power";

/**
 * All rules of an environment, by what they watch. Pure. Inventory stands first, for the others join names by it; groups
 * that read another's results see those of the last evaluation.
 */
export function ruleGroups(environment: Environment, workloads: WorkloadPlan): RuleGroup[] {
  const groups: RuleGroup[] = [
    { name: "inventory", recordings: inventoryRecordings(environment, workloads), alerts: [] },
    { name: "servers", recordings: hostRecordings(), alerts: serverAlerts(environment) },
    { name: "gpus", recordings: gpuRecordings(environment), alerts: gpuAlerts(environment) },
    { name: "network", recordings: networkRecordings(environment), alerts: networkAlerts(environment) },
    { name: "cluster", recordings: [], alerts: clusterAlerts(environment) },
    { name: "services", recordings: serviceRecordings(environment), alerts: [...inferenceAlerts(environment, workloads), ...trainingAlerts(environment)] },
    { name: "power", recordings: powerRecordings(environment), alerts: siteAlerts(environment) },
    { name: "standby", recordings: standbyRecordings(environment), alerts: standbyAlerts(environment) },
    { name: "recovery", recordings: [], alerts: recoveryAlerts(environment) },
    { name: "monitoring", recordings: [], alerts: monitoringAlerts(environment) },
  ];
  return groups.filter(({ recordings, alerts }) => recordings.length + alerts.length > 0);
}

/** Where an alert's page is, below the project's root. */
export function runbook(name: string): string {
  return `docs/alerts.md#${name.toLowerCase()}`;
}

/** Prometheus' own way to write a duration. */
export function duration(seconds: number): string {
  const unit = ([["d", 86_400], ["h", 3600], ["m", 60]] as const).find(([, size]) => seconds >= size && seconds % size === 0);
  return unit === undefined ? `${seconds}s` : `${seconds / unit[1]}${unit[0]}`;
}

function alertRule({ name, severity, expr, forSeconds, summary, meaning, steps }: Alert): Record<string, unknown> {
  return {
    alert: name,
    expr,
    ...(forSeconds === 0 ? {} : { for: duration(forSeconds) }),
    labels: { severity },
    annotations: { summary, description: meaning, action: steps[0], runbook_url: runbook(name) },
  };
}

function recordingRule({ record, expr, labels }: Recording): Record<string, unknown> {
  return { record, expr, ...(labels === undefined ? {} : { labels: { ...labels } }) };
}

/** A rule file as Prometheus 2.42 and newer reads it: recordings before the alerts that use them. */
export function prometheusRules(groups: readonly RuleGroup[]): { groups: { name: string; rules: Record<string, unknown>[] }[] } {
  return { groups: groups.map(({ name, recordings, alerts }) => ({ name, rules: [...recordings.map(recordingRule), ...alerts.map(alertRule)] })) };
}
