import { gibText, weightFormat, type ReplicaChoice } from "../../components/inference/sizing";
import type { MemoryBudget, ThroughputEstimate } from "../../components/inference/plan-types";
import type { SizeResult } from "../commands/size";
import type { SizeInput } from "../commands/size-input";
import { table } from "../table";
import type { Paper } from "../terminal";
import { wrap } from "../text";
import { fill, type Fill } from "./bars";
import { memoryBar, takenBytes } from "./memory";
import { renderWays } from "./ways";

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
const grouped = (count: number): string => Math.round(count).toLocaleString("en-GB");

/** Three figures: an estimate has no more. */
function rounded(value: number): string {
  return grouped(Number(value.toPrecision(2)));
}

const barColumns = 50;

function memoryTable(memory: MemoryBudget, result: SizeResult, { request }: SizeInput, paper: Paper): string {
  const { choice } = result;
  const context = choice?.sizing.contextTokens ?? request.contextTokens;
  const row = (mark: Fill | undefined, what: string, amount: string, why = ""): string[] => [`${mark === undefined ? " " : fill(mark, 1, paper)} ${what}`, amount, why];
  const windows = request.model.attention.kind === "sliding";
  const cached = memory.keyValueBytes > 0;
  const fits = memory.marginBytes >= 0;
  const leftAlone = memory.usableBytes - Math.max(memory.budgetBytes, takenBytes(memory));
  const rows = [
    row("first", "weights", gibText(memory.weightsBytes), weightFormat(request.model, request.precision)),
    cached ? row("second", "KV cache", gibText(memory.keyValueBytes), `${plural(request.concurrency, "request")} of ${grouped(context)} tokens`) : row(undefined, "KV cache", "none", "answers in one pass"),
    row("third", "overhead", gibText(memory.overheadBytes), "activations, graphs, communication"),
    row(fits ? "free" : undefined, "margin", gibText(memory.marginBytes), fits ? (cached ? "free for more cache" : "free") : "does not fit"),
    row(undefined, "budget", gibText(memory.budgetBytes), `memory setting of ${request.engine}: ${choice?.sizing.memoryUtilization ?? ""}`),
    ...(leftAlone > 0 ? [row("outside", "left alone", gibText(leftAlone))] : []),
    row(undefined, "usable memory", gibText(memory.usableBytes), "what a program can have, not the label"),
    ...(cached
      ? [
          row(undefined, "KV cache per token", `${(memory.keyValueBytesPerToken / 1024).toFixed(1)} KiB`, windows ? "in every layer; windows keep less" : "on this GPU"),
          row(undefined, "KV tokens", grouped(memory.keyValueTokens), "if all that is left goes to the cache"),
        ]
      : []),
  ];
  return table(rows, "  ", paper.columns);
}

function estimateText(estimate: ThroughputEstimate, prefill: number | undefined, cached: boolean, { columns, unicode }: Paper): string {
  const lines = cached
    ? [
        `estimate: ${rounded(estimate.tokensPerSecondPerRequest)} tokens/s a request, ${rounded(estimate.tokensPerSecond)} tokens/s in all, bound by ${estimate.boundBy}`,
        ...(prefill === undefined ? [] : [`estimate: prompts are read at up to ${rounded(prefill)} tokens/s`]),
      ]
    : [`estimate: ${rounded(estimate.tokensPerSecond)} tokens or patches/s, bound by ${estimate.boundBy}`];
  const assumed = estimate.assumptions.join("; ");
  return lines.map((line) => wrap(line, "  ", columns)).join("") + wrap(`assumes ${unicode ? assumed : assumed.replaceAll("µ", "u")}`, "    ", columns);
}

function splitText({ choice, servers }: SizeResult): string {
  if (choice === undefined) return "";
  const { tensorParallel, pipelineParallel } = choice.split;
  return `${plural(tensorParallel * pipelineParallel, "GPU")}: tensor parallel ${tensorParallel}, pipeline parallel ${pipelineParallel}${servers > 1 ? `, ${plural(choice.split.servers, "server")}` : ""}`;
}

function choiceText(choice: ReplicaChoice, result: SizeResult, input: SizeInput, paper: Paper): string {
  const { memory, reasons, estimate } = choice.sizing;
  const parts = [
    `\n${wrap(splitText(result), "", paper.columns, { style: (line) => paper.style("bold", line) })}`,
    ...reasons.map((reason) => wrap(reason, "  - ", paper.columns)),
    `\nPer GPU\n${memoryBar(memory, "  ", "", Math.min(barColumns, paper.columns - 14), paper)}${memoryTable(memory, result, input, paper)}`,
    ...(estimate === undefined ? [] : [`\n${estimateText(estimate, result.prefillTokensPerSecond, memory.keyValueBytes > 0, paper)}`]),
  ];
  return parts.join("");
}

/**
 * What `rackwright size` prints, within the paper's columns.
 * @param ways to cut the replica, for the table that compares them
 */
export function renderSize(result: SizeResult, ways: readonly ReplicaChoice[], input: SizeInput, paper: Paper): string {
  const { columns, style } = paper;
  const where = `${result.gpus}x ${input.shape.gpu.name}${result.servers > 1 ? ` in each of ${result.servers} servers` : ""}`;
  let text = wrap(`${style("bold", result.model)} on ${where}, ${result.engine}`, "", columns);
  if (result.assumed.length > 0) text += wrap(`assumed: ${result.assumed.join(", ")}`, "  ", columns);
  for (const note of result.notes) text += wrap(note, "  ", columns);
  if (result.choice !== undefined) text += choiceText(result.choice, result, input, paper);
  text += renderWays(ways, result.choice, paper);
  if (result.fits) return `${text}\n${style("green", "It fits.")}\n`;
  text += `\n${style("red", "It does not fit.")}\n${result.fault === undefined ? "" : wrap(`${result.fault}.`, "  ", columns)}`;
  if (result.changes.length === 0) return `${text}No single change of these options makes it fit.\n`;
  return text + result.changes.map((change, index) => wrap(change, index === 0 ? "Smallest change: " : "             or: ", columns)).join("");
}
