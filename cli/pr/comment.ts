import { formatProblems, type Problem } from "../../components/environment";
import { renderChanges } from "../render/steps";
import { capacityTable, costTable } from "./capacity";
import { describeChanges, describeSide } from "./changes";
import type { ChangeOp, Step } from "./events";
import { fit, type Block } from "./fit";
import type { Hazard } from "./hazards";
import { code, fencedLine, Markdown, md, prose, type Filling } from "./markdown";
import { blocks, type Review } from "./review";
import { sketch, type Marks } from "./topology";
import { isMandatory, type Verdict } from "./verdicts";
import { plural } from "./words";

/** The first line of every comment: by it the comment of an earlier push is found and written over. */
export const marker = "<!-- rackwright:pull-request -->";

/** GitHub takes 65,536 characters. */
export const mostCharacters = 60_000;

export interface CommentInput {
  /** As they are to be shown: a ref or a short hash. */
  base: string;
  head: string;
  reviews: readonly Review[];
  /** Environments that are the same in both. */
  unchanged: number;
}

const labels: Readonly<Record<Hazard["kind"], string>> = { "destroys": "Destroys", "interrupts": "Interrupts", "unprotected": "Unprotected", "deletes": "Deletes", "by-hand": "By hand" };

/** Rising with what is cut first. */
const ranks = { heading: 0, hazards: 1, problems: 2, rules: 3, changes: 4, cost: 5, capacity: 6, oldWarnings: 7, resources: 8, topology: 9 } as const;

function sentence({ text }: Markdown): Markdown {
  return new Markdown(text.replace(/^[a-z]/, (first) => first.toUpperCase()));
}

const bullet = (text: Markdown): Markdown => md`- ${text}`;

function block(review: Review, title: keyof typeof ranks, words: string, parts: Partial<Pick<Block, "head" | "items" | "foot" | "whole">>): Block {
  return { title: words, environment: review.name, head: [], items: [], foot: [], rank: ranks[title], ...parts };
}

// ---------------------------------------------------------------- all environments

function verdictLine(reviews: readonly Review[]): Markdown {
  const mandatory = reviews.reduce((sum, { verdicts }) => sum + (verdicts?.found.filter(isMandatory).length ?? 0), 0);
  const broken = reviews.filter(({ problems, failures }) => problems.length + failures.length > 0).length;
  const parts = [...(mandatory > 0 ? [plural(mandatory, "mandatory rule violation")] : []), ...(broken > 0 ? [`${plural(broken, "environment")} that cannot be made as written`] : [])];
  return parts.length === 0 ? md`No mandatory rule is broken.` : md`**Not to be merged as it is:** ${prose(parts.join(" and "))}.`;
}

function opening({ base, head, reviews, unchanged }: CommentInput): Block {
  const between = md`Between ${code(base)} and ${code(head)}`;
  const count = reviews.length === 0 ? md`no environment changes` : md`${prose(plural(reviews.length, "environment"))} ${prose(reviews.length === 1 ? "changes" : "change")}, ${unchanged} ${prose(unchanged === 1 ? "does" : "do")} not`;
  const lines = [new Markdown(marker), md`## Rackwright`, md``, md`${between} ${count}.${reviews.length === 0 ? md`` : md` ${verdictLine(reviews)}`}`];
  return { title: "opening", environment: "", head: lines, items: [], foot: [], rank: -1 };
}

function hazardLines(review: Review, several: boolean): Markdown[] {
  const where = several ? md` (${review.name})` : md``;
  const own: Hazard[] = review.what === "removed" ? [{ kind: "by-hand", text: md`the file of ${review.name} goes, and what stands on the site stays. Take it down while the file is there: \`./rackwright destroy\`.` }] : review.hazards;
  return own.map(({ kind, text }) => bullet(md`**${prose(labels[kind])}**${where}: ${sentence(text)}`));
}

function hazards(reviews: readonly Review[]): Block[] {
  if (reviews.length === 0) return [];
  const items = reviews.flatMap((review) => hazardLines(review, reviews.length > 1));
  const unknown = reviews.filter(({ what, comparison }) => what === "changed" && comparison === undefined).length;
  const none = unknown > 0 ? md`What is destroyed or interrupted is not known: not both sides can be read.` : md`Nothing that the plans show.`;
  return [{ title: "hazards", environment: "", head: [md``, md`### Destroys or interrupts`, md``], items: items.length === 0 ? [none] : items, foot: [], rank: ranks.hazards }];
}

