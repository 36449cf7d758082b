import { gibibyte, gibText } from "../../components/inference/sizing";
import type { MemoryBudget } from "../../components/inference/plan-types";
import type { Paper } from "../terminal";
import { columnOf, fill, stackedBar, type Part } from "./bars";

/** What weights, cache and overhead take together. */
export function takenBytes({ weightsBytes, keyValueBytes, overheadBytes }: MemoryBudget): number {
  return weightsBytes + keyValueBytes + overheadBytes;
}

/** One GPU's memory from its beginning: what is taken, what is free for more cache, what the engine leaves alone. */
export function memoryParts(memory: MemoryBudget): (Part & { name: string })[] {
  const free = Math.max(0, memory.budgetBytes - takenBytes(memory));
  return [
    { name: "weights", amount: memory.weightsBytes, fill: "first" },
    { name: "cache", amount: memory.keyValueBytes, fill: "second" },
    { name: "overhead", amount: memory.overheadBytes, fill: "third" },
    { name: "free", amount: free, fill: "free" },
    { name: "left alone", amount: Math.max(0, memory.usableBytes - free - takenBytes(memory)), fill: "outside" },
  ];
}

/**
 * One GPU's memory as a bar with what it is called behind it. Where more is taken than may be, the bar stands for what
 * is taken, and a line below marks what may be.
 */
export function memoryBar(memory: MemoryBudget, indent: string, whole: string, barColumns: number, paper: Paper): string {
  const taken = takenBytes(memory);
  const { budgetBytes, usableBytes } = memory;
  const bar = stackedBar(memoryParts(memory), usableBytes, barColumns, paper);
  if (taken <= budgetBytes) return `${indent}${bar}  ${gibText(usableBytes)}${whole}\n`;
  const most = columnOf(budgetBytes, Math.max(usableBytes, taken), barColumns);
  const said = `${gibText(budgetBytes)} may be taken`;
  const mark = most >= said.length + 2 ? `${" ".repeat(most - said.length - 2)}${said} ^` : `${" ".repeat(Math.max(0, most - 1))}^ ${said}`;
  return `${indent}${bar}  ${gibText(Math.max(taken, usableBytes))}\n${indent}${paper.style("red", mark)}\n`;
}

/** What the parts of a bar are, each with its amount in GiB; parts that would read 0.0 are left out. */
export function memoryLegend(memory: MemoryBudget, paper: Paper): string[] {
  return memoryParts(memory)
    .map(({ name, amount, fill: kind }) => ({ name, kind, gib: (amount / gibibyte).toFixed(1) }))
    .filter(({ gib }) => gib !== "0.0")
    .map(({ name, kind, gib }) => `${fill(kind, 1, paper)} ${gib} ${name}`);
}
