import type { Paper, Terminal } from "../../cli/terminal";

/** A pipe in a UTF-8 locale. */
export const plainPaper: Paper = { style: (_, text) => text, columns: 80, unicode: true };

/** A terminal without colours; `write` gets what goes to stdout. */
export function plainTerminal(write: (text: string) => void): Terminal {
  return { ...plainPaper, out: write, err: () => undefined, progress: { doing: () => undefined, done: () => undefined } };
}
