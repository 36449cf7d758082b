import { readFileSync } from "node:fs";
import * as path from "node:path";
import { buffer } from "node:stream/consumers";
import { PassThrough, type Readable } from "node:stream";
import { shellCommand } from "../../components/servers/shell";
import type { SshConnection } from "../../engine/providers/command/ssh";
import { projectRoot } from "../project";

const scriptFiles = ["components/servers/scripts/cluster-copy.sh", "components/recovery/cold-start/scripts/cold-start.sh"];

/** The cold start's host script, whole. */
export function coldStartScript(): string {
  return scriptFiles.map((file) => readFileSync(path.join(projectRoot, file), "utf8")).join("");
}

/** A verb of the cold start's host script that failed: what the server said. */
export class HostStepFailed extends Error {
  constructor(
    message: string,
    readonly code: number | null,
  ) {
    super(message);
  }
}

/** The cold start's host script on one server, over one connection. The script travels with the command: a blank server has no file of ours. */
export class ColdStartHost {
  constructor(
    readonly server: string,
    readonly connection: SshConnection,
    private readonly user: string,
    private readonly signal?: AbortSignal,
  ) {}

  /** What a verb prints. */
  async text(verb: string, words: readonly string[] = [], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.connection.exec(this.command(verb, words), { signal: this.signal, ...(input === undefined ? {} : { stdin: input }) });
    this.require(verb, code, stderr);
    return stdout;
  }

  /** What a verb writes, held in memory: for archives of a few megabytes. */
  async bytes(verb: string, words: readonly string[] = []): Promise<Buffer> {
    const through = new PassThrough();
    const [content] = await Promise.all([buffer(through), this.run(verb, words, { output: through })]);
    return content;
  }

  /** Passes what a verb writes on to `take`, as it comes. */
  async read(verb: string, words: readonly string[], take: (from: Readable) => Promise<void>): Promise<void> {
    const through = new PassThrough();
    await Promise.all([
      take(through).catch((error: unknown) => {
        through.destroy(error as Error);
        throw error;
      }),
      this.run(verb, words, { output: through }),
    ]);
  }

  /** Gives a verb what it reads. */
  async write(verb: string, words: readonly string[], input: Readable): Promise<void> {
    await this.run(verb, words, { input });
  }

  private async run(verb: string, words: readonly string[], streams: { input?: Readable; output?: PassThrough }): Promise<void> {
    const { code, stderr } = await this.connection.stream(this.command(verb, words), { ...streams, signal: this.signal });
    this.require(verb, code, stderr);
  }

  private require(verb: string, code: number | null, stderr: string): void {
    if (code !== 0) throw new HostStepFailed(`${this.server}: ${verb} failed: ${stderr.trim().split("\n").slice(-3).join(" | ") || `exit code ${code ?? "unknown"}`}`, code);
  }

  private command(verb: string, words: readonly string[]): string {
    const sudo = this.user === "root" ? [] : ["sudo", "-n"];
    return shellCommand([...sudo, "bash", "-c", coldStartScript(), "cold-start", verb, ...words]);
  }
}
