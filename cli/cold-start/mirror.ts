import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createSecureContext, TLSSocket } from "node:tls";
import * as path from "node:path";
import type { Duplex } from "node:stream";
import { setFiles, type Inventory } from "../../components/recovery/cold-start/set";

/** A self-signed certificate for the hosts whose downloads were saved over https. */
export interface MirrorCertificate {
  certificate: string;
  privateKey: string;
}

/** The downloads of a set by address: what servers ask their package sources for is answered from here. */
export class SetMirror {
  private readonly byAddress = new Map<string, { file: string; bytes: number }>();
  private readonly bySum = new Map<string, { file: string; bytes: number }>();
  private readonly plain = this.serverOf("http");
  private readonly secure = this.serverOf("https");

  /** @param refused told every address that is asked for and is not in the set */
  constructor(
    folder: string,
    inventory: Inventory,
    private readonly certificate: MirrorCertificate | undefined,
    private readonly refused: (address: string) => void,
  ) {
    for (const { path: name, bytes, sha256 } of inventory.files) {
      const [top, scheme, host, ...rest] = name.split("/");
      if (top !== setFiles.mirror || scheme === undefined || host === undefined) continue;
      const entry = { file: path.join(folder, name), bytes };
      this.byAddress.set(addressOf(scheme, host, rest.join("/")), entry);
      this.bySum.set(sha256, entry);
    }
    this.plain.on("connect", (request: IncomingMessage, socket: Duplex) => this.tunnel(request, socket));
  }

  /** Answers a client of the proxy on a stream that somebody else has opened. */
  accept(stream: Duplex): void {
    stream.on("error", () => stream.destroy());
    this.plain.emit("connection", stream);
  }

  private serverOf(scheme: "http" | "https"): Server {
    return createServer((request, response) => this.answer(scheme, request, response));
  }

  private tunnel({ url = "" }: IncomingMessage, socket: Duplex): void {
    if (this.certificate === undefined) {
      this.refused(`https://${url}`);
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
      return;
    }
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    const secureContext = createSecureContext({ cert: this.certificate.certificate, key: this.certificate.privateKey });
    const inner = new TLSSocket(socket, { isServer: true, secureContext });
    inner.on("error", () => inner.destroy());
    this.secure.emit("connection", inner);
  }

  private answer(scheme: "http" | "https", request: IncomingMessage, response: ServerResponse): void {
    const entry = this.find(scheme, request);
    if (entry === undefined || !["GET", "HEAD"].includes(request.method ?? "")) {
      this.refused(this.wanted(scheme, request) ?? request.url ?? "");
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-length": entry.bytes, "content-type": "application/octet-stream" });
    if (request.method === "HEAD") response.end();
    else createReadStream(entry.file).on("error", () => response.destroy()).pipe(response);
  }

  private find(scheme: "http" | "https", request: IncomingMessage): { file: string; bytes: number } | undefined {
    const wanted = this.wanted(scheme, request);
    if (wanted === undefined) return undefined;
    const sum = /\/by-hash\/SHA256\/([0-9a-f]{64})$/.exec(wanted)?.[1];
    return this.byAddress.get(wanted) ?? (sum === undefined ? undefined : this.bySum.get(sum));
  }

  /** The address that is asked for, as {@link addressOf} writes it. */
  private wanted(scheme: "http" | "https", { url = "", headers }: IncomingMessage): string | undefined {
    try {
      const parsed = new URL(url.startsWith("/") ? `${scheme}://${headers.host ?? ""}${url}` : url);
      return addressOf(parsed.protocol.replace(":", ""), parsed.host, parsed.pathname.slice(1));
    } catch {
      return undefined;
    }
  }
}

/** One writing for an address: clients and sources differ in what they escape. */
function addressOf(scheme: string, host: string, rest: string): string {
  let decoded = rest;
  try {
    decoded = decodeURIComponent(rest);
  } catch {
    // Not escaped: a percent sign that stands for itself.
  }
  return `${scheme}://${host.replace(scheme === "https" ? /:443$/ : /:80$/, "").toLowerCase()}/${decoded}`;
}

/** Hosts whose downloads were saved over https. */
export function secureHosts(inventory: Inventory): string[] {
  const hosts = inventory.files.flatMap(({ path: name }) => (name.startsWith(`${setFiles.mirror}/https/`) ? [name.split("/")[2]?.replace(/:\d+$/, "") ?? ""] : []));
  return [...new Set(hosts)].sort();
}
