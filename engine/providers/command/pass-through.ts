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
  let exit: number | null = null;
  const close = (): void => {
    channel.close();
    channel.resume();
  };
  let onLoss = (): void => undefined;
  const broken = new Promise<never>((_, reject) => {
    onLoss = () => reject(lost());
  });
  channel.stderr.on("data", (bytes: Buffer) => stderr.add(bytes));
  channel.on("exit", (code: number | null) => (exit = code));
  client.once("close", onLoss);
  signal?.addEventListener("abort", close, { once: true });
  const closed = new Promise<void>((resolve) => channel.once("close", () => resolve()));
  const target = output ?? nowhere();
  // Not by `pipeline`: it waits for the channel to close, which ssh2's does only once all that it carries was read.
  const received = new Promise<void>((resolve, reject) => {
    target.once("error", reject).once("finish", resolve).once("close", resolve);
    channel.pipe(target);
  });
  // A command that ends without reading all of its input is judged by how it ended.
  const sent = input === undefined ? Promise.resolve(channel.end()) : pipeline(input, channel).catch(unlessClosed);
  try {
    await Promise.race([Promise.all([received, sent, closed]), broken]);
    if (signal?.aborted === true) throw abortError(signal);
    return { code: exit, stderr: stderr.finish() };
  } catch (error) {
    channel.unpipe(target);
    target.destroy();
    close();
    if (signal?.aborted === true) throw abortError(signal);
    throw error;
  } finally {
    client.removeListener("close", onLoss);
    signal?.removeEventListener("abort", close);
  }
}
