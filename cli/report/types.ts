/** Text that is shown, and where it comes from. */
export interface Figure {
  text: string;
  source: string;
}

export type State = "good" | "warning" | "bad";

/** A verdict: always a word, never a colour alone. */
export interface Mark {
  mark: State;
  text: string;
}

/** Code as it is written in a file. */
export interface Code {
  code: string;
}

/** More than one line is a list of texts. */
export type Cell = string | Figure | Mark | Code | readonly string[];

export interface Column {
  title: string;
  /** Where all figures of the column come from. */
  source?: string;
  /** text reads from the left, number is set right, wide takes the room that is left. Default: text. */
  kind?: "text" | "number" | "wide";
}

export interface Table {
  caption: string;
  columns: readonly Column[];
  /** The first cell is the row's heading. */
  rows: readonly (readonly Cell[])[];
}

/** How a part of a bar looks: three steps of the accent colour, what is spare, what is over, and nothing at all. */
export type Fill = "first" | "second" | "third" | "spare" | "over" | "none";

/** One bar on a scale of its own: the parts together are as long as `total`, or shorter. */
export interface Bar {
  label: string;
  /** Stands at the end of the label's line. */
  result: string;
  state?: State;
  total: number;
  parts: readonly { name: string; value: number; text: string; fill: Fill }[];
}

export interface BarChart {
  title: string;
  legend: readonly { name: string; fill: Fill }[];
  bars: readonly Bar[];
}

/** A line of time, or of anything that goes on: `end` is the last value of its scale. */
export interface Timeline {
  title: string;
  /** The same in a sentence, for those who do not see the picture. */
  description: string;
  legend?: readonly { name: string; fill: Fill }[];
  end: number;
  rows: readonly { label: string; spans: readonly { from: number; to: number; text: string; fill: Fill }[]; points: readonly number[] }[];
  ticks: readonly { at: number; text: string }[];
  /** A line across all rows. */
  limit?: { at: number; text: string };
}
