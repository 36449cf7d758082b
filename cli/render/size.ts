import { gibText, weightFormat } from "../../components/inference/sizing";
import type { MemoryBudget, ThroughputEstimate } from "../../components/inference/plan-types";
import type { SizeResult } from "../commands/size";
import type { SizeInput } from "../commands/size-input";
import { table } from "../table";
import type { Terminal } from "../terminal";

const lineWidth = 80;
const barWidth = 50;

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
const grouped = (count: number): string => Math.round(count).toLocaleString("en-GB");

/** Three figures: an estimate has no more. */
function rounded(value: number): string {
  return grouped(Number(value.toPrecision(2)));
}

/** Text broken between words, each further line as far in as the first one's content. */
function wrapped(text: string, first: string): string {
  const indent = " ".repeat(first.length);
  let line = first;
  let result = "";
  for (const word of text.split(" ")) {
    if (line.trim() !== "" && line.length > first.length && line.length + 1 + word.length > lineWidth) {
      result += `${line}\n`;
      line = indent + word;
    } else line += line.length === first.length ? word : ` ${word}`;
  }
  return `${result}${line}\n`;
}

/** One GPU's memory as a bar: weights, cache, overhead, what is left for more cache, and what the engine leaves alone. */
function bar({ usableBytes, budgetBytes, weightsBytes, keyValueBytes, overheadBytes }: MemoryBudget): string {
  const parts: readonly (readonly [string, number])[] = [
    ["W", weightsBytes], ["K", keyValueBytes], ["O", overheadBytes], [".", Math.max(0, budgetBytes - weightsBytes - keyValueBytes - overheadBytes)],
  ];
  let end = 0;
  let drawn = "";
  for (const [letter, bytes] of parts) {
    end += bytes;
    drawn += letter.repeat(Math.max(0, Math.min(barWidth, Math.round((end / usableBytes) * barWidth)) - drawn.length));
  }
  const over = weightsBytes + keyValueBytes + overheadBytes > usableBytes ? ">" : "";
  return `  [${drawn.padEnd(barWidth)}]${over}  ${gibText(usableBytes)}\n  W weights  K cache  O overhead  . free for more cache  (blank) left alone\n`;
}

function memoryTable(memory: MemoryBudget, result: SizeResult, input: SizeInput): string {
  const cached = memory.keyValueBytes > 0;
  const { request } = input;
  const context = result.choice?.sizing.contextTokens ?? request.contextTokens;
  const rows: string[][] = [
    ["usable memory", gibText(memory.usableBytes), "what a program can have, not the label"],
    ["budget", gibText(memory.budgetBytes), `memory setting of ${request.engine}: ${result.choice?.sizing.memoryUtilization ?? ""}`],
    ["weights", gibText(memory.weightsBytes), weightFormat(request.model, request.precision)],
    ...(cached
      ? [
          ["KV cache", gibText(memory.keyValueBytes), `${plural(request.concurrency, "request")} of ${grouped(context)} tokens`],
          ["KV cache per token", `${(memory.keyValueBytesPerToken / 1024).toFixed(1)} KiB`, request.model.attention.kind === "sliding" ? "in every layer; windows keep less" : "on this GPU"],
          ["KV tokens", grouped(memory.keyValueTokens), "if all that is left goes to the cache"],
        ]
      : [["KV cache", "none", "answers in one pass"]]),
    ["overhead", gibText(memory.overheadBytes), "activations, graphs, communication"],
    ["margin", gibText(memory.marginBytes), memory.marginBytes < 0 ? "does not fit" : "left"],
  ];
  return table(rows, "  ");
}

function estimateText(estimate: ThroughputEstimate, prefill: number | undefined, cached: boolean): string {
  const lines = cached
    ? [
        `estimate: ${rounded(estimate.tokensPerSecondPerRequest)} tokens/s a request, ${rounded(estimate.tokensPerSecond)} tokens/s in all, bound by ${estimate.boundBy}`,
        ...(prefill === undefined ? [] : [`estimate: prompts are read at up to ${rounded(prefill)} tokens/s`]),
      ]
    : [`estimate: ${rounded(estimate.tokensPerSecond)} tokens or patches/s, bound by ${estimate.boundBy}`];
  return lines.map((line) => wrapped(line, "  ")).join("") + wrapped(`assumes ${estimate.assumptions.join("; ")}`, "    ");
}

function splitText({ choice, servers }: SizeResult): string {
  if (choice === undefined) return "";
  const { tensorParallel, pipelineParallel } = choice.split;
  return `${plural(tensorParallel * pipelineParallel, "GPU")}: tensor parallel ${tensorParallel}, pipeline parallel ${pipelineParallel}${servers > 1 ? `, ${plural(choice.split.servers, "server")}` : ""}`;
}

/** The table of `rackwright size`, 80 columns wide, plain but for bold and colour on a terminal. */
export function renderSize(result: SizeResult, input: SizeInput, style: Terminal["style"]): string {
  const { choice } = result;
  const where = `${result.gpus}x ${input.shape.gpu.name}${result.servers > 1 ? ` in each of ${result.servers} servers` : ""}`;
  let text = wrapped(`${style("bold", result.model)} on ${where}, ${result.engine}`, "");
  if (result.assumed.length > 0) text += wrapped(`assumed: ${result.assumed.join(", ")}`, "  ");
  for (const note of result.notes) text += wrapped(note, "  ");
  if (choice !== undefined) {
    text += `\n${style("bold", splitText(result))}\n`;
    for (const reason of choice.sizing.reasons) text += wrapped(reason, "  - ");
    text += `\nPer GPU\n${memoryTable(choice.sizing.memory, result, input)}\n${bar(choice.sizing.memory)}`;
    const { estimate } = choice.sizing;
    if (estimate !== undefined) text += `\n${estimateText(estimate, result.prefillTokensPerSecond, choice.sizing.memory.keyValueBytes > 0)}`;
  }
  if (result.fits) return `${text}\n${style("green", "It fits.")}\n`;
  text += `\n${style("red", "It does not fit.")}\n${result.fault === undefined ? "" : wrapped(`${result.fault}.`, "  ")}`;
  if (result.changes.length === 0) return `${text}No single change of these options makes it fit.\n`;
  return text + result.changes.map((change, index) => `${index === 0 ? "Smallest change: " : "             or: "}${change}\n`).join("");
}
