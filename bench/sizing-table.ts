/**
 * The planner against published figures: `npm run bench:sizing` prints the table in docs/sizing.md, and
 * `npm run bench:sizing -- --write` writes it there.
 */
import { readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { publishedFigures, type PublishedFigure } from "../test/inference/sizing/published";

const begin = "<!-- table: written by bench/sizing-table.ts -->";
const end = "<!-- end of table -->";

function shown(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en-GB") : value.toFixed(2);
}

export function errorPercent({ published, planned }: PublishedFigure): number {
  return ((planned() - published) / published) * 100;
}

function row(figure: PublishedFigure): string {
  // Adding 0 turns -0 into 0.
  const error = Math.round(errorPercent(figure) * 10) / 10 + 0;
  return `| ${figure.model} | ${figure.on} | ${figure.what} | ${shown(figure.published)} ${figure.unit} | ${shown(figure.planned())} ${figure.unit} | ${error >= 0 ? "+" : ""}${error.toFixed(1)} % | ${figure.source} |`;
}

function markdown(): string {
  const notes = publishedFigures.flatMap(({ note }, index) => (note === undefined ? [] : [`- Row ${index + 1}: ${note}`]));
  const rows = publishedFigures.map((figure, index) => `| ${index + 1} ${row(figure)}`);
  return ["| | model | on | figure | published | planned | error | source |", "|---|---|---|---|---|---|---|---|", ...rows, "", ...notes].join("\n");
}

function main(): void {
  const text = markdown();
  if (!process.argv.includes("--write")) {
    process.stdout.write(`${text}\n`);
    return;
  }
  const file = path.join(__dirname, "..", "docs", "sizing.md");
  const page = readFileSync(file, "utf8");
  writeFileSync(file, `${page.slice(0, page.indexOf(begin) + begin.length)}\n\n${text}\n\n${page.slice(page.indexOf(end))}`);
}

if (require.main === module) main();
