/** How soon somebody has to act: `critical` now, at night too; `warning` within the working day; `info` is for the record. */
export type Severity = "info" | "warning" | "critical";

/** One alert, as plain data, beside the component that it watches. */
export interface Alert {
  /** In Prometheus' own style: `GpuUtilizationLow`. Unique on the site; the heading of its runbook in docs/alerts.md. */
  name: string;
  severity: Severity;
  /** PromQL that returns one series for each thing that is wrong. */
  expr: string;
  /** How long it must hold before the alert fires. */
  forSeconds: number;
  /** One line with the place and the value: Prometheus' templates, `{{ $labels.server }}` and `{{ $value }}`. */
  summary: string;
  /** What it means for users of the site, in one or two sentences. */
  meaning: string;
  /** The threshold's reason, and where it comes from: `guide 5.1`, an entry of the facts, a vendor's page. */
  reason: string;
  /** What to do, in order. The first is in the notification. */
  steps: readonly [string, ...string[]];
}

/** A query that Prometheus keeps the result of, so that boards and alerts agree on one definition. */
export interface Recording {
  /** `level:metric:operation`, as Prometheus advises. */
  record: string;
  expr: string;
  /** Added to the result. */
  labels?: Readonly<Record<string, string>>;
  /** What it is, its unit and its labels. */
  meaning: string;
}

/** Rules that are evaluated together, in this order. */
export interface RuleGroup {
  name: string;
  recordings: readonly Recording[];
  alerts: readonly Alert[];
}
