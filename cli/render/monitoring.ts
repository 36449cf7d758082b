import type { MonitoringSummary } from "../../components/monitoring/summary";
import type { Paper } from "../terminal";
import { wrap } from "../text";

const where = {
  standalone: "Prometheus, Alertmanager and Grafana",
  operator: "rules, monitors and boards for the cluster's own Prometheus operator",
  hosts: "Prometheus, Alertmanager and Grafana as services of the host",
} as const;

/** What is measured, where that is kept and who is told. Empty where monitoring is off. */
export function renderMonitoring(summary: MonitoringSummary | undefined, { style, columns }: Paper): string {
  if (summary === undefined) return "";
  const { mode, keptOn, alerts, receivers } = summary;
  const kept = keptOn === undefined ? "" : ` on ${keptOn.server}, ${keptOn.retentionGiB} GiB on its ${keptOn.tier} tier`;
  const told = receivers.map(({ name, kind, minimumSeverity }) => `${name} (${kind}, from ${minimumSeverity} on)`).join(", ");
  const critical = alerts.filter(({ severity }) => severity === "critical").length;
  return [
    wrap(`${style("bold", "monitoring")}  ${where[mode]}${kept}`, "  ", columns, { hang: 4 }),
    wrap(`${alerts.length} alerts, ${critical} of them critical${told === "" ? "" : `, to ${told}`}`, "    ", columns, { hang: 6 }),
    ...(receivers.length === 0 ? [wrap("nobody is told of alerts: name somebody in monitoring.receivers", `    ${style("dim", "note:")} `, columns, { style: (line) => style("dim", line) })] : []),
  ].join("");
}
