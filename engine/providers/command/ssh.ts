import type { Client, ClientChannel, SFTPWrapper } from "ssh2";
import type { Duplex, Readable, Writable } from "node:stream";
import type { SshConnectionSettings, SshEndpoint } from "./connection";
import { addressOf, portOf } from "./connection";
import { dial, pause } from "./dial";
import type { DialOptions } from "./dial";
import { ConnectionError, ConnectionLostError, HostUnreachableError, abortError } from "./errors";
import { LineCollector } from "./lines";
import { passThrough } from "./pass-through";
import { Slots } from "./slots";
import { signalCommand } from "./ssh2-signal";
import type { UploadSource } from "./upload";
import { upload } from "./upload";

/** OpenSSH allows ten sessions a connection unless MaxSessions says otherwise; two are left for others. */
const SESSIONS_PER_CONNECTION = 8;

/** How long a command that was asked to stop may take before it is killed. */
const STOP_GRACE_MILLISECONDS = 5_000;

/** How long a killed command's channel may take to close; what it left in the background can hold it open for ever. */
const LAST_WORDS_MILLISECONDS = 500;

const SESSION_ATTEMPTS = 8;
const FIRST_SESSION_DELAY_MILLISECONDS = 25;
const LONGEST_SESSION_DELAY_MILLISECONDS = 1_000;

/** Reasons of RFC 4254, 5.1, with which hosts refuse a session for want of room: connect failed, resource shortage. */
const NO_ROOM = [2, 4];

function isSessionRefusal(error: unknown): boolean {
  return error instanceof Error && "reason" in error && NO_ROOM.includes(Number(error.reason));
}

const DISCONNECTED = /^(No response from server|Not connected|Channel is not open)/;

export interface ExecOptions {
  /** Given to the command as standard input, which is closed after it. @default empty */
  stdin?: string;
  /** Sent as SSH environment requests. The host takes only what its AcceptEnv lists: see `acceptsEnvironment`. */
  env?: Record<string, string>;
  /** Called with each complete line as it arrives, without its line end. */
  onStdout?: (line: string) => void;
  onStderr?: (line: string) => void;
  /**
   * Aborting sends SIGTERM to the command and, after `graceMilliseconds`, SIGKILL, and closes the channel. OpenSSH
   * passes no signal on to a command of root: such a command meets a closed pipe at its next line of output.
   */
  signal?: AbortSignal | undefined;
  /** @default 5000 */
  graceMilliseconds?: number;
}

export interface StreamOptions {
  /** @default - nothing */
  input?: Readable;
  /** @default - what the command writes is dropped */
  output?: Writable;
  /** Aborting it closes the channel. */
  signal?: AbortSignal | undefined;
}

export interface StreamResult {
  /** Exit status; null where a signal ended the command. */
  code: number | null;
  stderr: string;
}

export interface ExecResult {
  /** Exit status; null where a signal ended the command. */
  code: number | null;
  /** Name without `SIG`, for instance `KILL`. */
  signal?: string;
  stdout: string;
  stderr: string;
  /** stdout and stderr in the order of arrival. */
  output: string;
}

export interface SshConnection {
  readonly settings: SshConnectionSettings;
  /** False once the connection is closed or lost. */
  readonly alive: boolean;
  /**
   * Runs one command line with the login user's shell. A non-zero exit status is a result, not an error.
   *
   * @throws ConnectionLostError where the connection broke; `commandStarted` tells whether the command may have run.
   */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /** Copies a file, a folder or a text over SFTP; see `upload` for where it lands. */
  upload(source: UploadSource, remotePath: string, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /** Which of these environment variables the host passes on to commands. Asked once per name and connection. */
  acceptsEnvironment(names: string[], signal?: AbortSignal): Promise<Set<string>>;
  /**
   * Runs one command line and passes bytes through it: `input` to its standard input, its standard output to `output`,
   * which is ended with it. For what is too long to hold, or no text.
   *
   * @throws ConnectionLostError where the connection broke; the error of a stream that broke.
   */
  stream(command: string, options: StreamOptions): Promise<StreamResult>;
  /** A TCP stream from the host to another address, as a bastion gives it. */
  forward(host: string, port: number): Promise<Duplex>;
  /** Listens on the host's loopback, on a port that the host chooses, until the connection is closed. */
  listen(accept: (stream: Duplex) => void): Promise<number>;
  close(): void;
}

export interface OpenOptions extends Omit<DialOptions, "openSocket"> {
  /** An open connection to `settings.proxy`, shared by many hosts; it stays open when this one closes. */
  bastion?: SshConnection;
}

class Connection implements SshConnection {
  private readonly sessions = new Slots(SESSIONS_PER_CONNECTION);
  private readonly environment = new Map<string, boolean>();
  private lossReason: Error | undefined;
  private lost = false;

