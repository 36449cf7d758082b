import type { RuleGroup, Severity } from "../../../components/monitoring/alert";
import type { MonitoringSummary } from "../../../components/monitoring/summary";
import { groupTitles } from "../../../components/monitoring/docs";
import type { BarChart, Mark, Table } from "../types";
import { durationText, plural } from "../words";

export interface AlertsData {
  /** Absent where monitoring is off. */
  where?: string;
  receivers: string[];
  count: BarChart;
  groups: Table[];
}

export const alertsSource = "components/*/alerts.ts, beside what each alert watches; steps and runbooks in docs/alerts.md";

const severities: Readonly<Record<Severity, Mark>> = {
  critical: { mark: "bad", text: "critical" },
  warning: { mark: "warning", text: "warning" },
  info: { mark: "good", text: "info" },
};

const modes: Readonly<Record<MonitoringSummary["mode"], string>> = { standalone: "Prometheus, Alertmanager and Grafana in the cluster", operator: "The cluster's Prometheus operator", hosts: "Prometheus, Alertmanager and Grafana on the host" };

function groupTable({ name, alerts }: RuleGroup): Table {
  return {
    caption: groupTitles[name] ?? name,
    columns: [
      { title: "Alert", source: alertsSource }, { title: "Severity" }, { title: "Fires after", kind: "number", source: alertsSource },
      { title: "What it means, and why this threshold", kind: "wide" }, { title: "Threshold", kind: "wide", source: `${alertsSource}; as Prometheus evaluates it, in PromQL` },
    ],
    rows: alerts.map(({ name: alert, severity, forSeconds, meaning, expr, reason }) => [alert, severities[severity], forSeconds === 0 ? "at once" : durationText(forSeconds), [meaning, `Why: ${reason}`], { code: expr }]),
  };
}

function countChart(groups: readonly RuleGroup[]): BarChart {
  const most = Math.max(1, ...groups.map(({ alerts }) => alerts.length));
  return {
    title: "Alerts by what they watch",
    legend: [{ name: "critical", fill: "first" }, { name: "warning", fill: "second" }, { name: "info", fill: "third" }],
    bars: groups.map(({ name, alerts }) => {
      const of = (severity: Severity): number => alerts.filter((alert) => alert.severity === severity).length;
      return {
        label: groupTitles[name] ?? name,
        result: `${plural(alerts.length, "alert")}, ${of("critical")} critical`,
        total: most,
        parts: [
          { name: "critical", value: of("critical"), text: String(of("critical")), fill: "first" as const }, { name: "warning", value: of("warning"), text: String(of("warning")), fill: "second" as const }, { name: "info", value: of("info"), text: String(of("info")), fill: "third" as const },
        ].filter(({ value }) => value > 0),
      };
    }),
  };
}

/** All alerts of an environment; none where monitoring is off or where something cannot be placed. */
export function alertsData(groups: readonly RuleGroup[], summary: MonitoringSummary | undefined): AlertsData {
  if (summary === undefined) return { receivers: [], count: countChart([]), groups: [] };
  const watched = groups.filter(({ alerts }) => alerts.length > 0);
  const { mode, keptOn, receivers } = summary;
  return {
    where: keptOn === undefined ? modes[mode] : `${modes[mode]}, measurements of up to ${keptOn.retentionGiB} GiB on the ${keptOn.tier} tier of ${keptOn.server}`,
    receivers: receivers.map(({ name, kind, minimumSeverity }) => `${name} (${kind}, from ${minimumSeverity} on)`),
    count: countChart(watched),
    groups: watched.map(groupTable),
  };
}
