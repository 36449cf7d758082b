import { readFileSync } from "node:fs";
import { createServer } from "node:http";

/** What a stand-in engine is told by the file that is its argument. */
export interface EngineTask {
  /** Written into every answer. */
  name: string;
  address: string;
  port: number;
  healthPath: string;
}

/** A line that it writes for each request when it comes: doing something twice would be the fault, not saying it twice. */
export interface EngineLine {
  id: string;
  at: number;
}

/** Milliseconds of a request that answers at once, and between the parts of one that takes long. */
const answerMilliseconds = 20;
const partMilliseconds = 100;

/**
 * Stands in for an inference engine: answers its health check, and each request with its id and its own name, in as many parts
 * as the request asks for.
 */
function main(file: string): void {
  const { name, address, port, healthPath } = JSON.parse(readFileSync(file, "utf8")) as EngineTask;
  createServer((request, response) => {
    if (request.url === healthPath) {
      response.end("ok");
      return;
    }
    const id = String(request.headers["x-request-id"] ?? "");
    process.stdout.write(`${JSON.stringify({ id, at: Date.now() } satisfies EngineLine)}\n`);
    let left = Number(request.headers["x-parts"] ?? 1);
    request.resume();
    response.writeHead(200, { "content-type": "text/plain" });
    const part = (): void => {
      left -= 1;
      if (response.destroyed) return;
      if (left > 0) {
        response.write("part\n");
        setTimeout(part, partMilliseconds);
      } else response.end(`${id} ${name}\n`);
    };
    setTimeout(part, answerMilliseconds);
  }).listen(port, address);
}

if (require.main === module) main(process.argv[2] ?? "");
