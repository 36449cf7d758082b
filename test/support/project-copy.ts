import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { once } from "node:events";

const root = path.resolve(__dirname, "../..");
const parts = ["rackwright", "index.ts", "Pulumi.yaml", "package.json", "package-lock.json", "tsconfig.json", "cli", "components", "engine", "policies", "rehearsal", "scripts", "stacks", "schemas"];

export interface CommandResult {
  code: number;
  /** Name of the signal that ended it, if one did. */
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A copy of the project with stacks and state of its own, so that a test may write what it likes. */
export class ProjectCopy {
  readonly folder = mkdtempSync(path.join(tmpdir(), "rackwright-project-"));

  constructor() {
    for (const part of parts) cpSync(path.join(root, part), path.join(this.folder, part), { recursive: true });
    symlinkSync(path.join(root, "node_modules"), path.join(this.folder, "node_modules"));
  }

  writeStack(name: string, yaml: string): void {
    writeFileSync(path.join(this.folder, "stacks", `Pulumi.${name}.yaml`), yaml);
  }

  /** Runs the launcher as a user does, without a terminal. */
  async run(parameters: string[], options: { env?: Record<string, string>; stdin?: string } = {}): Promise<CommandResult> {
    const { PULUMI_CONFIG_PASSPHRASE: _, PULUMI_CONFIG_PASSPHRASE_FILE: __, ...inherited } = process.env;
    const child = spawn(path.join(this.folder, "rackwright"), parameters, {
      cwd: tmpdir(),
      env: { ...inherited, NODE_COMPILE_CACHE: path.join(root, ".rackwright", "cache", "node"), ...options.env },
    });
    child.stdin.end(options.stdin ?? "");
    const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close") as Promise<[number, NodeJS.Signals | null]>]);
    return { code, signal, stdout, stderr };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
