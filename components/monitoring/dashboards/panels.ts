import { runbook } from "../rules";
import { grafana, type PanelBuilder } from "./sdk";

/** Grafana's ids of the units in use. */
export const units = {
  count: "none",
  percent: "percent",
  /** 0 to 1, shown as percent. */
  ratio: "percentunit",
  /** 0 to 1 and above, shown as it is: PUE. */
  factor: "none",
  seconds: "s",
  bytes: "bytes",
  mebibytes: "mbytes",
  bytesPerSecond: "Bps",
  perSecond: "suffix: /s",
  perHour: "suffix: /h",
  tokensPerSecond: "suffix: tokens/s",
  megahertz: "suffix: MHz",
  celsius: "celsius",
  watts: "watt",
  kilowattHours: "suffix: kWh",
  joules: "joule",
} as const;
export type Unit = (typeof units)[keyof typeof units] | `suffix: ${string}`;

/** Uid of the data source that Grafana is provisioned with. */
export const dataSource = { type: "prometheus", uid: "prometheus" } as const;

/** One query of a panel. */
export interface Query {
  expr: string;
  /** Grafana's template: `{{server}}`. */
  legend: string;
}

/** A line across a panel, from which on something is wrong. */
export interface Limit {
  value: number;
  /** Which side of it is wrong. */
  wrong: "above" | "below";
}

interface Basics {
  title: string;
  /** What it is, where it comes from, and what it does not say. */
  description: string;
  unit: Unit;
  min?: number;
  max?: number;
  decimals?: number;
  /** Alert that watches it. */
  alert?: string;
  /** In twenty-fourths of the board. */
  width?: number;
  /** In Grafana's rows of 30 pixels. */
  height?: number;
}

export interface GraphSpec extends Basics {
  queries: readonly [Query, ...Query[]];
  limit?: Limit;
  /** One on top of the other, for shares of a sum. */
  stacked?: boolean;
}

/** One number, with its course behind it. */
export interface TileSpec extends Basics {
  query: Query;
  limit?: Limit;
}

/** One bar a series, longest first. */
export interface BarsSpec extends Basics {
  query: Query;
  limit?: Limit;
}

/** Which of several states something was in, over time. */
export interface StatesSpec extends Omit<Basics, "unit"> {
  queries: readonly [Query, ...Query[]];
  /** Value to what it means. */
  states: Readonly<Record<string, { text: string; colour: StateColour }>>;
}

export type StateColour = "green" | "yellow" | "orange" | "red" | "blue" | "text";

/** A column of a table: one query, whose series have the table's keys as labels. */
export interface Column {
  header: string;
  expr: string;
  unit: Unit;
  decimals?: number;
}

export interface TableSpec extends Omit<Basics, "unit"> {
  /** Labels that the rows are told apart by, with their headers. */
  keys: Readonly<Record<string, string>>;
  columns: readonly [Column, ...Column[]];
  /** Board that a key leads to, by label: its uid, and the variable that takes the value. */
  links?: Readonly<Record<string, { board: string; variable: string }>>;
}

export interface TextSpec {
  title: string;
  /** Markdown. */
  content: string;
  width?: number;
  height?: number;
}

const defaultWidth = 8;
const defaultHeight = 8;
const tileHeight = 4;

/** The description, with the alert that watches the panel and where its runbook is. */
function described({ description, alert }: Pick<Basics, "description" | "alert">): string {
  return alert === undefined ? description : `${description}\n\nAlert: ${alert} (${runbook(alert)}).`;
}

const refId = (index: number): string => String.fromCharCode("A".charCodeAt(0) + index);

function target({ expr, legend }: Query, index: number) {
  return new (grafana().prometheus.DataqueryBuilder)().refId(refId(index)).datasource(dataSource).expr(expr).legendFormat(legend);
}

/** A query that is asked for the present alone. */
function instant(query: Query, index: number) {
  return target(query, index).instant();
}

function limitLine({ value, wrong }: Limit) {
  const { dashboard } = grafana();
  const steps = wrong === "above" ? [{ value: null, color: "transparent" }, { value, color: "red" }] : [{ value: null, color: "red" }, { value, color: "transparent" }];
  return new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps(steps);
}

function limitColours(limit: Limit | undefined) {
  const { dashboard } = grafana();
  const [below, above] = limit === undefined ? ["text", "text"] : limit.wrong === "above" ? ["green", "red"] : ["red", "green"];
  const steps = [{ value: null, color: below }, ...(limit === undefined ? [] : [{ value: limit.value, color: above }])];
  return new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps(steps);
}

interface Framed {
  title: (title: string) => unknown;
  description: (description: string) => unknown;
  datasource: (source: typeof dataSource) => unknown;
  unit: (unit: string) => unknown;
  span: (width: number) => unknown;
  height: (height: number) => unknown;
}

/** What every panel with data has in common. */
function framed<P extends Framed>(panel: P, spec: Pick<Basics, "title" | "description" | "alert" | "width" | "height">, unit: string, { width = defaultWidth, height = defaultHeight } = {}): P {
  panel.title(spec.title);
  panel.description(described(spec));
  panel.datasource(dataSource);
  panel.unit(unit);
  panel.span(spec.width ?? width);
  panel.height(spec.height ?? height);
  return panel;
}

