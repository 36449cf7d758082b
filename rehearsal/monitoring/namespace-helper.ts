import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";

/**
 * Runs inside of a network namespace: what listens there is reached from outside through sockets in the file system, which
 * namespaces share. Told what to do by a file, whose path is its argument; ends by a signal.
 */
export interface HelperTask {
  /** A port in the namespace, and the socket through which it is reached. */
  forward: readonly { port: number; socket: string }[];
  /** TLS servers that show a certificate and say nothing. The files are read again at SIGHUP. */
  tls: readonly { address: string; port: number; certificate: string; key: string }[];
}

function main(taskFile: string): void {
  const task = JSON.parse(readFileSync(taskFile, "utf8")) as HelperTask;
  for (const { port, socket } of task.forward) {
    createServer((outside) => {
      const inside = connect(port, "127.0.0.1");
      outside.on("error", () => inside.destroy());
      inside.on("error", () => outside.destroy());
      outside.pipe(inside).pipe(outside);
    }).listen(socket);
  }
  for (const { address, port, certificate, key } of task.tls) {
    const files = () => ({ cert: readFileSync(certificate), key: readFileSync(key) });
    const server = createTlsServer(files(), (connection) => connection.on("error", () => undefined).end());
    server.on("tlsClientError", () => undefined).listen(port, address);
    process.on("SIGHUP", () => server.setSecureContext(files()));
  }
}

main(process.argv[2] ?? "");
