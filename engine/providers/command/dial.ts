import { Client } from "ssh2";
import type { ConnectConfig } from "ssh2";
import type { Readable } from "node:stream";
import type { Credentials } from "./auth";
import { credentials } from "./auth";
import type { SshEndpoint } from "./connection";
import { CONNECTION_DEFAULTS, addressOf, portOf } from "./connection";
import {
  AuthenticationError,
  ConnectionError,
  ConnectionSettingsError,
  HostKeyError,
  HostUnreachableError,
  abortError,
} from "./errors";
import { describeKey, hostKeyAlgorithms, parseHostKey } from "./host-key";
import type { HostKey } from "./host-key";

/** Between two dials: 100 ms, half as much again each time, at most 5 s. The same as Pulumi's own provider. */
const FIRST_DELAY_MILLISECONDS = 100;
const DELAY_GROWTH = 1.5;
const LONGEST_DELAY_MILLISECONDS = 5_000;

/**
 * A refused login is tried again, since a host that is still booting refuses everybody, but only this often and this
 * far apart: more would get the operator's address banned by fail2ban's defaults (five in ten minutes).
 */
const LOGIN_RETRIES = 3;
const LOGIN_RETRY_MILLISECONDS = 5_000;

const KEEPALIVE_MILLISECONDS = 15_000;
const KEEPALIVES_UNANSWERED = 4;

export interface DialOptions {
  signal?: AbortSignal | undefined;
  /** Told about each failed dial that will be repeated. */
  onRetry?: ((message: string) => void) | undefined;
  /** Opens the way to the endpoint, for instance through a bastion; absent means a TCP connection from here. */
  openSocket?: (() => Promise<Readable>) | undefined;
  /** Called before each wait between dials. @default a timer that ends early when the signal is aborted */
  wait?: ((milliseconds: number, signal?: AbortSignal) => Promise<void>) | undefined;
}

