import { createServer, request, type IncomingMessage, type RequestOptions, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Who answers for an address of the site. */
export type Answerer =
  /** An emulated exporter: what it says now. */
  | { kind: "text"; text: () => string }
  /** A real program on loopback. */
  | { kind: "port"; port: number }
  /** A real program in a network namespace, through a socket in the file system. */
  | { kind: "socket"; path: string };

const textFormat = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Stands where the site's network is: an HTTP proxy on loopback that knows who answers for which `host:port`. Prometheus'
 * targets keep their real addresses, and so their labels. An address that nobody answers for is one that refuses connections.
 */
export class Switchboard {
  private readonly answerers = new Map<string, Answerer>();
  private readonly open = new Set<Duplex>();

  private constructor(private readonly server: Server) {}

  static async listen(): Promise<Switchboard> {
    const server = createServer();
    const board = new Switchboard(server);
    server.on("request", (incoming: IncomingMessage, outgoing: ServerResponse) => board.answer(incoming, outgoing));
    server.on("connect", (incoming: IncomingMessage, client: Duplex, head: Buffer) => board.tunnel(incoming, client, head));
    server.on("connection", (socket: Socket) => board.keepTrackOf(socket));
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
    return board;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** @param address as a URL has it: host in lower case, `[...]` around IPv6, and always a port */
  set(address: string, answerer: Answerer): void {
    this.answerers.set(address, answerer);
  }

  remove(address: string): Answerer | undefined {
    const removed = this.answerers.get(address);
    this.answerers.delete(address);
    return removed;
  }

  async close(): Promise<void> {
    for (const socket of this.open) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private keepTrackOf(socket: Duplex): void {
    this.open.add(socket);
    socket.on("error", () => undefined).once("close", () => this.open.delete(socket));
  }

  private answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const target = URL.parse(incoming.url ?? "");
    const address = target === null ? "" : `${target.hostname}:${target.port === "" ? 80 : target.port}`;
    const answerer = this.answerers.get(address);
    if (target === null || answerer === undefined) {
      outgoing.writeHead(502, { "content-type": "text/plain" }).end(`nobody answers at ${address}\n`);
      return;
    }
    if (answerer.kind === "text") {
      outgoing.writeHead(200, { "content-type": textFormat }).end(answerer.text());
      return;
    }
    const where: RequestOptions = answerer.kind === "port" ? { host: "127.0.0.1", port: answerer.port } : { socketPath: answerer.path };
    const onward = request({ ...where, method: incoming.method, path: `${target.pathname}${target.search}`, headers: incoming.headers, agent: false }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    onward.on("error", (error) => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502, { "content-type": "text/plain" }).end(`${address}: ${error.message}\n`);
    });
    incoming.pipe(onward);
  }

  /** For programs that speak TLS with the other side. */
  private tunnel(incoming: IncomingMessage, client: Duplex, head: Buffer): void {
    const answerer = this.answerers.get(incoming.url ?? "");
    if (answerer === undefined || answerer.kind === "text") {
      client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      return;
    }
    const onward = answerer.kind === "port" ? connect(answerer.port, "127.0.0.1") : connect(answerer.path);
    this.keepTrackOf(onward);
    onward.once("connect", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.write(head);
      onward.pipe(client).pipe(onward);
    });
    onward.once("error", () => client.destroy());
    client.once("error", () => onward.destroy());
  }
}