// ---------------------------------------------------------------- one environment

function problemLine(file: string, problem: Problem): Markdown {
  const { file: own = file, line, column } = problem;
  const place = line === undefined ? own : `${own}:${line}${column === undefined ? "" : `:${column}`}`;
  return bullet(md`${place}: ${prose(formatProblems(file, [problem]).slice(place.length + 2))}`);
}

function problemBlocks(review: Review): Block[] {
  const file = review.head?.source.file ?? "";
  const items = [...review.problems.map((problem) => problemLine(file, problem)), ...review.failures.map((message) => bullet(md`**error** ${prose(message)}`))];
  const unread = review.base !== undefined && review.base.side === undefined && review.what !== "added" ? [md``, md`The base's file cannot be read as an environment (${prose(plural(review.base.problems.length, "problem"))}), so that there is nothing to compare with.`] : [];
  return [...(unread.length === 0 ? [] : [block(review, "problems", "remarks", { items: unread })]), ...(items.length === 0 ? [] : [block(review, "problems", "problems", { head: [md``, md`#### Cannot be made as written`, md``], items })])];
}

function changeBlocks(review: Review): Block[] {
  const { comparison, what } = review;
  const side = what === "removed" ? review.base?.side : review.head?.side;
  const lines = comparison !== undefined ? describeChanges(comparison) : side === undefined || what === "changed" ? [] : describeSide(side);
  const changed = review.steps.some(({ op }) => op !== "same");
  const same = comparison !== undefined && !changed ? [md`The files differ, and what they plan does not: comments, order or values that were the defaults already.`] : [];
  const items = lines.length === 0 ? same : lines.map((line) => bullet(sentence(line)));
  if (items.length === 0) return [];
  return [block(review, "changes", "changes", { head: [md``, md`#### ${prose(what === "changed" ? "Changes" : what === "added" ? "What is added" : "What is taken away")}`, md``], items })];
}

function figureBlocks({ comparison, ...review }: Review): Block[] {
  if (comparison === undefined || (review.steps.length > 0 && review.steps.every(({ op }) => op === "same"))) return [];
  const { base, head } = comparison;
  const cost = costTable(base, head);
  const own = { ...review, comparison };
  return [
    block(own, "capacity", "sizing and capacity", { head: [md``, md`#### Sizing and capacity`, md``], items: capacityTable(base, head), whole: true }),
    block(own, "cost", "cost and power", { head: [md``, md`#### Cost and power`, md``], items: [...cost.table, ...(cost.notes.length === 0 ? [] : [md``, ...cost.notes])], whole: true }),
  ];
}

/** @param withHow Whether to say how the rule is kept: once is enough for each rule */
function verdictItem(verdict: Verdict, withHow: boolean): Markdown {
  const label = isMandatory(verdict) ? md`**violation**` : md`warning`;
  const age = verdict.isNew === undefined ? md`` : md` (${prose(verdict.isNew ? "new" : "as before")})`;
  const how = !withHow || verdict.remediation === "" ? md`` : md` How to mend it: ${prose(verdict.remediation)}`;
  return bullet(md`${label} ${verdict.policy}${age}: ${prose(verdict.message)}${how}`);
}

function ruleBlocks(review: Review): Block[] {
  if (review.head === undefined) return [];
  const head = [md``, md`#### Rules`, md``];
  if (review.verdicts === undefined) return [block(review, "rules", "rules", { head, items: [md`The rules were not applied: they come after what is said above.`] })];
  const { found, mended } = review.verdicts;
  const told = new Set<string>();
  const items = found.map((verdict) => {
    const first = !told.has(verdict.policy);
    told.add(verdict.policy);
    return { verdict, line: verdictItem(verdict, first) };
  });
  const isOld = ({ verdict }: { verdict: Verdict }): boolean => verdict.isNew === false && !isMandatory(verdict);
  const before = items.filter(isOld).map(({ line }) => line);
  const lines = [...items.filter((item) => !isOld(item)).map(({ line }) => line), ...mended.map(({ policy, message }) => bullet(md`mended by this change: ${policy}: ${prose(message)}`))];
  const sum = found.length === 0 ? md`All rules hold.` : md`${prose(plural(found.filter(isMandatory).length, "violation"))}, ${prose(plural(found.filter((each) => !isMandatory(each)).length, "warning"))}.`;
  return [
    block(review, "rules", "verdicts of rules", { head, items: lines.length === 0 ? [sum] : [...lines, md``, sum] }),
    ...(before.length === 0 ? [] : [block(review, "oldWarnings", "warnings as before", { head: [md``, md`<details><summary>${prose(plural(before.length, "warning"))} as before</summary>`, md``], items: before, foot: [md``, md`</details>`] })]),
  ];
}

