import { createServer, connect } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

/** Stands between clients and an API server, so that a test can take the server away and bring it back. */
export class Gate {
  private readonly sockets = new Set<Socket>();
  private open = true;
  /** Lets the next request through and drops its answer. */
  private losing = false;
  private lost = 0;

  private constructor(
    private readonly server: Server,
    private readonly port: number,
  ) {}

  static async before(kubeconfig: string): Promise<Gate> {
    const port = Number(new URL(serverOf(kubeconfig)).port);
    const server = createServer();
    const gate = new Gate(server, port);
    server.on("connection", (socket) => { gate.pass(socket); });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return gate;
  }

  /** The same kubeconfig, leading through the gate. */
  through(kubeconfig: string): string {
    const { port } = this.server.address() as AddressInfo;
    return kubeconfig.replace(serverOf(kubeconfig), `https://127.0.0.1:${String(port)}`);
  }

  /** The server is gone: connections break, new ones are refused. */
  shut(): void {
    this.open = false;
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  reopen(): void {
    this.open = true;
  }

  /** The next write arrives, and its answer never does. @returns how many answers were lost so far */
  loseNextAnswer(): void {
    this.losing = true;
  }

  get answersLost(): number {
    return this.lost;
  }

  close(): void {
    this.shut();
    this.server.close();
  }

  private pass(socket: Socket): void {
    socket.on("error", () => undefined);
    if (!this.open) {
      socket.resetAndDestroy();
      return;
    }
    const target = connect(this.port, "127.0.0.1");
    for (const one of [socket, target]) {
      this.sockets.add(one);
      one.on("close", () => this.sockets.delete(one));
    }
    target.on("error", () => { socket.destroy(); });
    let sent = false;
    socket.on("data", (data) => {
      sent = true;
      target.write(data);
    });
    target.on("data", (data) => {
      // Records of a handshake begin with 22 or 20; 23 is what the server says to a request.
      if (this.losing && sent && data[0] === 23) {
        this.losing = false;
        this.lost++;
        socket.resetAndDestroy();
        target.destroy();
        return;
      }
      socket.write(data);
    });
    socket.on("close", () => { target.destroy(); });
    target.on("close", () => { socket.destroy(); });
  }
}

function serverOf(kubeconfig: string): string {
  const found = /"server":\s*"([^"]+)"/.exec(kubeconfig)?.[1];
  if (found === undefined) throw new Error("the kubeconfig names no server");
  return found;
}
