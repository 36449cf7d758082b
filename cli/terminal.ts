import { styleText } from "node:util";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** Where a command writes. Results go to stdout, progress and complaints to stderr, so that a pipe gets results only. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Colours text where stdout is a terminal and NO_COLOR is unset. */
  readonly style: (style: Style, text: string) => string;
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

/** The process's own terminal. */
export function processTerminal(): Terminal {
  process.stdout.on("error", ignoreClosedPipe);
  process.stderr.on("error", ignoreClosedPipe);
  const colour = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
  const err = (text: string): void => void process.stderr.write(text);
  return {
    out: (text) => void process.stdout.write(text),
    err,
    style: (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text),
    progress: process.stderr.isTTY ? terminalProgress(process.stderr) : plainProgress(err),
  };
}
