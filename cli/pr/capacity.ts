import { gpu } from "../../components/catalog";
import { tierNames } from "../../components/servers/tiers-plan";
import { gibText } from "../../components/inference/sizing";
import type { ServicePlan, Workload } from "../../components/inference/plan-types";
import type { Range } from "../../components/cost";
import { overheadPercent, serverWatts } from "../../policies/hardware/power";
import { moneyRange } from "../render/cost-words";
import { capacity } from "../render/capacity";
import { joined, md, prose, row, type Markdown } from "./markdown";
import type { Side } from "./plan-side";
import { plural } from "./words";

interface Figure {
  what: Markdown;
  before: Markdown;
  after: Markdown;
}

const none = md`none`;

function gpuWords({ environment }: Side): Markdown {
  const counts = new Map<string, number>();
  for (const { gpus } of Object.values(environment.servers)) if (gpus !== undefined) counts.set(gpus.model, (counts.get(gpus.model) ?? 0) + gpus.count);
  return counts.size === 0 ? none : joined([...counts].map(([id, count]) => md`${prose(`${count}x ${gpu(id)?.name ?? id}`)}`), ", ");
}

function gpuMemoryWords({ environment }: Side): Markdown {
  const total = Object.values(environment.servers).reduce((sum, { gpus }) => sum + (gpus === undefined ? 0 : gpus.count * (gpu(gpus.model)?.memoryGB ?? 0)), 0);
  return md`${prose(`${total.toLocaleString("en-GB")} GB`)}`;
}

function tierWords({ servers }: Side, wanted: (typeof tierNames)[number]): Markdown {
  const tiers = [...servers.values()].flatMap(({ tiers: all }) => all.filter(({ tier }) => tier === wanted));
  return tiers.length === 0 ? none : prose(`${capacity(tiers.reduce((sum, { usableGB }) => sum + usableGB, 0))} on ${plural(tiers.length, "server")}`);
}

/** What a replica takes of a GPU's memory, and what is left. */
function memoryWords({ accelerator, sizing: { memory: { budgetBytes, weightsBytes, keyValueBytes, overheadBytes, marginBytes } } }: Workload): string {
  const cache = keyValueBytes === 0 ? "" : ` + ${gibText(keyValueBytes)} cache`;
  return `${accelerator === "cpu" ? "" : "per GPU "}${gibText(weightsBytes)} weights${cache} + ${gibText(overheadBytes)} overhead of ${gibText(budgetBytes)}, ${gibText(marginBytes)} left`;
}

function serviceWords(service: ServicePlan | undefined): Markdown {
  const first = service?.workloads.find(({ role }) => role === "active") ?? service?.workloads[0];
  if (service === undefined || first === undefined) return none;
  const { sizing: { tensorParallel, pipelineParallel, contextTokens, concurrency, estimate } } = first;
  const active = service.workloads.filter(({ role }) => role === "active").reduce((sum, { replicas }) => sum + replicas, 0);
  const standby = service.workloads.reduce((sum, { replicas }) => sum + replicas, 0) - active;
  const speed = estimate === undefined ? "" : `; about ${Math.round(estimate.tokensPerSecond).toLocaleString("en-GB")} tokens/s a replica, bound by ${estimate.boundBy}`;
  return prose(`${plural(active, "replica")}, ${standby} standby; tensor ${tensorParallel} x pipeline ${pipelineParallel}; ${concurrency} requests of ${contextTokens.toLocaleString("en-GB")} tokens; ${memoryWords(first)}${speed}`);
}

function capacityFigures(base: Side, head: Side): Figure[] {
  const figure = (what: Markdown, words: (side: Side) => Markdown): Figure => ({ what, before: words(base), after: words(head) });
  const services = [...new Set([...Object.keys(base.workloads.services), ...Object.keys(head.workloads.services)])];
  return [
    figure(md`servers`, ({ servers }) => md`${servers.size}`),
    figure(md`GPUs`, gpuWords),
    figure(md`GPU memory`, gpuMemoryWords),
    ...tierNames.map((tier) => figure(md`${prose(tier)} tiers, usable`, (side) => tierWords(side, tier))),
    ...services.map((name) => figure(md`service ${name}`, ({ workloads }) => serviceWords(workloads.services[name]))),
  ];
}

/** Rows that differ; the first ones, which say how large the site is, always. */
const alwaysShown = 2;

