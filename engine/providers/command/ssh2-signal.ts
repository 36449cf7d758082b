import type { Client, ClientChannel } from "ssh2";

interface ClientInternals {
  _protocol?: { signal(channel: number, name: string): void };
}

interface ChannelInternals {
  outgoing: { id: number; state: string };
}

/**
 * Sends a signal to a running remote command. `ClientChannel.signal` does nothing once standard input is closed, which
 * it always is here, although the protocol allows it; hence the way around it.
 */
export function signalCommand(client: Client, channel: ClientChannel, name: "TERM" | "KILL"): void {
  const { outgoing } = channel as unknown as ChannelInternals;
  if (outgoing.state === "closed") return;
  (client as unknown as ClientInternals)._protocol?.signal(outgoing.id, name);
}
