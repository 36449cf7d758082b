import { z } from "zod";
import { anyValue } from "../../components/monitoring/dashboards/board";
import type { Board } from "../../components/monitoring/dashboards";

const target = z.object({ refId: z.string(), expr: z.string(), legendFormat: z.string().default(""), instant: z.boolean().default(false), format: z.string().optional() });
const threshold = z.object({ value: z.number().nullable(), color: z.string() });
const state = z.object({ text: z.string(), color: z.string() });

const fields = z.object({
  unit: z.string().default("none"),
  min: z.number().optional(),
  max: z.number().optional(),
  decimals: z.number().optional(),
  thresholds: z.object({ steps: z.array(threshold) }).optional(),
  mappings: z.array(z.object({ options: z.record(z.string(), state) })).default([]),
  custom: z.object({ stacking: z.object({ mode: z.string() }).optional() }).optional(),
});

const panel = z.object({
  type: z.enum(["row", "timeseries", "stat", "bargauge", "state-timeline", "table", "text"]),
  title: z.string().default(""),
  description: z.string().default(""),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
  targets: z.array(target).default([]),
  fieldConfig: z.object({ defaults: fields, overrides: z.array(z.object({ matcher: z.object({ options: z.unknown() }), properties: z.array(z.object({ id: z.string(), value: z.unknown() })) })).default([]) }).default({ defaults: { unit: "none", mappings: [] }, overrides: [] }),
  transformations: z.array(z.object({ id: z.string(), options: z.object({ renameByName: z.record(z.string(), z.string()).optional() }) })).default([]),
  options: z.object({ content: z.string().optional() }).optional(),
});

/** What is drawn of a panel. */
export type DrawnPanel = z.output<typeof panel>;
type Target = DrawnPanel["targets"][number];

/** One series: what its legend says, and its values over time. */
export interface Course {
  name: string;
  refId: string;
  labels: Readonly<Record<string, string>>;
  /** Unix seconds and value. */
  points: (readonly [number, number])[];
}

/** A board's panels in order, with what Prometheus says for each. */
export interface BoardData {
  title: string;
  description: string;
  panels: { panel: DrawnPanel; courses: Course[] }[];
}

/** What is shown: Unix seconds. */
export interface Span {
  from: number;
  to: number;
}

/** Grafana's value of a variable of which all is chosen. */
const all = "$__all";
/** Points of a course, about one for each two pixels of a panel. */
const points = 240;

const variable = z.object({ name: z.string(), current: z.object({ value: z.array(z.string()) }) });
const drawn = z.object({ title: z.string(), description: z.string().default(""), panels: z.array(panel), templating: z.object({ list: z.array(variable).default([]) }).default({ list: [] }) });

const answered = z.discriminatedUnion("status", [
  z.object({ status: z.literal("error"), error: z.string() }),
  z.object({
    status: z.literal("success"),
    data: z.discriminatedUnion("resultType", [
      z.object({ resultType: z.literal("matrix"), result: z.array(z.object({ metric: z.record(z.string(), z.string()), values: z.array(z.tuple([z.number(), z.string()])) })) }),
      z.object({ resultType: z.literal("vector"), result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })) }),
    ]),
  }),
]);

/**
 * Asks a Prometheus all that a board asks.
 * @param chosen values of the board's variables; those that are left out are as the board has them at first
 * @throws Error with the panel and Prometheus' words where it does not take a query.
 */
export async function boardData({ model }: Pick<Board, "model">, prometheusUrl: string, span: Span, chosen: Readonly<Record<string, string>> = {}): Promise<BoardData> {
  const board = drawn.parse(model);
  const first = Object.fromEntries(board.templating.list.map(({ name, current }) => [name, current.value.includes(all) ? anyValue : current.value.join("|")]));
  const values = { ...first, ...chosen };
  const panels: BoardData["panels"] = [];
  for (const one of board.panels) {
    const courses: Course[] = [];
    for (const each of one.targets) courses.push(...(await ask(prometheusUrl, one.title, each, span, values)));
    panels.push({ panel: one, courses });
  }
  return { title: board.title, description: board.description, panels };
}

async function ask(prometheusUrl: string, title: string, { expr, legendFormat, refId, instant }: Target, { from, to }: Span, values: Readonly<Record<string, string>>): Promise<Course[]> {
  const query = expr.replaceAll(/\$(\w+)/g, (_, name: string) => values[name] ?? anyValue);
  const body: Record<string, string> = instant ? { query, time: String(to) } : { query, start: String(from), end: String(to), step: String(Math.max(1, Math.round((to - from) / points))) };
  const response = await fetch(`${prometheusUrl}/api/v1/${instant ? "query" : "query_range"}`, { method: "POST", body: new URLSearchParams(body) });
  const answer = answered.parse(await response.json());
  if (answer.status === "error") throw new Error(`${title}: ${answer.error}\n${query}`);
  const series = answer.data.resultType === "matrix" ? answer.data.result : answer.data.result.map(({ metric, value }) => ({ metric, values: [value] }));
  return series.map(({ metric, values }) => ({ refId, labels: metric, name: named(legendFormat, metric), points: values.map(([at, text]) => [at, Number(text)] as const) }));
}

function named(legend: string, labels: Readonly<Record<string, string>>): string {
  return legend.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => labels[label] ?? "").replaceAll(/\s+/g, " ").trim();
}
