import { Server } from "ssh2";
import type { AuthContext, Connection, ServerChannel, Session } from "ssh2";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import type { KeyPair } from "./sshd";

/** What a host that misbehaves on purpose does with one command. */
export type OnCommand = (command: string, channel: ServerChannel, connection: Connection, session: Session) => void;

export interface FakeHost {
  port: number;
  /** Commands that were accepted, in order. */
  commands: string[];
  /** Connections that were opened so far. */
  connections(): number;
  /** Most sessions that were open at the same time. */
  mostSessions(): number;
  /** Signals that were sent to commands. */
  signals: string[];
  /** Cuts every open connection without a word. */
  cut(): void;
  stop(): Promise<void>;
}

export interface FakeHostOptions {
  hostKey: KeyPair;
  /** Decides over a login. @default everybody is let in */
  onLogin?: (context: AuthContext) => void;
  onCommand: OnCommand;
  acceptsEnvironment?: string[];
}

/** An SSH server on loopback for the faults that a healthy sshd does not produce. */
export async function startFakeHost(options: FakeHostOptions): Promise<FakeHost> {
  const sockets = new Set<Socket>();
  const commands: string[] = [];
  const signals: string[] = [];
  let connections = 0;
  let sessions = 0;
  let mostSessions = 0;

  // ssh2's server has no event for a signal to a running command; its account of what came in has it.
  const debug = (message: string): void => {
    const name = /Inbound: CHANNEL_REQUEST \(r:\d+, signal: (\w+)\)/.exec(message)?.[1];
    if (name !== undefined) signals.push(name);
  };
  const server = new Server({ hostKeys: [options.hostKey.privateKey], debug }, (connection) => {
    connections++;
    connection.on("error", () => undefined);
    connection.on("authentication", (context) => {
      if (options.onLogin === undefined) context.accept();
      else options.onLogin(context);
    });
    connection.on("session", (accept) => {
      const session = accept();
      const environment: Record<string, string> = {};
      sessions++;
      mostSessions = Math.max(mostSessions, sessions);
      session.on("close", () => sessions--);
      session.on("env", (acceptEnv, rejectEnv, info) => {
        const taken = options.acceptsEnvironment?.includes(info.key) === true;
        if (taken) environment[info.key] = info.val;
        (taken ? (acceptEnv as (() => void) | undefined) : (rejectEnv as (() => void) | undefined))?.();
      });
      session.on("exec", (acceptExec, _reject, info) => {
        const channel = acceptExec();
        channel.on("error", () => undefined);
        if (info.command === "env") {
          for (const [key, value] of Object.entries(environment)) channel.write(`${key}=${value}\n`);
          channel.exit(0);
          channel.end();
          return;
        }
        commands.push(info.command);
        options.onCommand(info.command, channel, connection, session);
      });
    });
  });
  const listener = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    server.injectSocket(socket);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (listener.address() as AddressInfo).port,
    commands,
    signals,
    connections: () => connections,
    mostSessions: () => mostSessions,
    cut,
    stop: () =>
      new Promise((resolve) => {
        cut();
        listener.close(() => resolve());
      }),
  };
}

/** Ends a command as an orderly host would. */
export function answer(channel: ServerChannel, text: string, code = 0): void {
  channel.write(text);
  channel.exit(code);
  channel.end();
}
