import { stripVTControlCharacters } from "node:util";

/** A plain table: columns padded to their widest cell, two spaces between, no trailing blanks. */
export function table(rows: readonly (readonly string[])[], indent = ""): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, width(cell))));
  return rows
    .map((row) => (indent + row.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - width(cell))).join("  ")).trimEnd() + "\n")
    .join("");
}

/** Printed width: colour codes take no room. */
function width(text: string): number {
  return stripVTControlCharacters(text).length;
}
