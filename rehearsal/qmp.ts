import type { Readable, Writable } from "node:stream";
import { RehearsalError } from "./process";

interface QmpMessage {
  return?: unknown;
  error?: { class: string; desc: string };
  event?: string;
  data?: Record<string, unknown>;
  QMP?: unknown;
}

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** QEMU's machine protocol: one JSON document a line; answers come in the order of the commands, events in between. */
export class Qmp {
  private readonly answers: Waiting<unknown>[] = [];
  private readonly watchers = new Set<(event: string, data: Record<string, unknown>) => void>();
  private unfinished = "";
  private closed: RehearsalError | undefined;

  constructor(
    from: Readable,
    private readonly to: Writable,
  ) {
    from.setEncoding("utf8");
    from.on("data", (text: string) => this.read(text));
    from.on("close", () => this.fail(new RehearsalError("The emulated server is no longer running.")));
    to.on("error", () => this.fail(new RehearsalError("The emulated server is no longer running.")));
  }

  /** Must be the first command. */
  async negotiate(): Promise<void> {
    await this.execute("qmp_capabilities");
  }

  execute(command: string, args: Record<string, unknown> = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.closed !== undefined) {
        reject(this.closed);
        return;
      }
      this.answers.push({ resolve, reject });
      this.to.write(JSON.stringify({ execute: command, arguments: args }) + "\n");
    });
  }

  /** Resolves with the first event that matches. Call it before the command that causes the event. */
  waitFor(event: string, matches: (data: Record<string, unknown>) => boolean, timeoutSeconds: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const watcher = (name: string, data: Record<string, unknown>): void => {
        if (name === event && matches(data)) finish(resolve);
      };
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        this.watchers.delete(watcher);
        settle();
      };
      const timer = setTimeout(() => finish(() => reject(new RehearsalError(`The emulator did not report ${event} within ${timeoutSeconds} s.`))), timeoutSeconds * 1000);
      this.watchers.add(watcher);
    });
  }

  private read(text: string): void {
    const lines = (this.unfinished + text).split("\n");
    this.unfinished = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") this.take(JSON.parse(line) as QmpMessage);
  }

  private take(message: QmpMessage): void {
    if (message.event !== undefined) {
      for (const watcher of [...this.watchers]) watcher(message.event, message.data ?? {});
    } else if (message.QMP === undefined) {
      const waiting = this.answers.shift();
      if (message.error === undefined) waiting?.resolve(message.return);
      else waiting?.reject(new RehearsalError(`The emulator refused a command: ${message.error.desc}`));
    }
  }

  private fail(error: RehearsalError): void {
    this.closed ??= error;
    for (const waiting of this.answers.splice(0)) waiting.reject(error);
  }
}
