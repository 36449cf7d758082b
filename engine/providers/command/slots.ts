import { abortError } from "./errors";

/** Lets at most so many tasks run at once; the others wait in order. */
export class Slots {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly count: number) {
    this.free = count;
  }

  /** Tasks that run now. */
  get taken(): number {
    return this.count - this.free;
  }

  async use<T>(signal: AbortSignal | undefined, task: () => Promise<T>): Promise<T> {
    await this.take(signal);
    try {
      return await task();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.free++;
      else next();
    }
  }

  private take(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(abortError(signal));
    if (this.free > 0) {
      this.free--;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const start = (): void => {
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      const stop = (): void => {
        this.waiting.splice(this.waiting.indexOf(start), 1);
        if (signal !== undefined) reject(abortError(signal));
      };
      this.waiting.push(start);
      signal?.addEventListener("abort", stop, { once: true });
    });
  }
}