/** Sizes before and after: how much there is, and how each service that changes fits in. */
export function capacityTable(base: Side, head: Side): Markdown[] {
  const figures = capacityFigures(base, head);
  if (figures.every(({ before, after }) => before.text === after.text)) return [md`As before: ${prose(plural(head.servers.size, "server"))}, ${gpuWords(head)}.`];
  const rows = figures.filter(({ before, after }, index) => index < alwaysShown || before.text !== after.text).map(({ what, before, after }) => row([what, before, after]));
  return [md`| | before | after |`, md`| :-- | :-- | :-- |`, ...rows];
}

// ---------------------------------------------------------------- cost and power

const kilowatts = (watts: number): string => `${(watts / 1000).toFixed(2)} kW`;

function peakWatts({ environment }: Side): number {
  return Object.values(environment.servers).reduce((sum, server) => sum + serverWatts(server, overheadPercent.default), 0);
}

const minus = (before: Range, after: Range): Range => ({ low: after.low - before.low, high: after.high - before.high });
const signed = (value: number, text: string): string => (value > 0 ? `+${text}` : text);

function rangeDifference(before: Range, after: Range): Markdown {
  const { low, high } = minus(before, after);
  if (low === 0 && high === 0) return md`none`;
  // The dearer part may fall while the cheaper rises; the smaller amount is told first.
  const [least, most] = [Math.min(low, high), Math.max(low, high)];
  const text = moneyRange({ low: least, high: most });
  return prose(least > 0 ? `+${text}` : text);
}

interface MoneyRow {
  what: Markdown;
  of: (side: Side) => Range;
}

function moneyRows(years: number): MoneyRow[] {
  return [
    { what: md`purchase of the servers`, of: ({ cost }) => cost.own.servers },
    { what: md`electricity over ${years} years`, of: ({ cost }) => cost.own.power },
    { what: md`owning over ${years} years`, of: ({ cost }) => cost.own.total },
  ];
}

function notes(base: Side, head: Side): Markdown[] {
  const missing = head.cost.missing.map(({ server, parts }) => md`${server}: ${prose(parts.join(", "))}`);
  return [
    ...(missing.length === 0 ? [] : [md`Parts without a price, which the sums leave out: ${joined(missing.slice(0, 6), "; ")}${prose(missing.length > 6 ? ` and ${missing.length - 6} more` : "")}.`]),
    ...(base.cost.currency === head.cost.currency ? [] : [md`The two sides are in different currencies, so that there is no difference to give.`]),
    md`Ranges from the cheap to the dear case; \`rackwright cost\` shows what they are made of.`,
  ];
}

/** Cost and power before, after and the difference: two lines of heading, the rows, then what is to be known about them. */
export function costTable(base: Side, head: Side): { table: Markdown[]; notes: Markdown[] } {
  const [before, after] = [base.cost, head.cost];
  const same = before.currency === after.currency;
  const money = moneyRows(after.years).map(({ what, of }) => row([what, prose(`${moneyRange(of(base))} ${before.currency}`), prose(`${moneyRange(of(head))} ${after.currency}`), same ? rangeDifference(of(base), of(head)) : md`not comparable`]));
  const draw = peakWatts(head) - peakWatts(base);
  const average = ({ cost: { averageKilowatts: { low, high } } }: Side): string => `${low.toFixed(2)} to ${high.toFixed(2)} kW`;
  const isSame = (figures: readonly [unknown, unknown][]): boolean => figures.every(([old, now]) => JSON.stringify(old) === JSON.stringify(now));
  if (same && draw === 0 && isSame([[before.own, after.own], [before.averageKilowatts, after.averageKilowatts]])) {
    return { table: [md`As before: owning over ${after.years} years ${prose(`${moneyRange(after.own.total)} ${after.currency}`)}, at most ${prose(kilowatts(peakWatts(head)))}.`], notes: [] };
  }
  const grown = head.cost.averageKilowatts.high - base.cost.averageKilowatts.high;
  return {
    table: [
      md`| | before | after | difference |`, md`| :-- | --: | --: | --: |`, ...money,
      row([md`draw at work, servers`, prose(average(base)), prose(average(head)), grown === 0 ? md`none` : prose(signed(grown, `${grown.toFixed(2)} kW at most`))]),
      row([md`draw at most, servers`, prose(kilowatts(peakWatts(base))), prose(kilowatts(peakWatts(head))), draw === 0 ? md`none` : prose(signed(draw, kilowatts(draw)))]),
    ],
    notes: notes(base, head),
  };
}