export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      if (signal !== undefined) reject(abortError(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted === true) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

function levelOf(error: Error): string | undefined {
  return (error as Error & { level?: string }).level;
}

/** One attempt: TCP, handshake, host key, login. */
function dialOnce(
  endpoint: SshEndpoint,
  { handler, offered }: Credentials,
  expected: HostKey | undefined,
  socket: Readable | undefined,
  signal: AbortSignal | undefined,
): Promise<Client> {
  return new Promise((resolve, reject) => {
    const client = new Client();
    let refusal: HostKeyError | undefined;
    let settled = false;

    const finish = (act: () => void): void => {
      if (settled) return;
      settled = true;
      signal?.removeEventListener("abort", onAbort);
      act();
    };
    const fail = (error: Error): void =>
      finish(() => {
        client.destroy();
        socket?.destroy();
        reject(error);
      });
    const unreachable = (cause: Error): HostUnreachableError =>
      new HostUnreachableError(endpoint.host, portOf(endpoint), cause.message || cause.name, { cause });
    const onAbort = (): void => {
      if (signal !== undefined) fail(abortError(signal));
    };

    client.on("connect", () => client.setNoDelay(true));
    client.on("ready", () => finish(() => resolve(client)));
    client.on("error", (error: Error) => {
      if (levelOf(error) === "agent") return;
      if (refusal !== undefined) fail(refusal);
      else if (levelOf(error) === "client-authentication") {
        fail(
          new AuthenticationError(
            endpoint.host,
            portOf(endpoint),
            `${addressOf(endpoint)} refused user ${endpoint.user ?? CONNECTION_DEFAULTS.user}; offered: ${offered}`,
          ),
        );
      } else fail(unreachable(error));
    });
    client.on("close", () => fail(refusal ?? unreachable(new Error("the host closed the connection during the handshake"))));

    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    signal?.addEventListener("abort", onAbort, { once: true });

    const config: ConnectConfig = {
      host: endpoint.host,
      port: portOf(endpoint),
      username: endpoint.user ?? CONNECTION_DEFAULTS.user,
      authHandler: handler,
      readyTimeout: (endpoint.perDialTimeout ?? CONNECTION_DEFAULTS.perDialTimeout) * 1_000,
      keepaliveInterval: KEEPALIVE_MILLISECONDS,
      keepaliveCountMax: KEEPALIVES_UNANSWERED,
      algorithms: { serverHostKey: hostKeyAlgorithms(expected) },
      hostVerifier: (key: Buffer) => {
        if (expected === undefined || key.equals(expected.blob)) return true;
        refusal = new HostKeyError(endpoint.host, portOf(endpoint), describeKey(expected.blob), describeKey(key));
        return false;
      },
    };
    try {
      client.connect(socket === undefined ? config : { ...config, sock: socket });
    } catch (error) {
      fail(unreachable(error instanceof Error ? error : new Error(String(error))));
    }
  });
}

/** Where the key in the settings cannot be read, nothing may be dialled: an unreadable key must not mean "any key". */
function expectedHostKey(endpoint: SshEndpoint): HostKey | undefined {
  if (endpoint.hostKey === undefined) return undefined;
  const key = parseHostKey(endpoint.hostKey);
  if (key !== undefined) return key;
  throw new ConnectionSettingsError(
    endpoint.host,
    portOf(endpoint),
    `failed to parse host key of ${addressOf(endpoint)}: hostKey is "${endpoint.hostKey.slice(0, 60)}", wanted one line ` +
      `such as "ssh-ed25519 AAAA…". ssh-keyscan -p ${String(portOf(endpoint))} ${endpoint.host} prints it; compare it ` +
      `with the machine's console before you trust it.`,
  );
}

function giveUp(endpoint: SshEndpoint, error: ConnectionError, retries: number): ConnectionError {
  const after = `after ${String(retries)} failed attempt${retries === 1 ? "" : "s"}`;
  if (error instanceof AuthenticationError) {
    return new AuthenticationError(
      error.host,
      error.port,
      `${error.message} (${after}). Put the public key into that user's authorized_keys, or correct user and key.`,
      { cause: error },
    );
  }
  return new HostUnreachableError(
    error.host,
    error.port,
    `${addressOf(endpoint)} could not be reached ${after}: ${error.message}. ` +
      `Check that the machine is on, that address and port are right, and that nothing between drops the connection.`,
    { cause: error.cause ?? error },
  );
}

/**
 * Connects and logs in, repeating failed dials as `dialErrorLimit` allows.
 *
 * @throws HostUnreachableError, AuthenticationError, HostKeyError, ConnectionSettingsError, or the signal's reason.
 */
export async function dial(endpoint: SshEndpoint, options: DialOptions = {}): Promise<Client> {
  const expected = expectedHostKey(endpoint);
  const limit = endpoint.dialErrorLimit ?? CONNECTION_DEFAULTS.dialErrorLimit;
  const wait = options.wait ?? pause;
  let delay = FIRST_DELAY_MILLISECONDS;
  let loginRefusals = 0;

  for (let retries = 0; ; retries++) {
    try {
      const login = await credentials(endpoint);
      const socket = await options.openSocket?.();
      return await dialOnce(endpoint, login, expected, socket, options.signal);
    } catch (error) {
      const repeatable = error instanceof HostUnreachableError || error instanceof AuthenticationError;
      if (!repeatable || options.signal?.aborted === true) throw error;
      if (error instanceof AuthenticationError) loginRefusals++;
      if ((limit >= 0 && retries >= limit) || loginRefusals > LOGIN_RETRIES) throw giveUp(endpoint, error, retries);
      options.onRetry?.(`Dial ${String(retries + 1)}/${limit < 0 ? "inf" : String(limit)} failed: retrying`);
      await wait(error instanceof AuthenticationError ? LOGIN_RETRY_MILLISECONDS : delay, options.signal);
      delay = Math.min(delay * DELAY_GROWTH, LONGEST_DELAY_MILLISECONDS);
    }
  }
}