const signs: Readonly<Record<Exclude<ChangeOp, "same">, string>> = { create: "+", delete: "-", replace: "-+", update: "!" };
const opOrder: readonly ChangeOp[] = ["delete", "replace", "create", "update"];
const mostPaths = 4;

function stepLine({ op, name, type, changed }: Step): Markdown {
  const paths = changed.length === 0 ? "" : `: ${changed.slice(0, mostPaths).join(", ")}${changed.length > mostPaths ? ` and ${changed.length - mostPaths} more` : ""}`;
  return fencedLine(op === "same" ? " " : signs[op], `${name} (${type})${paths}`);
}

const folded = (title: Filling, fence: string, lines: readonly Markdown[]): Pick<Block, "head" | "items" | "foot"> => ({
  head: [md``, md`<details><summary>${title}</summary>`, md``, md`\`\`\`${prose(fence)}`],
  items: [...lines],
  foot: [md`\`\`\``, md``, md`</details>`],
});

function resourceBlocks(review: Review): Block[] {
  const changing = review.steps.filter(({ op }) => op !== "same");
  if (changing.length === 0) return [];
  const counts: Partial<Record<ChangeOp, number>> = {};
  for (const { op } of review.steps) counts[op] = (counts[op] ?? 0) + 1;
  const ordered = opOrder.flatMap((op) => changing.filter((step) => step.op === op));
  const against = review.logged ? " in the stack" : "";
  return [block(review, "resources", "resources", folded(prose(`Resources${against}: ${renderChanges(counts)}`), "diff", ordered.map(stepLine)))];
}

function marksOf({ comparison, what }: Review): Marks {
  if (comparison === undefined) {
    const mark = what === "added" ? "added" : what === "removed" ? "removed" : "same";
    return { server: () => mark, service: () => mark };
  }
  const { base, head, servers: { added, renamed } } = comparison;
  const arrived = new Set([...added, ...renamed].map(({ name }) => name));
  const differs = (before: unknown, after: unknown): boolean => JSON.stringify(before) !== JSON.stringify(after);
  return {
    server: (name) => (arrived.has(name) ? "added" : differs(base.environment.servers[name], head.environment.servers[name]) ? "changed" : "same"),
    service: (name) => (!Object.hasOwn(base.workloads.services, name) ? "added" : differs(base.workloads.services[name], head.workloads.services[name]) ? "changed" : "same"),
  };
}

function topologyBlocks(review: Review): Block[] {
  const side = review.head?.side ?? review.base?.side;
  if (side === undefined || (review.comparison !== undefined && review.steps.every(({ op }) => op === "same"))) return [];
  const gone = review.comparison?.servers;
  const removed = review.comparison === undefined || gone === undefined ? undefined : { side: review.comparison.base, servers: new Set([...gone.removed.map(({ name }) => name), ...gone.renamed.map(({ was }) => was)]) };
  return [block(review, "topology", "topology sketch", { ...folded(md`Topology`, "mermaid", sketch(side, removed, marksOf(review))), whole: true })];
}

function environmentBlocks(review: Review): Block[] {
  const state = review.what === "changed" ? md`` : md` is ${prose(review.what)}`;
  const stop = blocks(review) ? md`: not to be merged as it is` : md``;
  return [
    block(review, "heading", "heading", { items: [md``, md`### ${review.name}${state}${stop}`], whole: true }),
    ...problemBlocks(review), ...changeBlocks(review), ...figureBlocks(review), ...ruleBlocks(review), ...resourceBlocks(review), ...topologyBlocks(review),
  ];
}

/** One comment for a pull request, in Markdown as GitHub and GitLab read it, of at most {@link mostCharacters} characters. */
export function renderComment(input: CommentInput, limit = mostCharacters): string {
  return fit([opening(input), ...hazards(input.reviews), ...input.reviews.flatMap(environmentBlocks)], limit);
}