  constructor(
    readonly settings: SshConnectionSettings,
    private readonly client: Client,
    private readonly onClose: () => void,
  ) {
    client.on("error", (error: Error) => (this.lossReason ??= error));
    client.on("close", () => {
      this.lost = true;
      this.onClose();
    });
  }

  get alive(): boolean {
    return !this.lost;
  }

  exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    return this.session(options.signal, () =>
      this.open<ClientChannel, ExecResult>(
        (opened) => this.client.exec(command, options.env === undefined ? {} : { env: options.env }, opened),
        (channel) => this.collect(channel, options),
      ),
    );
  }

  upload(source: UploadSource, remotePath: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    return this.session(signal, async () => {
      const sftp = await this.open<SFTPWrapper, SFTPWrapper>((opened) => this.client.sftp(opened), (wrapper) => wrapper);
      const stop = (): void => sftp.end();
      signal?.addEventListener("abort", stop, { once: true });
      try {
        await upload(sftp, source, remotePath);
      } catch (error) {
        if (signal?.aborted === true) throw abortError(signal);
        if (this.disconnected(error)) throw this.loss(true, error);
        throw error;
      } finally {
        signal?.removeEventListener("abort", stop);
        sftp.end();
      }
    });
  }

  async acceptsEnvironment(names: string[], signal?: AbortSignal): Promise<Set<string>> {
    const unknown = names.filter((name) => !this.environment.has(name));
    if (unknown.length > 0) {
      // The protocol can report a refused variable, ssh2 does not pass the report on; the host's own listing does.
      const probe = "rackwright-probe";
      const env = Object.fromEntries(unknown.map((name) => [name, probe]));
      const { stdout } = await this.exec("env", { env, signal });
      const lines = new Set(stdout.split("\n"));
      for (const name of unknown) this.environment.set(name, lines.has(`${name}=${probe}`));
    }
    return new Set(names.filter((name) => this.environment.get(name) === true));
  }

  forward(host: string, port: number): Promise<Duplex> {
    return this.open<ClientChannel, Duplex>(
      (opened) => this.client.forwardOut("127.0.0.1", 0, host, port, opened),
      (channel) => channel,
    );
  }

  stream(command: string, options: StreamOptions): Promise<StreamResult> {
    return this.session(options.signal, () =>
      this.open<ClientChannel, StreamResult>(
        (opened) => this.client.exec(command, opened),
        (channel) => passThrough(channel, options, this.client, () => this.loss(true, undefined)),
      ),
    );
  }

  async listen(accept: (stream: Duplex) => void): Promise<number> {
    const port = await this.open<number, number>((opened) => this.client.forwardIn("127.0.0.1", 0, opened), (given) => given);
    this.client.on("tcp connection", (details, take) => {
      if (details.destPort === port) accept(take());
    });
    return port;
  }

  close(): void {
    this.client.end();
  }

