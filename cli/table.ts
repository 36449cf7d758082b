import { displayWidth, wrapLines } from "./text";

const gap = 2;
/** A last cell is given this many columns before the others are narrowed. */
const leastForLast = 20;
const narrowest = 4;

const lastFilled = (row: readonly string[]): number => row.findLastIndex((cell) => cell !== "");

const cellLines = (cell: string, width: number): string[] => (displayWidth(cell) <= width ? [cell] : wrapLines(cell, width));

/** The widest cell of each column, of cells with something behind them, broken at `most` where that is given. */
function widestCells(rows: readonly (readonly string[])[], most: readonly number[] = []): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, Math.max(0, lastFilled(row))).forEach((cell, column) => {
      for (const line of cellLines(cell, most[column] ?? Infinity)) widths[column] = Math.max(widths[column] ?? 0, displayWidth(line));
    });
  }
  return widths;
}

/** Widths of the columns; where the last cells would get too little room, the widest columns give way. */
function columnWidths(rows: readonly (readonly string[])[], room: number): number[] {
  const widths = widestCells(rows);
  const wanted = Math.min(leastForLast, Math.max(0, ...rows.map((row) => displayWidth(row[lastFilled(row)] ?? ""))));
  const over = (): boolean => widths.reduce((sum, width) => sum + width + gap, 0) > room - wanted;
  if (!over()) return widths;
  while (over()) {
    const widest = widths.indexOf(Math.max(...widths));
    if ((widths[widest] ?? 0) <= narrowest) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widestCells(rows, widths);
}

/**
 * A plain table: columns padded to their widest cell, two spaces between, no trailing blanks. The last cell of a row runs
 * on to the end of the line. What is longer than its room goes on below, in its column.
 * @param columns of the whole line. @default - as many as it takes
 */
export function table(rows: readonly (readonly string[])[], indent = "", columns = Infinity): string {
  const room = columns - displayWidth(indent);
  const widths = columnWidths(rows, room);
  return rows.map((row) => tableRow(row, widths, room).map((line) => `${(indent + line).trimEnd()}\n`).join("")).join("");
}

function tableRow(row: readonly string[], widths: readonly number[], room: number): string[] {
  const last = lastFilled(row);
  let start = 0;
  const cells = row.slice(0, last + 1).map((cell, column) => {
    const width = column === last ? room - start : (widths[column] ?? 0);
    start += width + gap;
    return { width, lines: cellLines(cell, width) };
  });
  const height = Math.max(1, ...cells.map(({ lines }) => lines.length));
  return Array.from({ length: height }, (_, index) =>
    cells.map(({ width, lines }, column) => (column === last ? (lines[index] ?? "") : padded(lines[index] ?? "", width))).join(" ".repeat(gap)),
  );
}

function padded(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}
