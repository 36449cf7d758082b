import stringWidth from "string-width";

/** Columns that a text takes: colour codes none, East Asian characters two. */
export function displayWidth(text: string): number {
  return stringWidth(text);
}

const characters = new Intl.Segmenter("en", { granularity: "grapheme" });
const colourCode = /(\u001b\[[0-9;]*m)/;
const breakAfter = /[-/:.,_=]/;

/** A word longer than a line, cut behind a separator where one is in the second half of what fits, else anywhere. */
function cutWord(word: string, room: number): string[] {
  const units = word.split(colourCode).flatMap((part, index) => (index % 2 === 1 ? [part] : [...characters.segment(part)].map(({ segment }) => segment)));
  const pieces: string[] = [];
  let piece: string[] = [];
  for (const unit of units) {
    if (piece.length > 0 && displayWidth(piece.join("") + unit) > room) {
      const separator = piece.findLastIndex((each) => breakAfter.test(each) && each.length === 1);
      const end = separator + 1 > piece.length / 2 ? separator + 1 : piece.length;
      pieces.push(piece.slice(0, end).join(""));
      piece = piece.slice(end);
    }
    piece.push(unit);
  }
  return [...pieces, piece.join("")];
}

/** Colours that go on over a line's end are ended there and begun again, so that what stands beside the line has none. */
function closedPerLine(lines: readonly string[]): string[] {
  let codes = "";
  return lines.map((line) => {
    const begun = codes + line;
    codes = begun.split(colourCode).filter((_, index) => index % 2 === 1).join("");
    return codes === "" ? line : `${begun}\u001b[0m`;
  });
}

/**
 * Text as lines of at most `room` columns, broken between words, inside them only where one is longer than a line. Blanks
 * at the beginning stay, in front of every line.
 * @param firstRoom of the first line. @default - as the others
 */
export function wrapLines(text: string, room: number, firstRoom = room): string[] {
  const indent = /^ */.exec(text)?.[0] ?? "";
  const within = (line: number): number => Math.max(1, (line === 0 ? firstRoom : room) - indent.length);
  const lines: string[] = [];
  let line: string | undefined;
  for (const word of text.slice(indent.length).split(" ")) {
    const pieces = displayWidth(word) > Math.min(within(0), within(1)) ? cutWord(word, Math.min(within(0), within(1))) : [word];
    for (const [index, piece] of pieces.entries()) {
      const joined: string = line === undefined ? piece : `${line} ${piece}`;
      if (line !== undefined && (index > 0 || displayWidth(joined) > within(lines.length))) {
        lines.push(line);
        line = piece;
      } else line = joined;
    }
  }
  return closedPerLine([...lines, line ?? ""].map((each) => (indent + each).trimEnd()));
}

export interface WrapOptions {
  /** How far in further lines are. @default - as far as the first one's content */
  hang?: number;
  /** Colours each line, not what stands before it. */
  style?: (line: string) => string;
}

/** Text behind `first`, within `columns`. */
export function wrap(text: string, first: string, columns: number, { hang = displayWidth(first), style = (line) => line }: WrapOptions = {}): string {
  return wrapLines(text, columns - hang, columns - displayWidth(first))
    .map((line, index) => `${((index === 0 ? first : " ".repeat(hang)) + style(line)).trimEnd()}\n`)
    .join("");
}
