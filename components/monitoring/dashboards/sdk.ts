import { createRequire } from "node:module";
// Types by path, for TypeScript's node10 resolution does not know a package's exports.
import type * as BarGauge from "@grafana/grafana-foundation-sdk/dist/bargauge";
import type * as Common from "@grafana/grafana-foundation-sdk/dist/common";
import type * as Dashboard from "@grafana/grafana-foundation-sdk/dist/dashboard";
import type * as Prometheus from "@grafana/grafana-foundation-sdk/dist/prometheus";
import type * as Stat from "@grafana/grafana-foundation-sdk/dist/stat";
import type * as StateTimeline from "@grafana/grafana-foundation-sdk/dist/statetimeline";
import type * as Table from "@grafana/grafana-foundation-sdk/dist/table";
import type * as Text from "@grafana/grafana-foundation-sdk/dist/text";
import type * as TimeSeries from "@grafana/grafana-foundation-sdk/dist/timeseries";

/**
 * The classic model, which every Grafana takes from a file. The SDK would have its successor used, which those before 12 cannot
 * read (general knowledge), and sites with a Grafana of their own may have one.
 */
export type DashboardModel = ReturnType<typeof Dashboard.defaultDashboard>;
export type PanelModel = Dashboard.Panel;
/** What every panel's builder of the SDK offers of {@link PanelModel}. */
export interface PanelBuilder {
  build: () => PanelModel;
}

interface Sdk {
  barGauge: typeof BarGauge;
  common: typeof Common;
  dashboard: typeof Dashboard;
  prometheus: typeof Prometheus;
  stat: typeof Stat;
  stateTimeline: typeof StateTimeline;
  table: typeof Table;
  text: typeof Text;
  timeSeries: typeof TimeSeries;
}

const load = createRequire(__filename);
const part = (name: string): unknown => load(`@grafana/grafana-foundation-sdk/${name}`);
let loaded: Sdk | undefined;

/** Grafana's SDK, the parts in use, loaded on first use: they take 0.1 s, which environments without boards need not spend. */
export function grafana(): Sdk {
  loaded ??= {
    barGauge: part("bargauge") as typeof BarGauge,
    common: part("common") as typeof Common,
    dashboard: part("dashboard") as typeof Dashboard,
    prometheus: part("prometheus") as typeof Prometheus,
    stat: part("stat") as typeof Stat,
    stateTimeline: part("statetimeline") as typeof StateTimeline,
    table: part("table") as typeof Table,
    text: part("text") as typeof Text,
    timeSeries: part("timeseries") as typeof TimeSeries,
  };
  return loaded;
}
