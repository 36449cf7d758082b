import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const scriptsFolder = join(__dirname, "../../components/servers/scripts");

/** Scripts that a person runs; the others are sourced. */
export const runnable = ["backup-store.sh", "backup.sh", "base-environment.sh", "gpu-driver.sh", "k3s.sh", "mig.sh", "monitoring.sh", "object-store.sh", "standby.sh", "storage-tier.sh"];
export const allScripts = readdirSync(scriptsFolder).filter((name) => name.endsWith(".sh")).sort();

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

function finished({ status, stdout, stderr, error }: ReturnType<typeof spawnSync>): Finished {
  if (error !== undefined) throw error;
  return { code: status, stdout: String(stdout), stderr: String(stderr) };
}

/** What stands in for the machine where a test needs none: root, nobody else at the lock. */
const machine = {
  id: "echo 0",
  flock: 'while [ "$1" != bash ]; do shift; done; exec "$@"',
};

export interface RunOptions {
  /** Programs to put in front of the PATH, by name: the body of a shell script. */
  stubs?: Record<string, string>;
  input?: string;
}

/** Runs a host script in real bash, with programs stubbed only where they would need hardware or root. */
export function runScript(script: string, args: readonly string[], { stubs = {}, input = "" }: RunOptions = {}): Finished {
  const folder = mkdtempSync(join(tmpdir(), "rackwright-stubs-"));
  try {
    const programs = join(folder, "bin");
    mkdirSync(programs);
    for (const [name, body] of Object.entries({ ...machine, ...stubs })) {
      writeFileSync(join(programs, name), `#!/bin/bash\n${body}\n`);
      chmodSync(join(programs, name), 0o755);
    }
    const env = { ...process.env, PATH: `${programs}:${process.env.PATH ?? ""}` };
    return finished(spawnSync("bash", [join(scriptsFolder, script), ...args], { input, env, encoding: "utf8" }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs commands with the common functions at hand. `$1` and up are `args`. */
export function withLibrary(commands: string, args: readonly (string | Buffer)[] = []): Finished {
  const hex = args.map((argument) => Buffer.from(argument).toString("hex"));
  // Any byte but NUL may stand in an argument; Node passes only valid UTF-8, so they travel as hexadecimal digits.
  const decode = 'decoded=(); for word in "$@"; do printf -v text "$(sed "s/../\\\\\\\\x&/g" <<<"$word")."; decoded+=("${text%.}"); done; set -- "${decoded[@]}"';
  return finished(spawnSync("bash", ["-c", `. "$0"\n${decode}\n${commands}`, join(scriptsFolder, "lib.sh"), ...hex], { encoding: "utf8" }));
}

/** The one JSON document on standard output. */
export function documentOf(run: Finished): Record<string, unknown> {
  return JSON.parse(run.stdout) as Record<string, unknown>;
}

export interface ScriptFinding {
  id: string;
  message: string;
  mendable: boolean;
}

export function findingsOf(run: Finished): ScriptFinding[] {
  return documentOf(run).findings as ScriptFinding[];
}
