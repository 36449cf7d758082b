import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import type { EngineEvent } from "../../engine";

/** The real CLI with a backend of its own in a folder. */
export class PulumiCli {
  constructor(
    private readonly programDir: string,
    private readonly folder: string,
    private readonly passphrase: string,
    private readonly env: Readonly<Record<string, string>> = {},
  ) {}

  /** @throws Error with everything that the CLI printed, where it fails */
  async run(parameters: string[], options: { stdin?: string } = {}): Promise<string> {
    const child = spawn("pulumi", parameters, {
      cwd: this.programDir,
      env: {
        ...process.env,
        PULUMI_BACKEND_URL: `file://${this.folder}`,
        PULUMI_CONFIG_PASSPHRASE: this.passphrase,
        PULUMI_SKIP_UPDATE_CHECK: "true",
        // The option --event-log is accepted only with this.
        PULUMI_DEBUG_COMMANDS: "true",
        ...this.env,
      },
    });
    child.stdin.end(options.stdin ?? "");
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close") as Promise<[number]>]);
    if (code !== 0) throw new Error(`pulumi ${parameters.join(" ")} ended with ${code}:\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** The events of a preview. */
  async preview(stack: string, parameters: string[]): Promise<EngineEvent[]> {
    return this.events(["preview", "--stack", stack, "--non-interactive", ...parameters]);
  }

  /** The events of an `up`. */
  async up(stack: string): Promise<EngineEvent[]> {
    return this.events(["up", "--stack", stack, "--non-interactive", "--yes", "--skip-preview"]);
  }

  private async events(parameters: string[]): Promise<EngineEvent[]> {
    const log = path.join(this.folder, "events.ndjson");
    rmSync(log, { force: true });
    await this.run([...parameters, "--event-log", log]);
    return readFileSync(log, "utf8").trim().split("\n").map((line) => JSON.parse(line) as EngineEvent);
  }
}