/** Courses over time. */
export function graph(spec: GraphSpec): PanelBuilder {
  const { common, dashboard, timeSeries } = grafana();
  const panel = framed(new timeSeries.PanelBuilder(), spec, spec.unit)
    .targets(spec.queries.map(target))
    .lineWidth(2)
    .fillOpacity(spec.stacked === true ? 30 : 0)
    .showPoints(common.VisibilityMode.Never)
    .colorScheme(new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.PaletteClassicByName))
    .legend(new common.VizLegendOptionsBuilder().showLegend(true).displayMode(common.LegendDisplayMode.List).placement(common.LegendPlacement.Bottom).calcs(["lastNotNull"]))
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending));
  if (spec.stacked === true) panel.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group("A"));
  if (spec.limit !== undefined) panel.thresholds(limitLine(spec.limit)).thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed));
  return ranged(panel, spec);
}

/** The newest value of one query. */
export function tile(spec: TileSpec): PanelBuilder {
  const { common, stat } = grafana();
  const panel = framed(new stat.PanelBuilder(), spec, spec.unit, { height: tileHeight })
    .targets([target(spec.query, 0)])
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"]))
    .colorMode(common.BigValueColorMode.Value)
    .graphMode(common.BigValueGraphMode.Area)
    .thresholds(limitColours(spec.limit));
  return ranged(panel, spec);
}

/** The newest value of each series of one query. */
export function bars(spec: BarsSpec): PanelBuilder {
  const { barGauge, common } = grafana();
  const panel = framed(new barGauge.PanelBuilder(), spec, spec.unit)
    .targets([instant(spec.query, 0)])
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"]))
    .orientation(common.VizOrientation.Horizontal)
    .displayMode(common.BarGaugeDisplayMode.Basic)
    .thresholds(limitColours(spec.limit));
  return ranged(panel, spec);
}

/** Stretches of time in one state or another. */
export function states(spec: StatesSpec): PanelBuilder {
  const { common, dashboard, stateTimeline } = grafana();
  const options = Object.fromEntries(Object.entries(spec.states).map(([value, { text, colour }], index) => [value, { text, color: colour, index }]));
  const panel = framed(new stateTimeline.PanelBuilder(), spec, units.count)
    .targets(spec.queries.map(target))
    .mappings([{ type: dashboard.MappingType.ValueToText, options }])
    .thresholds(limitColours(undefined))
    .mergeValues(true)
    .showValue(common.VisibilityMode.Never)
    .legend(new common.VizLegendOptionsBuilder().showLegend(true).displayMode(common.LegendDisplayMode.List).placement(common.LegendPlacement.Bottom));
  return panel;
}

/** One row for each set of the keys' values, one column for each query. */
export function table(spec: TableSpec): PanelBuilder {
  const { table: tables } = grafana();
  const panel = framed(new tables.PanelBuilder(), spec, units.count, { width: 24 })
    .targets(spec.columns.map(({ expr, header }, index) => asTable({ expr, legend: header }, index)))
    .transformations([
      { id: "merge", options: {} },
      { id: "organize", options: organised(spec) },
    ]);
  for (const { header, unit, decimals } of spec.columns) {
    panel.overrideByName(header, [{ id: "unit", value: unit }, ...(decimals === undefined ? [] : [{ id: "decimals", value: decimals }])]);
  }
  for (const [label, { board, variable }] of Object.entries(spec.links ?? {})) {
    const header = spec.keys[label] ?? label;
    panel.overrideByName(header, [{ id: "links", value: [{ title: `Board of \${__value.text}`, url: `/d/${board}?var-${variable}=\${__value.text}&\${__url_time_range}`, targetBlank: false }] }]);
  }
  return panel;
}

function asTable(query: Query, index: number) {
  const { PromQueryFormat } = grafana().prometheus;
  return instant(query, index).format(PromQueryFormat.Table);
}

/** Grafana calls a query's value `Value #A`, or `Value` where it is the only one. */
function organised({ keys, columns }: TableSpec) {
  const values = columns.map(({ header }, index) => [columns.length === 1 ? "Value" : `Value #${refId(index)}`, header] as const);
  const order = [...Object.keys(keys), ...values.map(([name]) => name)];
  return {
    excludeByName: { Time: true },
    // Labels besides the keys are left out, whatever a query brings.
    includeByName: Object.fromEntries(order.map((name) => [name, true])),
    indexByName: Object.fromEntries(order.map((name, index) => [name, index])),
    renameByName: Object.fromEntries([...Object.entries(keys), ...values]),
  };
}

/** Words in place of a panel that this environment can have no data for. */
export function words({ title, content, width, height }: TextSpec): PanelBuilder {
  const { text } = grafana();
  return new text.PanelBuilder().title(title).description("What this environment has in place of a measurement, and why.").mode(text.TextMode.Markdown).content(content).span(width ?? defaultWidth).height(height ?? defaultHeight);
}

interface Ranged extends PanelBuilder {
  min: (value: number) => unknown;
  max: (value: number) => unknown;
  decimals: (value: number) => unknown;
}

function ranged(panel: Ranged, { min, max, decimals }: Pick<Basics, "min" | "max" | "decimals">): PanelBuilder {
  if (min !== undefined) panel.min(min);
  if (max !== undefined) panel.max(max);
  if (decimals !== undefined) panel.decimals(decimals);
  return panel;
}
