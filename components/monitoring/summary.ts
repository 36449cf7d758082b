import type { Environment } from "../environment/schema";
import type { WorkloadPlan } from "../inference/plan-types";
import type { Severity } from "./alert";
import { monitoringMode, type MonitoringMode } from "./mode";
import { ruleGroups } from "./rules";
import { keepsMeasurements, measurementsOf } from "./storage";

/** What a person, a policy or a report wants to know of a site's monitoring. Plain, and without secrets. */
export interface MonitoringSummary {
  mode: Exclude<MonitoringMode, "off">;
  /** Where measurements are kept; absent where a site's operator keeps them. */
  keptOn?: { server: string; tier: string; retentionGiB: number };
  alerts: { name: string; severity: Severity; forSeconds: number }[];
  receivers: { name: string; kind: string; minimumSeverity: Severity }[];
}

/** Undefined where monitoring is off. */
export function summariseMonitoring(environment: Environment, workloads: WorkloadPlan): MonitoringSummary | undefined {
  const { monitoring } = environment;
  const mode = monitoringMode(environment);
  if (mode === "off") return undefined;
  const place = keepsMeasurements(environment) ? measurementsOf(environment) : undefined;
  return {
    mode,
    ...(place === undefined ? {} : { keptOn: { server: place.server, tier: place.tier.tier, retentionGiB: monitoring.retentionGiB } }),
    alerts: ruleGroups(environment, workloads).flatMap(({ alerts }) => alerts.map(({ name, severity, forSeconds }) => ({ name, severity, forSeconds }))),
    receivers: Object.entries(monitoring.receivers).map(([name, { kind, minimumSeverity }]) => ({ name, kind, minimumSeverity })),
  };
}
