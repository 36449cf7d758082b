import { html, type Html } from "../render/html";
import { stateClass } from "./section";
import type { Bar, BarChart, Fill, Timeline } from "./types";

const fills: readonly Fill[] = ["first", "second", "third", "spare", "over", "none"];
/** Classes are chosen here, never taken from data. */
const fillClass = (fill: Fill): string => (fills.includes(fill) ? fill : "none");

/** Lengths are shares of the width, so that text keeps its size on every screen. */
const share = (value: number, total: number): string => `${total > 0 ? Number((100 * Math.min(1, Math.max(0, value / total))).toFixed(2)) : 0}%`;

/** A part is labelled where this share of the narrowest page has room for its text. */
const leastLabelShare = 0.13;

/** Patterns that charts fill with; once a page. Patterns tell parts apart without colours. */
export const patterns = html`<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs><pattern id="spare" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="paper" width="7" height="7"/><rect class="stripe" width="2" height="7"/></pattern></defs></svg>`;

function told({ label, result, parts }: Bar): string {
  const named = parts.filter(({ name }) => name !== "").map(({ name, text }) => (text === "" ? name : `${name} ${text}`));
  return `${label}: ${result}${named.length === 0 ? "" : `. ${named.join(", ")}`}.`;
}

function bar(each: Bar): Html {
  let start = 0;
  const drawn = each.parts.map(({ name, value, text, fill }) => {
    const from = start;
    start += value;
    const label = text !== "" && value / each.total >= leastLabelShare ? html`<text class="in-${fillClass(fill)}" x="${share(from + value / 2, each.total)}" y="50%" dy="0.35em" text-anchor="middle">${text}</text>` : undefined;
    return html`<rect class="${fillClass(fill)}" x="${share(from, each.total)}" width="${share(value, each.total)}" height="100%">${name === "" ? undefined : html`<title>${name}${text === "" ? "" : ` ${text}`}</title>`}</rect>${label}`;
  });
  return html`<li><p class="bar-label"><span>${each.label}</span> <strong class="${stateClass(each.state)}">${each.result}</strong></p><svg class="bar" width="100%" height="26" role="img" aria-label="${told(each)}">${drawn}</svg></li>`;
}

function legendOf(legend: BarChart["legend"] = []): Html {
  const keys = legend.map(({ name, fill }) => html`<li><svg width="16" height="12" aria-hidden="true" focusable="false"><rect class="${fillClass(fill)}" width="16" height="12"/></svg> ${name}</li>`);
  return keys.length === 0 ? html`` : html`<ul class="legend">${keys}</ul>`;
}

/** Bars below each other, each on its own scale. Without bars it is nothing. */
export function barChart({ title, legend, bars }: BarChart): Html {
  if (bars.length === 0) return html``;
  return html`<figure class="chart"><figcaption>${title}</figcaption>${legendOf(legend)}<ul class="bars">${bars.map(bar)}</ul></figure>`;
}

const rowHeight = 44;
const axisHeight = 26;

/** Text that begins at a place, and ends at it where it would run out of the picture. */
const anchor = (at: number, end: number): string => (at <= end * 0.02 ? "start" : at >= end * 0.75 ? "end" : "middle");

/** Rows of spans and points over one axis. */
export function timeline({ title, description, legend, end, rows, ticks, limit }: Timeline): Html {
  const top = limit === undefined ? 4 : 22;
  const bottom = top + rows.length * rowHeight;
  const labels = rows.map(({ label }, index) => html`<text class="quiet halo" x="0" y="${top + index * rowHeight + 12}">${label}</text>`);
  const drawn = rows.map(({ spans, points }, index) => {
    const y = top + index * rowHeight;
    return html`${spans.map(({ from, to, text, fill }) => html`<rect class="${fillClass(fill)}" x="${share(from, end)}" width="${share(to - from, end)}" y="${y + 18}" height="18"/>${(to - from) / end >= leastLabelShare ? html`<text class="in-${fillClass(fill)}" x="${share((from + to) / 2, end)}" y="${y + 31}" text-anchor="middle">${text}</text>` : text === "" ? undefined : html`<text class="halo" x="${share(to, end)}" dx="8" y="${y + 31}">${text}</text>`}`)}
${points.length === 0 ? undefined : html`<line class="grid" x1="0" x2="100%" y1="${y + 27}" y2="${y + 27}"/>${points.map((at) => html`<circle class="point" cx="${share(at, end)}" cy="${y + 27}" r="5"/>`)}`}`;
  });
  const axis = ticks.map(({ at, text }) => html`<line class="grid" x1="${share(at, end)}" x2="${share(at, end)}" y1="${top}" y2="${bottom + 4}"/><text class="quiet tick" x="${share(at, end)}" y="${bottom + 18}" text-anchor="${at === 0 ? "start" : at === end ? "end" : "middle"}">${text}</text>`);
  const line = limit === undefined ? undefined : html`<line class="limit" x1="${share(limit.at, end)}" x2="${share(limit.at, end)}" y1="18" y2="${bottom + 4}"/><text class="limit-text" x="${share(limit.at, end)}" y="12" text-anchor="${anchor(limit.at, end)}">${limit.text}</text>`;
  return html`<figure class="chart"><figcaption>${title}</figcaption>${legendOf(legend)}<svg class="timeline" width="100%" height="${bottom + axisHeight}" role="img" aria-label="${description}">${axis}${drawn}${line}${labels}</svg></figure>`;
}
