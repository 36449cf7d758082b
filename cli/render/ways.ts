import { gibText, type ReplicaChoice } from "../../components/inference/sizing";
import { table } from "../table";
import type { Paper } from "../terminal";
import { levelBar } from "./bars";
import { takenBytes } from "./memory";

const barColumns = 12;
const mostRows = 8;

const gpusOf = ({ split }: ReplicaChoice): number => split.tensorParallel * split.pipelineParallel;
const key = ({ split }: ReplicaChoice): string => Object.values(split).join();
const isPowerOfTwo = (count: number): boolean => (count & (count - 1)) === 0;

/** Powers of two and what was chosen; the largest are left out where they are many. */
function shown(ways: readonly ReplicaChoice[], chosen: ReplicaChoice): ReplicaChoice[] {
  const others = ways.filter((way) => isPowerOfTwo(gpusOf(way)) && key(way) !== key(chosen));
  return [...others.slice(0, mostRows - 1), chosen].sort((a, b) => gpusOf(a) - gpusOf(b));
}

function row(way: ReplicaChoice, chosen: ReplicaChoice, paper: Paper): string[] {
  const { split: { tensorParallel, pipelineParallel, servers }, sizing: { memory, estimate } } = way;
  const gpus = gpusOf(way);
  const cut = [...(tensorParallel > 1 ? [`tensor ${tensorParallel}`] : []), ...(pipelineParallel > 1 ? [`pipeline ${pipelineParallel}`] : [])].join(", ");
  const outcome = [
    ...(memory.marginBytes < 0 ? [paper.style("red", "does not fit")] : []),
    ...(estimate === undefined ? [] : [`${Number(estimate.tokensPerSecond.toPrecision(2)).toLocaleString("en-GB")} tokens/s`]),
    ...(key(way) === key(chosen) && memory.marginBytes >= 0 ? [paper.style("bold", "chosen")] : []),
  ];
  return [
    `${servers > 1 ? `${servers}x${gpus / servers}` : gpus} GPU${gpus === 1 ? "" : "s"}`.padStart(8), cut === "" ? "whole" : cut,
    levelBar(takenBytes(memory), memory.budgetBytes, barColumns, paper), gibText(takenBytes(memory)).padStart(9), outcome.join(", "),
  ];
}

/** The ways to cut a replica side by side: what each GPU holds then, against what it may. Empty where there is only one. */
export function renderWays(ways: readonly ReplicaChoice[], chosen: ReplicaChoice | undefined, paper: Paper): string {
  if (chosen === undefined) return "";
  const rows = shown(ways, chosen);
  return rows.length < 2 ? "" : `\nWays to cut it, and what each GPU holds of what it may\n${table(rows.map((way) => row(way, chosen, paper)), "  ", paper.columns)}`;
}
