import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pause } from "../process";

/** What calls a webhook gives up by itself after 10 s. */
const patienceMilliseconds = 9000;

/**
 * The way from the API server to services of its cluster, which has no network: a proxy that leads to processes
 * of this machine what is on its list, and refuses everything else.
 */
export class Egress {
  private readonly ports = new Map<string, number>();

  private constructor(
    private readonly server: Server,
    /** Socket that the API server is told of. */
    readonly socket: string,
  ) {}

  static async listen(): Promise<Egress> {
    const server = createServer((_request, response) => response.writeHead(405).end());
    // The API server panics at a proxy with a port and without TLS. The path is short, for sockets have room for 108 characters.
    const path = join(tmpdir(), `rackwright-${process.pid}-${randomBytes(4).toString("hex")}`);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    const egress = new Egress(server, path);
    server.on("connect", (request: IncomingMessage, socket: Socket) => {
      void egress.lead(request.url ?? "", socket);
    });
    return egress;
  }

  /** From now on, a host such as `10.43.0.7:443` is a port of this machine. */
  route(host: string, port: number): void {
    this.ports.set(host, port);
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  /** The process behind a port may be about to start. */
  private async lead(host: string, socket: Socket): Promise<void> {
    socket.on("error", () => socket.destroy());
    const until = Date.now() + patienceMilliseconds;
    while (Date.now() < until && !socket.destroyed) {
      const port = this.ports.get(host);
      const upstream = port === undefined ? undefined : await dial(port);
      if (upstream === undefined) {
        await pause(100);
        continue;
      }
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.on("error", () => socket.destroy());
      socket.on("error", () => upstream.destroy());
      upstream.pipe(socket);
      socket.pipe(upstream);
      return;
    }
    socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  }
}

function dial(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", () => resolve(undefined));
  });
}
