import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";

/** What the client is told by the file that is its argument. */
export interface ClientTask {
  address: string;
  port: number;
  /** Host header. */
  host: string;
  path: string;
  /** From one request to the next; they do not wait for each other. */
  everyMilliseconds: number;
}

/** A line that it writes for each request once it has ended, in whatever way. */
export interface ClientLine {
  id: string;
  started: number;
  ended: number;
  /** Engine that answered in full, with the request's own id. */
  engine?: string;
  /** How it failed otherwise. `silence`: it did not end by itself. */
  error?: string;
}

/** What does not end within this time never does: nobody would tell the client. */
const silenceMilliseconds = 20_000;
/** One request in so many takes long, so that there is always one under way that a fault cuts off. */
const longEvery = 10;
const longParts = 20;
/** A client that waits for an answer must hear of a balancer that is gone: the kernel asks after a second of silence. */
const keepAliveMilliseconds = 1000;
/** Less than HAProxy's patience: a connection that the other side is just closing would fail without any fault. */
const idleMilliseconds = 20_000;

function main(file: string): void {
  const task = JSON.parse(readFileSync(file, "utf8")) as ClientTask;
  const kept = new Agent({ keepAlive: true, maxFreeSockets: 8, timeout: idleMilliseconds });
  let count = 0;
  setInterval(() => {
    count += 1;
    send(task, String(count), count % longEvery === 0 ? longParts : 1, count % 2 === 0 ? kept : undefined);
  }, task.everyMilliseconds);
}

/** One request, over a connection of its own unless it has an agent. */
function send({ address, port, host, path }: ClientTask, id: string, parts: number, agent: Agent | undefined): void {
  const started = Date.now();
  let over = false;
  const end = (outcome: Pick<ClientLine, "engine" | "error">): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    process.stdout.write(`${JSON.stringify({ id, started, ended: Date.now(), ...outcome } satisfies ClientLine)}\n`);
  };
  const outgoing = request({ host: address, port, path, method: "POST", agent: agent ?? false, headers: { host, "x-request-id": id, "x-parts": String(parts), "content-length": 0 } }, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    response.on("error", (error) => end({ error: error.message }));
    response.on("close", () => {
      const [, engine] = new RegExp(`(?:^|\\n)${id} (\\S+)\\n$`).exec(text) ?? [];
      if (response.statusCode === 200 && response.complete && engine !== undefined) end({ engine });
      else end({ error: response.complete ? `status ${response.statusCode ?? 0}` : "cut off" });
    });
  });
  const timer = setTimeout(() => {
    end({ error: "silence" });
    outgoing.destroy();
  }, silenceMilliseconds);
  outgoing.on("socket", (socket) => socket.setKeepAlive(true, keepAliveMilliseconds));
  outgoing.on("error", (error: NodeJS.ErrnoException) => end({ error: error.code ?? error.message }));
  outgoing.end();
}

if (require.main === module) main(process.argv[2] ?? "");
