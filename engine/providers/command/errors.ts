/**
 * What can go wrong between this machine and a host. Every class below is a `ConnectionError`, so a caller that only
 * wants to know "was it the way to the host or the command on it?" asks for that one.
 */
export abstract class ConnectionError extends Error {
  constructor(
    /** Address as given, for instance `10.20.0.11`. */
    readonly host: string,
    readonly port: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Nobody answered SSH at the address: refused, no route, unknown name, silence, or cut off during the handshake. */
export class HostUnreachableError extends ConnectionError {}

/** The host answered and refused every credential that was offered. */
export class AuthenticationError extends ConnectionError {}

/** A credential or host key in the settings cannot be read, so nothing was dialled. */
export class ConnectionSettingsError extends ConnectionError {}

/** The connection broke after it was established. Whether a running command finished is unknown. */
export class ConnectionLostError extends ConnectionError {
  constructor(
    host: string,
    port: number,
    message: string,
    /** True when the host had accepted a command that did not report its end. */
    readonly commandStarted: boolean,
    options?: ErrorOptions,
  ) {
    super(host, port, message, options);
  }
}

/** The host showed another key than the one the environment names. Never retried: nothing was sent to it. */
export class HostKeyError extends ConnectionError {
  constructor(
    host: string,
    port: number,
    /** Type and SHA-256 fingerprint as `ssh-keygen -l` prints them: `ssh-ed25519 SHA256:…`. */
    readonly expected: string,
    readonly shown: string,
  ) {
    super(
      host,
      port,
      `${host}:${String(port)} showed a host key that is not the one in the environment file.\n` +
        `  expected: ${expected}\n` +
        `  shown:    ${shown}\n` +
        `If the machine was reinstalled, read its key on its own console (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), ` +
        `compare, and put the new line in hostKey. If it was not, something else answers at this address: do not connect.`,
    );
  }
}

/** The run was stopped while this was under way. */
export function abortError(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new DOMException("the run was stopped", "AbortError");
}
