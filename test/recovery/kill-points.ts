import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Finished } from "../servers/host-script";

/**
 * Ends a bash program, and all that it has started, before one of its commands: SIGKILL, so that nothing can tidy up. A
 * command is known by its text and the way of calls that leads to it. Commands of functions, of subshells and of bash programs
 * that it starts count as well.
 */
export class KillPoints {
  /** @param seenAs where the program sees that folder. */
  constructor(private readonly folder = mkdtempSync(join(tmpdir(), "rackwright-kill-")), private readonly seenAs = folder) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(this.folder, "trap"), `
set -o functrace
trap '{ KILL_HERE="\${FUNCNAME[*]:-} \${BASH_LINENO[*]:-}| \${BASH_COMMAND//[$'"'\\n\\t'"']/ }"; IFS= read -r KILL_AT <"$KILL_FOLDER/at" || :
  if [[ -z $KILL_AT ]]; then printf "%s\\n" "$KILL_HERE" >>"$KILL_FOLDER/points"; elif [[ $KILL_HERE == "$KILL_AT" ]]; then : >|"$KILL_FOLDER/at"; kill -KILL 0; fi; } 2>/dev/null' DEBUG
`);
    this.set("");
  }

  /** What the environment of a bash program must have. */
  get environment(): Record<string, string> {
    return { BASH_ENV: join(this.seenAs, "trap"), KILL_FOLDER: this.seenAs };
  }

  /** Where the program is killed next, once. "": nowhere, and from now on its commands are written down. */
  set(point: string): void {
    writeFileSync(join(this.folder, "at"), `${point}\n`);
    if (point === "") writeFileSync(join(this.folder, "points"), "");
  }

  /** Whether it was killed there since. */
  get done(): boolean {
    return readFileSync(join(this.folder, "at"), "utf8") === "";
  }

  /** Commands that were written down, each once: those that change something, or start a program that may. */
  points(): string[] {
    const changing = /^[^|]*\| (\w+=\S* )*(rm|mv|cp|mkdir|install|chmod|chown|sync|mktemp|find|exec|flock|ssh-keygen|useradd|systemctl|apt-get|run|rclone|restic|"\$\{become|\$\(way|sqlite3|sha256sum|\(cd|printf .*>|wait|write_file|set_status|begin_session|end_session|set_aside|k3s|ensure_|: >)\b/;
    return [...new Set(readFileSync(join(this.folder, "points"), "utf8").split("\n").filter((line) => changing.test(line)))];
  }

  /** Runs a bash program, which may be killed. `code` is null where it was. */
  run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Finished> {
    return inGroup("bash", args, { ...process.env, ...environment, ...this.environment });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** A process group of its own: `kill 0` in it ends none of ours. */
function inGroup(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], detached: true, env });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => { resolve({ code, stdout, stderr }); });
  });
}

/** So many of them, spread evenly, with the first and the last. */
export function spread<T>(all: readonly T[], count: number): T[] {
  if (all.length <= count) return [...all];
  return Array.from({ length: count }, (_, index) => all[Math.round((index * (all.length - 1)) / (count - 1))] as T);
}
