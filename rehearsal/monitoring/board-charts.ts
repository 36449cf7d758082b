import type { Unit } from "../../components/monitoring/dashboards/panels";
import type { Course, DrawnPanel, Span } from "./board-data";
import { formatted, roundIn } from "./board-units";

/** As many colours as can be told apart; further series are drawn in the colour of the rest. */
export const seriesColours = 8;

const rowHeight = 30;
const margin = { right: 14, top: 12, bottom: 22 } as const;
/** Width of a character of a tick, on average. */
const characterWidth = 6.6;

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
export function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => escapes[character] ?? character);
}

export const colourOf = (index: number): string => (index < seriesColours ? `s${index + 1}` : "rest");

const last = ({ points }: Course): number | undefined => points.at(-1)?.[1];

/** Largest first, so that colours go to what matters; equal ones by name. */
export function ranked(courses: readonly Course[]): Course[] {
  return [...courses].sort((a, b) => (last(b) ?? -Infinity) - (last(a) ?? -Infinity) || a.name.localeCompare(b.name));
}

interface Frame {
  width: number;
  left: number;
  height: number;
  low: number;
  high: number;
  span: Span;
}

const x = ({ width, left, span }: Frame, at: number): number => left + ((at - span.from) / Math.max(1, span.to - span.from)) * (width - left - margin.right);
const y = ({ height, low, high }: Frame, value: number): number => height - margin.bottom - ((value - low) / (high - low)) * (height - margin.top - margin.bottom);
const place = (value: number): string => value.toFixed(1);

/** Round steps of which three to five fit. */
export function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => power * factor >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(1, count) }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

function range({ min, max }: { min?: number | undefined; max?: number | undefined }, values: readonly number[], limit: number | undefined): [number, number] {
  const seen = values.filter(Number.isFinite);
  const highest = Math.max(...seen, ...(limit === undefined ? [] : [limit]), ...(min === undefined ? [] : [min]));
  const lowest = min ?? Math.min(...seen, ...(limit === undefined ? [] : [limit]));
  const high = max ?? (highest > lowest ? highest + 0.08 * (highest - lowest) : lowest + (lowest === 0 ? 1 : Math.abs(lowest) * 0.1));
  return [Number.isFinite(lowest) ? lowest : 0, Number.isFinite(high) ? high : 1];
}

/** The line from which on something is wrong, where a panel has one. */
export function limitOf({ fieldConfig }: DrawnPanel): number | undefined {
  return fieldConfig.defaults.thresholds?.steps.find(({ value }) => value !== null)?.value ?? undefined;
}

function clock(at: number): string {
  return new Date(at * 1000).toISOString().slice(11, 16);
}

/** Ticks that are round in the unit that they are shown in, with what stands at them. A unit of our own stands in the legend only. */
function labelled(low: number, high: number, unit: Unit): { value: number; label: string }[] {
  const size = roundIn(high, unit);
  return ticks(low / size, high / size).map((value) => ({ value: value * size, label: formatted(value * size, unit.startsWith("suffix:") ? "none" : unit) }));
}

function axes(frame: Frame, marks: readonly { value: number; label: string }[]): string {
  const { width, left, height, span } = frame;
  const lines = marks.map(({ value, label }) => {
    const at = place(y(frame, value));
    return `<line class="grid" x1="${place(left)}" x2="${width - margin.right}" y1="${at}" y2="${at}"/><text class="tick" x="${place(left - 8)}" y="${at}" dy="0.32em" text-anchor="end">${escaped(label)}</text>`;
  });
  const count = width < 400 ? 3 : 5;
  const times = Array.from({ length: count }, (_, index) => span.from + ((index + 0.5) / count) * (span.to - span.from));
  return `${lines.join("")}${times.map((at) => `<text class="tick" x="${place(x(frame, at))}" y="${height - 5}" text-anchor="middle">${clock(at)}</text>`).join("")}`;
}

/** Pieces of a line: a gap where nothing was measured. */
function path(frame: Frame, points: Course["points"]): string {
  const widest = 2.5 * ((frame.span.to - frame.span.from) / 240);
  let before = -Infinity;
  return points.filter(([, value]) => Number.isFinite(value)).map(([at, value]) => {
    const command = at - before > Math.max(widest, 60) ? "M" : "L";
    before = at;
    return `${command}${place(x(frame, at))},${place(y(frame, value))}`;
  }).join("");
}

/** One on top of the other, in order, each with the sum below it. */
function stacked(courses: readonly Course[]): { course: Course; floor: Map<number, number>; top: Course["points"] }[] {
  const sums = new Map<number, number>();
  return courses.map((course) => {
    const floor = new Map(course.points.map(([at]) => [at, sums.get(at) ?? 0]));
    const top = course.points.map(([at, value]) => [at, (sums.get(at) ?? 0) + value] as const);
    for (const [at, value] of top) sums.set(at, value);
    return { course, floor, top };
  });
}

