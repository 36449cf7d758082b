import { readFileSync } from "node:fs";
import { connect, createServer, type TcpNetConnectOpts, type IpcNetConnectOpts } from "node:net";

/** What a relay is told by the file that is its argument. */
export interface RelayTask {
  /** An address, or a socket in the file system, which network namespaces share. */
  listen: { host: string; port: number } | { path: string };
  connect: TcpNetConnectOpts | IpcNetConnectOpts;
}

/** Passes connections on as they are. One that cannot be made on the far side ends on the near one. */
function main(file: string): void {
  const task = JSON.parse(readFileSync(file, "utf8")) as RelayTask;
  createServer((near) => {
    const far = connect(task.connect);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
    far.on("close", () => near.destroy());
    near.on("close", () => far.destroy());
    near.pipe(far).pipe(near);
  }).listen(task.listen);
}

if (require.main === module) main(process.argv[2] ?? "");
