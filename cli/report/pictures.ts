import { html, type Html } from "../render/html";
import type { CostCurve } from "./data/cost";
import type { NetworkPicture } from "./data/network";
import type { RackElevation } from "./data/racks";

const unit = 15;
const rack = { left: 26, width: 270, top: 2 } as const;

/** A rack from the front, unit 1 at the bottom. */
export function elevation({ name, heightUnits, servers, description }: RackElevation): Html {
  const height = heightUnits * unit;
  const y = (top: number): number => rack.top + (heightUnits - top) * unit;
  const units = Array.from({ length: heightUnits }, (_, index) => index + 1);
  const marks = units.map((each) => html`<line class="grid" x1="${rack.left}" x2="${rack.left + rack.width}" y1="${y(each)}" y2="${y(each)}"/>${each === 1 || each % 5 === 0 ? html`<text class="quiet" x="${rack.left - 7}" y="${y(each) + 11}" text-anchor="end">${each}</text>` : undefined}`);
  const drawn = servers.map(({ name: server, unit: lowest, heightUnits: units_, about }) => {
    const top = y(lowest + units_ - 1);
    const tall = units_ * unit;
    const lines = tall >= 3 * unit ? html`<text class="in-first name" x="${rack.left + 12}" y="${top + tall / 2 - 2}">${server}</text><text class="in-first" x="${rack.left + 12}" y="${top + tall / 2 + 11}">${about}</text>` : html`<text class="in-first" x="${rack.left + 12}" y="${top + tall / 2}" dy="0.35em"><tspan class="name">${server}</tspan><tspan dx="8">${about}</tspan></text>`;
    return html`<g><title>${server}: ${about}</title><rect class="first" x="${rack.left + 3}" y="${top + 1.5}" width="${rack.width - 6}" height="${tall - 3}" rx="2"/>${lines}</g>`;
  });
  return html`<figure class="rack"><figcaption>${name}, ${heightUnits} units</figcaption><svg viewBox="0 0 ${rack.left + rack.width + 2} ${height + 4}" role="img" aria-label="${description}"><rect class="frame" x="${rack.left}" y="${rack.top}" width="${rack.width}" height="${height}" rx="3"/>${marks}${drawn}</svg></figure>`;
}

const network = { top: 30, row: 62 } as const;

/** Servers at the left, a line down for each network, a dot where a server is on it. */
export function networks({ title, description, networks: names, rows }: NetworkPicture): Html {
  if (names.length === 0) return html``;
  const x = (index: number): string => `${names.length === 1 ? 60 : 34 + (index * 50) / (names.length - 1)}%`;
  const bottom = network.top + rows.length * network.row;
  const lines = names.map((name, index) => html`<line class="bus" x1="${x(index)}" x2="${x(index)}" y1="20" y2="${bottom}"/><text class="name" x="${x(index)}" y="12" text-anchor="middle">${name}</text>`);
  const drawn = rows.map(({ label, links }, index) => {
    const y = network.top + index * network.row + 40;
    const places = links.map((link) => ({ at: x(names.indexOf(link.network)), text: link.text }));
    const last = places.at(-1);
    return html`<text class="name" x="0" y="${y - 16}">${label}</text>${last === undefined ? undefined : html`<line class="link" x1="0" x2="${last.at}" y1="${y}" y2="${y}"/>`}${places.map(({ at, text }) => html`<circle class="point" cx="${at}" cy="${y}" r="6"/><text x="${at}" dx="10" y="${y - 8}">${text}</text>`)}`;
  });
  return html`<figure class="chart"><figcaption>${title}</figcaption><svg class="network" width="100%" height="${bottom + 6}" role="img" aria-label="${description}">${lines}${drawn}</svg></figure>`;
}

const curve = { height: 260, bottom: 30, top: 6 } as const;

/** Labels each as near to their place as the one below lets them be. */
function spread(labels: readonly { text: string; y: number }[]): { text: string; y: number }[] {
  let lowest = curve.height - curve.bottom + 10;
  return [...labels].sort((a, b) => b.y - a.y).map(({ text, y }) => {
    lowest = Math.min(y, lowest - 14);
    return { text, y: lowest };
  });
}

/** Cost of a GPU-hour over utilisation: owning as a band that falls, clouds as level bands. */
export function costCurve({ title, description, currency, scale, own, clouds }: CostCurve): Html {
  const inner = curve.height - curve.top - curve.bottom;
  const down = (money: number): number => Number((curve.top + inner * (1 - Math.min(money, scale) / scale)).toFixed(1));
  const along = (utilization: number): number => Number((utilization * 1000).toFixed(1));
  const inside = (money: number): number => Number((1000 * (1 - Math.min(money, scale * 1.5) / scale)).toFixed(1));
  const edge = (side: "low" | "high"): string[] => own.map((point) => `${along(point.utilization)},${inside(point[side])}`);
  const levels = [0, 0.25, 0.5, 0.75, 1].map((each) => html`<line class="grid" x1="0" x2="100%" y1="${down(each * scale)}" y2="${down(each * scale)}"/>`);
  const money = [0.25, 0.5, 0.75, 1].map((each) => html`<text class="quiet halo" x="2" y="${down(each * scale) + 13}">${Number((each * scale).toPrecision(3))} ${each === 1 ? currency : ""}</text>`);
  const hours = [0, 20, 40, 60, 80, 100].map((percent) => html`<text class="quiet" x="${percent}%" y="${curve.height - 10}" text-anchor="${percent === 0 ? "start" : percent === 100 ? "end" : "middle"}">${percent} %</text>`);
  const bands = clouds.map(({ name, low, high }) => html`<rect class="cloud" x="0" width="100%" y="${down(high)}" height="${Math.max(1.5, Number((down(low) - down(high)).toFixed(1)))}"><title>${name}</title></rect>`);
  const labels = spread(clouds.map(({ title: cloud, low, high }) => ({ text: cloud, y: down((low + high) / 2) + 4 }))).map(({ text, y }) => html`<text class="halo" x="14%" y="${y}">${text}</text>`);
  return html`<figure class="chart"><figcaption>${title}</figcaption><ul class="legend"><li><svg width="16" height="12" aria-hidden="true" focusable="false"><rect class="own" width="16" height="12"/></svg> owning, from the cheap case to the dear case</li>${clouds.length === 0 ? undefined : html`<li><svg width="16" height="12" aria-hidden="true" focusable="false"><rect class="cloud" width="16" height="12"/></svg> a cloud's price on demand</li>`}</ul>
<svg class="curve" width="100%" height="${curve.height}" role="img" aria-label="${description}">${levels}${bands}<svg x="0" y="${curve.top}" width="100%" height="${inner}" viewBox="0 0 1000 1000" preserveAspectRatio="none" focusable="false"><polygon class="own" points="${[...edge("high"), ...edge("low").reverse()].join(" ")}"/></svg>${money}${labels}${hours}</svg>
<p class="quiet">Across: the share of all hours in which the GPUs work.</p>${clouds.length === 0 ? undefined : html`<ul class="plain">${clouds.map(({ name }) => html`<li>${name}</li>`)}</ul>`}</figure>`;
}
