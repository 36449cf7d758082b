import type { Paper } from "../terminal";

/** What a part of a bar stands for; each has a pattern of its own, so that colour is never needed to tell them apart. */
export type Fill = "first" | "second" | "third" | "free" | "outside";

const patterns: Readonly<Record<Fill, { unicode: string; ascii: string; colour?: "cyan" | "yellow" | "green" | "dim" }>> = {
  first: { unicode: "█", ascii: "#", colour: "cyan" },
  second: { unicode: "▓", ascii: "=", colour: "yellow" },
  third: { unicode: "▒", ascii: "+" },
  free: { unicode: "░", ascii: ".", colour: "green" },
  outside: { unicode: "·", ascii: "-", colour: "dim" },
};

/** One part of a bar. */
export interface Part {
  /** In the unit of the whole bar; below zero counts as nothing. */
  amount: number;
  fill: Fill;
}

/** `columns` of one pattern; its entry in a legend is one column of it. */
export function fill(kind: Fill, columns: number, { style, unicode }: Paper): string {
  const { unicode: block, ascii, colour } = patterns[kind];
  const drawn = (unicode ? block : ascii).repeat(columns);
  return colour === undefined || columns === 0 ? drawn : style(colour, drawn);
}

/** Which column an amount ends in, of a bar of `columns` that stands for `whole`. */
export function columnOf(amount: number, whole: number, columns: number): number {
  return whole > 0 ? Math.max(0, Math.min(columns, Math.round((amount / whole) * columns))) : 0;
}

/**
 * A bar of exactly `columns`, of parts one behind the other, each within one column of its share of `whole`. Where the
 * parts are more than `whole`, they are what the bar stands for; where they are less, the rest is `outside`.
 */
export function stackedBar(parts: readonly Part[], whole: number, columns: number, paper: Paper): string {
  const amounts = parts.map(({ amount }) => Math.max(0, amount));
  const scale = Math.max(whole, amounts.reduce((sum, amount) => sum + amount, 0));
  let end = 0;
  let drawn = 0;
  const bar = parts.map(({ fill: kind }, index) => {
    end += amounts[index] ?? 0;
    const from = drawn;
    drawn = columnOf(end, scale, columns);
    return fill(kind, drawn - from, paper);
  });
  return bar.join("") + fill("outside", columns - drawn, paper);
}

/**
 * How much of something is taken, `columns` wide. Only what is all taken is drawn full and only what is not taken at all
 * empty; more than there is ends with `>`.
 */
export function levelBar(taken: number, whole: number, columns: number, paper: Paper): string {
  if (taken > whole) return paper.style("red", (paper.unicode ? patterns.first.unicode : patterns.first.ascii).repeat(columns - 1) + ">");
  const least = taken > 0 ? 1 : 0;
  const most = taken < whole ? columns - 1 : columns;
  const drawn = Math.max(least, Math.min(most, columnOf(taken, whole, columns)));
  return fill("first", drawn, paper) + fill("free", columns - drawn, paper);
}
