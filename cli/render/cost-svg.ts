import { perGpuHour, type CostPlan, type Range } from "../../components/cost";
import { breakEvenText, plotScale, pricePerHour, tierTitles } from "./cost-words";
import { escaped } from "./html";

const plot = { left: 64, top: 56, width: 520, height: 300 } as const;
const labels = { width: 400, height: 16 } as const;
const page = { width: plot.left + plot.width + labels.width, height: plot.top + plot.height + 88 } as const;
const leastPercent = 2;
const xTicks = [0, 20, 40, 60, 80, 100] as const;

const digits = (value: number): string => Number(value.toFixed(1)).toString();

const style = `
  svg { font: 13px system-ui, sans-serif; background: #ffffff; color: #1c1c1c }
  text { fill: currentColor } .quiet { fill: #5a5a5a } .title { font-size: 16px; font-weight: 600 }
  .grid { stroke: #d9d9d9 } .own { fill: #0b62c4; fill-opacity: .3; stroke: #0b62c4; stroke-width: 1.5 }
  .cloud { fill: #b25e00; fill-opacity: .22; stroke: #b25e00; stroke-width: 1 }
  @media (prefers-color-scheme: dark) {
    svg { background: #161616; color: #f0f0f0 } .quiet { fill: #b4b4b4 } .grid { stroke: #3c3c3c }
    .own { fill: #6cb2ff; stroke: #6cb2ff } .cloud { fill: #ffae57; stroke: #ffae57 }
  }`;

function axes(scale: number, currency: string, y: (value: number) => number): string {
  const across = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = digits(y(share * scale));
    return `<line class="grid" x1="${plot.left}" x2="${plot.left + plot.width}" y1="${at}" y2="${at}"/><text class="quiet" x="${plot.left - 8}" y="${at}" dy="4" text-anchor="end">${Number((share * scale).toPrecision(3))}</text>`;
  });
  const along = xTicks.map((tick) => `<text class="quiet" x="${digits(plot.left + (tick / 100) * plot.width)}" y="${plot.top + plot.height + 20}" text-anchor="middle">${tick} %</text>`);
  return [...across, ...along, `<text class="quiet" x="${plot.left}" y="${plot.top - 10}">${escaped(currency)} for one GPU and one hour of use</text>`, `<text class="quiet" x="${plot.left + plot.width / 2}" y="${plot.top + plot.height + 40}" text-anchor="middle">share of all hours in which the GPUs work</text>`].join("\n");
}

/** Labels beside the plot, each as near to its band as the one below it lets it be. */
function spread(wanted: readonly { y: number; text: string }[]): { y: number; text: string }[] {
  let lowest = plot.top + plot.height + labels.height;
  return [...wanted].sort((a, b) => b.y - a.y).map(({ y, text }) => {
    lowest = Math.min(y, lowest - labels.height);
    return { y: lowest, text };
  });
}

/** The curve of an environment's cost as one SVG document: no script, no font, nothing fetched; follows the reader's light or dark setting. */
export function costSvg(name: string, plan: CostPlan): string {
  const scale = plotScale(plan);
  const x = (percent: number): number => plot.left + (percent / 100) * plot.width;
  const y = (value: number): number => plot.top + plot.height * (1 - Math.min(value, scale * 1.5) / scale);
  const percents = Array.from({ length: 100 - leastPercent + 1 }, (_, index) => leastPercent + index);
  const edge = (side: keyof Range): string[] => percents.map((percent) => `${digits(x(percent))},${digits(y(perGpuHour(plan.own.total, plan.gpuCount, plan.years, percent / 100)[side]))}`);
  const clouds = plan.tiers.flatMap(({ tier, offers }) => {
    const onDemand = offers.find(({ offer }) => offer === "on-demand");
    return onDemand === undefined ? [] : [{ title: tierTitles[tier], ...onDemand }];
  });
  const bands = clouds.map(({ perGpuHour: { low, high } }) => `<rect class="cloud" x="${plot.left}" width="${plot.width}" y="${digits(y(high))}" height="${digits(Math.max(1, y(low) - y(high)))}"/>`);
  const named = spread(clouds.map(({ title, perGpuHour: price, breakEven }) => ({ y: y((price.low + price.high) / 2), text: `${title} ${pricePerHour(price)}: owning pays ${breakEvenText(breakEven)}` })));
  const title = `${name}: owning against renting, ${plan.years} years`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${page.width} ${page.height}" width="${page.width}" height="${page.height}" role="img" aria-labelledby="title description">
<title id="title">${escaped(title)}</title>
<desc id="description">${escaped([`At full use owning costs ${pricePerHour(perGpuHour(plan.own.total, plan.gpuCount, plan.years, 1))} ${plan.currency} a GPU-hour.`, ...named.map(({ text }) => `${text}.`)].join(" "))}</desc>
<style>${style}
</style>
<clipPath id="inside"><rect x="${plot.left}" y="${plot.top}" width="${plot.width}" height="${plot.height}"/></clipPath>
<text class="title" x="${plot.left}" y="26">${escaped(title)}</text>
${axes(scale, plan.currency, y)}
<g clip-path="url(#inside)">
${bands.join("\n")}
<polygon class="own" points="${[...edge("high"), ...edge("low").reverse()].join(" ")}"/>
</g>
${named.map(({ y: at, text }) => `<text x="${plot.left + plot.width + 10}" y="${digits(at)}" dy="4">${escaped(text)}</text>`).join("\n")}
<rect class="own" x="${plot.left}" y="${page.height - 24}" width="14" height="10"/><text x="${plot.left + 20}" y="${page.height - 15}">owning, from the cheap case to the dear case</text>
${clouds.length === 0 ? "" : `<rect class="cloud" x="${plot.left + 340}" y="${page.height - 24}" width="14" height="10"/><text x="${plot.left + 360}" y="${page.height - 15}">a cloud's price on demand</text>`}
</svg>
`;
}