/** Courses over time, with the panel's limit as a dashed line. */
export function lineChart(panel: DrawnPanel, courses: readonly Course[], width: number, span: Span): string {
  const { min, max, custom } = panel.fieldConfig.defaults;
  const unit = panel.fieldConfig.defaults.unit as Unit;
  const height = Math.max(120, panel.gridPos.h * rowHeight - 74);
  const limit = limitOf(panel);
  const inOrder = ranked(courses);
  const layers = custom?.stacking?.mode === "normal" ? stacked(inOrder) : undefined;
  const values = (layers ?? inOrder.map(({ points }) => ({ top: points }))).flatMap(({ top }) => top.map(([, value]) => value));
  const [low, high] = range({ min, max }, values, limit);
  const marks = labelled(low, high, unit);
  const left = Math.max(34, 12 + characterWidth * Math.max(...marks.map(({ label }) => label.length)));
  const frame: Frame = { width, left, height, low, high, span };
  const lines = layers === undefined
    ? inOrder.map((course, index) => [index, `<path class="line ${colourOf(index)}" d="${path(frame, course.points)}"><title>${escaped(told(course, unit))}</title></path>`] as const)
    : layers.map(({ course, floor, top }, index) => {
        const back = [...top].reverse().map(([at]) => `L${place(x(frame, at))},${place(y(frame, floor.get(at) ?? 0))}`).join("");
        return [index, `<path class="area ${colourOf(index)}" d="${path(frame, top)}${back}Z"><title>${escaped(told(course, unit))}</title></path><path class="line ${colourOf(index)}" d="${path(frame, top)}"/>`] as const;
      });
  const wrong = limit === undefined ? "" : `<line class="limit" x1="${place(left)}" x2="${width - margin.right}" y1="${place(y(frame, limit))}" y2="${place(y(frame, limit))}"/><text class="limit-label" x="${width - margin.right}" y="${place(y(frame, limit))}" dy="-0.4em" text-anchor="end">limit ${escaped(formatted(limit, unit))}</text>`;
  // The first colours lie on top.
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(panel.title)}">${axes(frame, marks)}${wrong}${lines.reverse().map(([, mark]) => mark).join("")}</svg>`;
}

function told({ name, points }: Course, unit: Unit): string {
  const values = points.map(([, value]) => value).filter(Number.isFinite);
  const [first = NaN] = values;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return `${name}\nlast ${formatted(values.at(-1) ?? first, unit)}, mean ${formatted(mean, unit)}, lowest ${formatted(Math.min(...values), unit)}, highest ${formatted(Math.max(...values), unit)}`;
}

/** The course behind a tile's number. */
export function sparkline({ points }: Course, width: number, span: Span): string {
  const values = points.map(([, value]) => value).filter(Number.isFinite);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (values.length < 2 || low === high) return "";
  const height = 34;
  const at = ([time, value]: readonly [number, number]): string => `${place(((time - span.from) / (span.to - span.from)) * width)},${place(height - 3 - ((value - low) / (high - low)) * (height - 6))}`;
  return `<svg class="spark" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" aria-hidden="true"><polyline class="line s1" points="${points.filter(([, value]) => Number.isFinite(value)).map(at).join(" ")}"/></svg>`;
}

/** Grafana's names of colours that states have. */
const stateClasses: Readonly<Record<string, string>> = { green: "good", yellow: "notice", orange: "warn", red: "bad", blue: "info", text: "idle" };
export const stateClass = (colour: string): string => stateClasses[colour] ?? "idle";

/** Stretches of time in one state: a row for each series, with the state's name where there is room. */
export function stateChart(panel: DrawnPanel, courses: readonly Course[], width: number, span: Span): string {
  const states = panel.fieldConfig.defaults.mappings[0]?.options ?? {};
  const named = [...courses].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  const fits = Math.max(6, Math.floor((panel.gridPos.h * rowHeight - 92) / 15));
  const shown = named.slice(0, named.length > fits ? Math.max(1, fits - 1) : fits);
  const bar = Math.min(22, Math.max(13, (panel.gridPos.h * rowHeight - 92) / Math.max(1, shown.length)));
  const longest = Math.max(0, ...shown.map(({ name }) => name.length));
  const left = Math.min(width * 0.5, 14 + longest * characterWidth);
  const room = width - left - margin.right;
  const at = (time: number): number => left + ((time - span.from) / (span.to - span.from)) * room;
  const rows = shown.map(({ name, points }, row) => {
    const top = row * bar + 2;
    const stretches = joined(points, span).map(({ from, to, value }) => {
      const { text, color } = states[String(value)] ?? { text: String(value), color: "text" };
      const wide = at(to) - at(from);
      const label = wide > 12 + text.length * 6.5 ? `<text class="in-state" x="${place((at(from) + at(to)) / 2)}" y="${place(top + bar / 2 - 1)}" dy="0.34em" text-anchor="middle">${escaped(text)}</text>` : "";
      return `<g class="${stateClass(color)}"><rect x="${place(at(from))}" y="${place(top)}" width="${place(Math.max(1, wide - 1))}" height="${place(bar - 3)}" rx="2"><title>${escaped(`${name}: ${text}, ${clock(from)} to ${clock(to)}`)}</title></rect>${label}</g>`;
    });
    const fitting = Math.floor((left - 14) / characterWidth);
    return `<text class="tick" x="${place(left - 8)}" y="${place(top + bar / 2 - 1)}" dy="0.34em" text-anchor="end">${escaped(name.length > fitting + 1 ? `${name.slice(0, fitting)}…` : name)}<title>${escaped(name)}</title></text>${stretches.join("")}`;
  });
  const height = shown.length * bar + 20;
  const times = [0.1, 0.5, 0.9].map((share) => span.from + share * (span.to - span.from));
  const more = named.length > shown.length ? `<p class="more">and ${named.length - shown.length} more</p>` : "";
  return `<svg viewBox="0 0 ${width} ${place(height)}" role="img" aria-label="${escaped(panel.title)}">${rows.join("")}${times.map((time) => `<text class="tick" x="${place(at(time))}" y="${place(height - 4)}" text-anchor="middle">${clock(time)}</text>`).join("")}</svg>${more}`;
}

function joined(points: Course["points"], { to }: Span): { from: number; to: number; value: number }[] {
  const stretches: { from: number; to: number; value: number }[] = [];
  for (const [index, [from, value]] of points.entries()) {
    const end = points[index + 1]?.[0] ?? to;
    const before = stretches.at(-1);
    if (before?.value === value && before.to === from) before.to = end;
    else stretches.push({ from, to: end, value });
  }
  return stretches;
}
