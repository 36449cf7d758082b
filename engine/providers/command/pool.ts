import { createHash } from "node:crypto";
import type { SshConnectionSettings } from "./connection";
import { ConnectionLostError, abortError } from "./errors";
import type { SshConnection } from "./ssh";
import { openConnection } from "./ssh";

/** A connection that nobody uses is closed after this long. */
const IDLE_MILLISECONDS = 5_000;

interface Entry {
  opening: Promise<SshConnection>;
  dialling: AbortController;
  connection?: SshConnection;
  users: number;
  idle?: NodeJS.Timeout;
  /** The way in; held for as long as this entry lives. */
  bastion?: Lease;
}

interface Lease {
  connection: SshConnection;
  release(): void;
}

export interface UseOptions {
  signal?: AbortSignal | undefined;
  onRetry?: ((message: string) => void) | undefined;
}

/**
 * Shares one connection per host (and login) among all who need it at the same time, since a handshake costs far more
 * than a session. Hosts behind the same bastion share the connection to it as well.
 */
export class ConnectionPool {
  private readonly entries = new Map<string, Entry>();

  /**
   * Runs `work` on a connection to the host. Where the connection turns out to be lost before the host has accepted a
   * command, `work` runs once more on a new one; after that, only the caller can know what may be repeated.
   */
  async use<T>(
    settings: SshConnectionSettings,
    options: UseOptions,
    work: (connection: SshConnection) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const lease = await this.lease(settings, options);
      try {
        return await work(lease.connection);
      } catch (error) {
        if (!(error instanceof ConnectionLostError) || error.commandStarted || attempt > 0) throw error;
      } finally {
        lease.release();
      }
    }
  }

  /** Closes every connection, used or not. */
  close(): void {
    for (const [key, entry] of this.entries) this.drop(key, entry);
  }

  private async lease(settings: SshConnectionSettings, options: UseOptions): Promise<Lease> {
    const key = createHash("sha256").update(JSON.stringify(settings)).digest("hex");
    const known = this.entries.get(key);
    const usable = known !== undefined && known.connection?.alive !== false ? known : undefined;
    const entry = usable ?? this.openEntry(key, settings, options);
    clearTimeout(entry.idle);
    entry.users++;
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      entry.users--;
      if (entry.users > 0) return;
      entry.idle = setTimeout(() => this.drop(key, entry), IDLE_MILLISECONDS);
    };
    try {
      return { connection: await orAbort(entry.opening, options.signal), release };
    } catch (error) {
      release();
      if (entry.users === 0) this.drop(key, entry);
      throw error;
    }
  }

  private openEntry(key: string, settings: SshConnectionSettings, options: UseOptions): Entry {
    const dialling = new AbortController();
    const open = async (): Promise<SshConnection> => {
      const signal = dialling.signal;
      if (settings.proxy === undefined) return openConnection(settings, { signal, onRetry: options.onRetry });
      const bastion = await this.lease(settings.proxy, { signal, onRetry: options.onRetry });
      entry.bastion = bastion;
      return openConnection(settings, { signal, onRetry: options.onRetry, bastion: bastion.connection });
    };
    const entry: Entry = { opening: open(), dialling, users: 0 };
    entry.opening.then(
      (connection) => {
        entry.connection = connection;
        if (dialling.signal.aborted) connection.close();
      },
      () => this.drop(key, entry),
    );
    this.entries.set(key, entry);
    return entry;
  }

  private drop(key: string, entry: Entry): void {
    clearTimeout(entry.idle);
    if (this.entries.get(key) === entry) this.entries.delete(key);
    entry.dialling.abort();
    entry.connection?.close();
    entry.bastion?.release();
  }
}

function orAbort<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(abortError(signal));
    if (signal.aborted) {
      stop();
      return;
    }
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
