import type { Terminal } from "./terminal";

/**
 * Runs work that Ctrl-C may stop. The first interrupt lets what is running finish and starts nothing new; the work
 * decides what a second one does, through `hard`.
 */
export async function interruptible<T>(terminal: Terminal, work: (signal: AbortSignal, hard: AbortSignal) => Promise<T>): Promise<T> {
  const soft = new AbortController();
  const hard = new AbortController();
  const onSignal = (): void => {
    if (soft.signal.aborted) {
      hard.abort();
      return;
    }
    terminal.progress.done();
    terminal.err("Stopping: what is running is finished, nothing new is started. Press Ctrl-C again to cut it off.\n");
    soft.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await work(soft.signal, hard.signal);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}