  /**
   * Runs `work` in a session. A host refuses one while it has no room: its MaxSessions may be lower than usual, and it
   * counts a session until it has collected the command, a little after it reported the end. Nothing has started then,
   * so it is asked again: for as long as sessions of ours are open, else eight times.
   */
  private session<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    return this.sessions.use(signal, async () => {
      let refusals = 0;
      for (let delay = FIRST_SESSION_DELAY_MILLISECONDS; ; delay = Math.min(2 * delay, LONGEST_SESSION_DELAY_MILLISECONDS)) {
        try {
          return await work();
        } catch (error) {
          if (!isSessionRefusal(error)) throw error;
          if (this.sessions.taken <= 1 && ++refusals >= SESSION_ATTEMPTS) {
            const message = `${addressOf(this.settings)} opens no session for commands; see MaxSessions and its sshd's log`;
            throw new Error(message, { cause: error });
          }
        }
        await pause(delay, signal);
      }
    });
  }

  /** Calls under way are failed by ssh2 before it announces that the connection is gone, hence the texts. */
  private disconnected(error: unknown): boolean {
    return this.lost || (error instanceof Error && DISCONNECTED.test(error.message));
  }

  private loss(commandStarted: boolean, cause: unknown): ConnectionLostError {
    const reason = this.lossReason?.message ?? (cause instanceof Error ? cause.message : undefined);
    return new ConnectionLostError(
      this.settings.host,
      portOf(this.settings),
      `the connection to ${addressOf(this.settings)} was lost${reason === undefined ? "" : ` (${reason})`}` +
        (commandStarted ? "; whether what was running there finished is not known" : ""),
      commandStarted,
      { cause },
    );
  }

  /** `use` runs as soon as the host has agreed: the end of a quick command can lie in the same packet. */
  private open<T, R>(
    start: (opened: (error: Error | undefined, value: T) => void) => unknown,
    use: (value: T) => R | PromiseLike<R>,
  ): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const fail = (error: unknown): void => {
        reject(error instanceof Error && !this.disconnected(error) ? error : this.loss(false, error));
      };
      const onClose = (): void => fail(undefined);
      if (this.lost) {
        fail(undefined);
        return;
      }
      this.client.once("close", onClose);
      const opened = (error: Error | undefined, value: T): void => {
        this.client.removeListener("close", onClose);
        if (error === undefined) resolve(use(value));
        else fail(error);
      };
      try {
        start(opened);
      } catch (error) {
        this.client.removeListener("close", onClose);
        fail(error);
      }
    });
  }

  private collect(channel: ClientChannel, options: ExecOptions): Promise<ExecResult> {
    return new Promise((resolve, reject) => {
      const stdout = new LineCollector(options.onStdout);
      const stderr = new LineCollector(options.onStderr);
      const both = new LineCollector();
      let exit: { code: number | null; signal?: string } | undefined;
      let stopping: AbortSignal | undefined;
      let kill: NodeJS.Timeout | undefined;

      channel.on("data", (bytes: Buffer) => {
        stdout.add(bytes);
        both.add(bytes);
      });
      channel.stderr.on("data", (bytes: Buffer) => {
        stderr.add(bytes);
        both.add(bytes);
      });
      channel.on("exit", (code: number | null, signal?: string) => {
        exit = signal === undefined ? { code } : { code, signal: signal.replace(/^SIG/, "") };
      });

      const finish = (): void => {
        clearTimeout(kill);
        channel.removeListener("close", onceRead);
        options.signal?.removeEventListener("abort", stop);
        this.client.removeListener("close", finish);
        const result = { stdout: stdout.finish(), stderr: stderr.finish(), output: both.finish() };
        if (stopping !== undefined) reject(abortError(stopping));
        else if (exit !== undefined) resolve({ ...exit, ...result });
        else if (this.lost) reject(this.loss(true, undefined));
        else reject(new Error("wait: remote command exited without exit status or exit signal"));
      };
      const stop = (): void => {
        stopping = options.signal;
        signalCommand(this.client, channel, "TERM");
        kill = setTimeout(() => {
          signalCommand(this.client, channel, "KILL");
          channel.close();
          kill = setTimeout(finish, LAST_WORDS_MILLISECONDS);
        }, options.graceMilliseconds ?? STOP_GRACE_MILLISECONDS);
      };

      // ssh2 announces the end once standard output is read; the rest of standard error can still be on its way.
      const onceRead = (): void => {
        if (channel.stderr.readableEnded || channel.stderr.destroyed) finish();
        else channel.stderr.once("end", finish);
      };
      channel.once("close", onceRead);
      this.client.once("close", finish);
      channel.on("error", () => undefined);
      if (options.signal?.aborted === true) stop();
      else options.signal?.addEventListener("abort", stop, { once: true });
      channel.end(options.stdin ?? "");
    });
  }
}

async function through(bastion: SshConnection, target: SshEndpoint): Promise<Duplex> {
  try {
    return await bastion.forward(target.host, portOf(target));
  } catch (error) {
    if (error instanceof ConnectionError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new HostUnreachableError(
      target.host,
      portOf(target),
      `the bastion ${addressOf(bastion.settings)} has no way to it: ${reason}`,
      { cause: error },
    );
  }
}

/**
 * Opens a connection to a host, through its bastion where `settings.proxy` names one.
 *
 * The host key is checked where `hostKey` is given; a host that shows another key is refused before any credential is
 * sent. Failed dials are repeated up to `dialErrorLimit`. Keepalives notice a dead host within a minute.
 *
 * @throws HostUnreachableError, AuthenticationError, HostKeyError, ConnectionSettingsError (all of them
 *   `ConnectionError`), or the signal's reason.
 */
export async function openConnection(settings: SshConnectionSettings, options: OpenOptions = {}): Promise<SshConnection> {
  const { bastion: given, ...dialing } = options;
  if (settings.proxy === undefined) {
    return new Connection(settings, await dial(settings, dialing), () => undefined);
  }
  const bastion = given ?? (await openConnection(settings.proxy, dialing));
  const release = (): void => {
    if (given === undefined) bastion.close();
  };
  try {
    const client = await dial(settings, { ...dialing, openSocket: () => through(bastion, settings) });
    return new Connection(settings, client, release);
  } catch (error) {
    release();
    throw error;
  }
}

export {
  AuthenticationError,
  ConnectionError,
  ConnectionLostError,
  ConnectionSettingsError,
  HostKeyError,
  HostUnreachableError,
} from "./errors";
export type { SshConnectionSettings, SshEndpoint } from "./connection";
export type { UploadSource } from "./upload";
