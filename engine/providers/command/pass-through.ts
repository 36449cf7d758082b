import type { Client, ClientChannel } from "ssh2";
import { pipeline } from "node:stream/promises";
import { Writable } from "node:stream";
import { abortError } from "./errors";
import { LineCollector } from "./lines";
import type { StreamOptions, StreamResult } from "./ssh";

const nowhere = (): Writable => new Writable({ write: (_bytes, _encoding, done) => done() });

/** What a write says to a channel that the other side has closed. */
const CLOSED = new Set(["ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED", "ERR_STREAM_WRITE_AFTER_END", "EOF", "EPIPE"]);

function unlessClosed(error: unknown): void {
  if (!CLOSED.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
}

/** Moves bytes through a running command until it ends and both streams are done. */
export async function passThrough(channel: ClientChannel, { input, output, signal }: StreamOptions, client: Client, lost: () => Error): Promise<StreamResult> {
  const stderr = new LineCollector();
  const seen: { exit?: number | null; broken: boolean } = { broken: false };
  const close = (): void => {
    channel.close();
  };
  const onLoss = (): void => {
    seen.broken = true;
    channel.destroy();
  };
  channel.stderr.on("data", (bytes: Buffer) => stderr.add(bytes));
  channel.on("exit", (code: number | null) => (seen.exit = code));
  client.once("close", onLoss);
  signal?.addEventListener("abort", close, { once: true });
  const closed = new Promise<void>((resolve) => channel.once("close", () => resolve()));
  const received = pipeline(channel, output ?? nowhere(), { end: true });
  // A command that ends without reading all of its input is judged by how it ended.
  const sent = input === undefined ? Promise.resolve(channel.end()) : pipeline(input, channel).catch(unlessClosed);
  try {
    const results = await Promise.allSettled([received, sent, closed]);
    if (signal?.aborted === true) throw abortError(signal);
    if (seen.broken && seen.exit === undefined) throw lost();
    for (const result of results) if (result.status === "rejected") throw result.reason as Error;
    return { code: seen.exit ?? null, stderr: stderr.finish() };
  } finally {
    client.removeListener("close", onLoss);
    signal?.removeEventListener("abort", close);
  }
}
