import { styleText } from "node:util";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** How results are drawn. */
export interface Paper {
  /** Colours text where stdout is a terminal that has colours and NO_COLOR is unset. */
  readonly style: (style: Style, text: string) => string;
  /** Width of a line: of the terminal, from 60 to 100; 80 in a pipe. */
  readonly columns: number;
  /** Whether block characters can be shown: where the locale is UTF-8 and TERM is not dumb. Else bars are of ASCII characters. */
  readonly unicode: boolean;
}

/** Where a command writes. Results go to stdout, progress and complaints to stderr, so that a pipe gets results only. */
export interface Terminal extends Paper {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Shows what long work is doing now. */
  readonly progress: Progress;
}

/**
 * Progress of work that may take longer than two seconds. On a terminal one line is rewritten; elsewhere a line is
 * written when the work has taken two seconds and then whenever what it is doing changes, at most every ten seconds.
 */
export interface Progress {
  /** What is being done now. */
  doing(what: string): void;
  /** Takes the line away. Call it before printing results. */
  done(): void;
}

const quietMilliseconds = 2_000;
const plainEveryMilliseconds = 10_000;

function terminalProgress(stream: NodeJS.WriteStream): Progress {
  const started = Date.now();
  let what = "";
  let shown = false;
  const draw = (): void => {
    const seconds = Math.round((Date.now() - started) / 1000);
    const line = `${what} (${seconds} s)`;
    stream.write(`\r\u001b[2K${line.slice(0, Math.max(20, stream.columns - 1))}`);
    shown = true;
  };
  let timer: NodeJS.Timeout | undefined;
  return {
    doing(next) {
      what = next;
      timer ??= setInterval(() => {
        if (Date.now() - started >= quietMilliseconds) draw();
      }, 250).unref();
    },
    done() {
      clearInterval(timer);
      timer = undefined;
      if (shown) stream.write("\r\u001b[2K");
      shown = false;
    },
  };
}

function plainProgress(write: (text: string) => void): Progress {
  const started = Date.now();
  let last = started + quietMilliseconds - plainEveryMilliseconds;
  let written = "";
  return {
    doing(what) {
      const now = Date.now();
      if (what === written || now - last < plainEveryMilliseconds) return;
      last = now;
      written = what;
      write(`${what} (${Math.round((now - started) / 1000)} s)\n`);
    },
    done() {
      // Nothing to take away: lines in a pipe stay.
    },
  };
}

/** A reader that has seen enough (`| head`) is no fault, and work that is under way goes on. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

const pipeColumns = 80;
const fewestColumns = 60;
/** Longer lines are hard to read. */
const mostColumns = 100;

/** What a stream can show, by its kind and the environment variables that say so. */
export function paperOf(stream: { isTTY?: boolean; columns?: number }, env: Readonly<Record<string, string | undefined>>): Paper {
  const colour = stream.isTTY === true && env["NO_COLOR"] === undefined && env["TERM"] !== "dumb";
  const columns = stream.isTTY === true && stream.columns !== undefined && stream.columns > 0 ? stream.columns : pipeColumns;
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  return {
    style: (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text),
    columns: Math.max(fewestColumns, Math.min(mostColumns, columns)),
    unicode: /utf-?8/i.test(locale) && env["TERM"] !== "dumb",
  };
}

/** The process's own terminal. */
export function processTerminal(): Terminal {
  process.stdout.on("error", ignoreClosedPipe);
  process.stderr.on("error", ignoreClosedPipe);
  const err = (text: string): void => void process.stderr.write(text);
  return {
    ...paperOf(process.stdout, process.env),
    out: (text) => void process.stdout.write(text),
    err,
    progress: process.stderr.isTTY ? terminalProgress(process.stderr) : plainProgress(err),
  };
}
