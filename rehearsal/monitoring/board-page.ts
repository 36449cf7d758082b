import type { Unit } from "../../components/monitoring/dashboards/panels";
import { colourOf, escaped, limitOf, lineChart, ranked, seriesColours, sparkline, stateChart, stateClass } from "./board-charts";
import type { BoardData, Course, DrawnPanel, Span } from "./board-data";
import { style } from "./board-style";
import { formatted } from "./board-units";

/** Width that charts are drawn for; they shrink and grow with the page. */
const pageWidth = 1400;
const gap = 10;
const padding = 12;
/** Rows of a table and bars of a panel beyond these are counted, not shown. */
const mostBars = 10;

/**
 * A board as one page that needs nothing else: no script, no font, no request. Panels stand where Grafana has them.
 * @param note what the page is of, such as the environment and what stood in for what
 */
export function boardPage({ title, description, panels }: BoardData, span: Span, note: string): string {
  const period = `${stamp(span.from)} to ${stamp(span.to)} UTC`;
  const rows = panels.map(({ panel, courses }) => (panel.type === "row" ? `<h2>${escaped(panel.title)}</h2>` : section(panel, courses, span)));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<header><h1>${escaped(title)}</h1><p>${escaped(description)}</p><p class="quiet">${escaped(note)} ${escaped(period)}</p></header>
<main>
${rows.join("\n")}
</main>
</body>
</html>
`;
}

function stamp(at: number): string {
  return new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ");
}

function section(panel: DrawnPanel, courses: readonly Course[], span: Span): string {
  const { w, h } = panel.gridPos;
  const width = Math.round((w / 24) * (pageWidth + gap) - gap - 2 * padding);
  const about = panel.type === "text" ? "" : `<details><summary aria-label="What it is" title="${escaped(panel.description)}">i</summary><p>${escaped(panel.description)}</p></details>`;
  return `<section class="${panel.type}" style="--columns:${w};--rows:${h}"><h3 title="${escaped(panel.description)}">${escaped(panel.title)}</h3>${about}${body(panel, courses, width, span)}</section>`;
}

function body(panel: DrawnPanel, courses: readonly Course[], width: number, span: Span): string {
  if (panel.type === "text") return `<p>${words(panel.options?.content ?? "")}</p>`;
  if (!courses.some(({ points }) => points.length > 0)) return '<p class="quiet">No data in this time.</p>';
  switch (panel.type) {
    case "stat":
      return tile(panel, courses, width, span);
    case "bargauge":
      return bars(panel, courses);
    case "state-timeline":
      return `${stateChart(panel, courses, width, span)}${stateLegend(panel)}`;
    case "table":
      return table(panel, courses);
    default:
      return `${lineChart(panel, courses, width, span)}${legend(panel, courses)}`;
  }
}

/** Markdown, as far as boards use it. */
function words(text: string): string {
  return escaped(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>").replaceAll(/\*\*([^*]+)\*\*/g, "<strong>$1</strong>");
}

function value(panel: DrawnPanel, course: Course): string {
  const { unit, decimals } = panel.fieldConfig.defaults;
  return formatted(course.points.at(-1)?.[1] ?? NaN, unit as Unit, decimals);
}

function legend(panel: DrawnPanel, courses: readonly Course[]): string {
  const inOrder = ranked(courses);
  const shown = inOrder.slice(0, seriesColours);
  const more = inOrder.length > shown.length ? `<li><span class="key rest"></span>${inOrder.length - shown.length} more</li>` : "";
  return `<ul class="legend">${shown.map((course, index) => `<li><span class="key ${colourOf(index)}"></span>${escaped(course.name)} <b>${escaped(value(panel, course))}</b></li>`).join("")}${more}</ul>`;
}

function stateLegend(panel: DrawnPanel): string {
  const states = Object.values(panel.fieldConfig.defaults.mappings[0]?.options ?? {});
  return `<ul class="legend">${states.map(({ text, color }) => `<li><span class="square ${stateClass(color)}"></span>${escaped(text)}</li>`).join("")}</ul>`;
}

/** On which side of its limit a value is: the colour that Grafana would give it, as a word for those who see no colours. */
function verdict(panel: DrawnPanel, number: number): { name: "good" | "bad"; says: string } | undefined {
  const limit = limitOf(panel);
  if (limit === undefined) return undefined;
  const colour = panel.fieldConfig.defaults.thresholds?.steps.filter(({ value: from }) => from === null || from <= number).at(-1)?.color;
  return colour === "red" ? { name: "bad", says: "look here" } : { name: "good", says: "as it should be" };
}

function tile(panel: DrawnPanel, courses: readonly Course[], width: number, span: Span): string {
  const [course] = courses;
  if (course === undefined) return "";
  const found = verdict(panel, course.points.at(-1)?.[1] ?? NaN);
  const mark = found === undefined ? "" : `<span class="dot ${found.name}"></span><span class="says">${found.says}</span>`;
  const text = value(panel, course);
  return `<p class="big" style="--characters:${text.length}">${escaped(text)}</p><p class="verdict">${mark}</p>${sparkline(course, width, span)}`;
}

function bars(panel: DrawnPanel, courses: readonly Course[]): string {
  const inOrder = ranked(courses);
  const shown = inOrder.slice(0, mostBars);
  const { max } = panel.fieldConfig.defaults;
  const longest = max ?? Math.max(...shown.map(({ points }) => points.at(-1)?.[1] ?? 0), limitOf(panel) ?? 0);
  const rows = shown.map((course) => {
    const share = longest > 0 ? Math.max(0.5, Math.min(100, (100 * (course.points.at(-1)?.[1] ?? 0)) / longest)) : 0.5;
    return `<li><span>${escaped(course.name)}</span><b>${escaped(value(panel, course))}</b><i style="width:${share.toFixed(1)}%"></i></li>`;
  });
  return `<ol class="bars">${rows.join("")}</ol>${inOrder.length > shown.length ? `<p class="more">and ${inOrder.length - shown.length} more</p>` : ""}`;
}

/** Rows by the labels that the board names as keys, a column for each query. */
function table({ targets, transformations, fieldConfig }: DrawnPanel, courses: readonly Course[]): string {
  const names = Object.entries(transformations.find(({ id }) => id === "organize")?.options.renameByName ?? {});
  const keys = names.filter(([name]) => !name.startsWith("Value"));
  const columns = names.filter(([name]) => name.startsWith("Value")).map(([, header], index) => ({ header, refId: targets[index]?.refId, ...look(fieldConfig.overrides, header) }));
  const rows = new Map<string, { labels: Course["labels"]; values: Map<string, number> }>();
  for (const { labels, refId, points } of courses) {
    const key = JSON.stringify(keys.map(([label]) => labels[label] ?? ""));
    const row = rows.get(key) ?? { labels, values: new Map<string, number>() };
    row.values.set(refId, points.at(-1)?.[1] ?? NaN);
    rows.set(key, row);
  }
  const inOrder = [...rows].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  const head = [...keys.map(([, header]) => `<th scope="col">${escaped(header)}</th>`), ...columns.map(({ header }) => `<th scope="col" class="number">${escaped(header)}</th>`)];
  const lines = inOrder.map(([, { labels, values }]) => `<tr>${keys.map(([label]) => `<td>${escaped(labels[label] ?? "")}</td>`).join("")}${columns.map(({ refId = "", unit, decimals }) => `<td class="number">${values.has(refId) ? escaped(formatted(values.get(refId) ?? NaN, unit, decimals)) : ""}</td>`).join("")}</tr>`);
  return `<div class="scroll"><table><thead><tr>${head.join("")}</tr></thead><tbody>${lines.join("")}</tbody></table></div>`;
}

function look(overrides: DrawnPanel["fieldConfig"]["overrides"], header: string): { unit: Unit; decimals?: number } {
  const properties = overrides.filter(({ matcher }) => matcher.options === header).flatMap((override) => override.properties);
  const unit = properties.find(({ id }) => id === "unit")?.value;
  const decimals = properties.find(({ id }) => id === "decimals")?.value;
  return { unit: typeof unit === "string" ? (unit as Unit) : "none", ...(typeof decimals === "number" ? { decimals } : {}) };
}
