import { spawn } from "node:child_process";
import { buffer, text } from "node:stream/consumers";
import { once } from "node:events";
import { CliError, exitCodes } from "../exit";
import { scrub } from "./scrub";

/** A file of a commit, below `stacks/`. */
export interface TreeFile {
  /** Content hash: equal ones are equal files. */
  oid: string;
  kind: "file" | "symlink" | "other";
  bytes: number;
}

/** Larger files are no environments, and would only be read to be refused. */
const largestFileBytes = 8 * 1024 * 1024;

/** Why a file of a commit is not read; undefined where it is. */
export function unreadable({ kind, bytes }: TreeFile): string | undefined {
  if (kind === "symlink") return "is a symbolic link, which is not followed";
  if (kind === "other") return "is not a file";
  return bytes > largestFileBytes ? `has ${Math.ceil(bytes / 1024 / 1024)} MiB, more than the ${largestFileBytes / 1024 / 1024} MiB that are read` : undefined;
}

/** Settings of the caller's that would make git look elsewhere, ask, fetch or write. */
function gitEnvironment(): NodeJS.ProcessEnv {
  const { GIT_DIR: _dir, GIT_WORK_TREE: _tree, GIT_INDEX_FILE: _index, GIT_OBJECT_DIRECTORY: _objects, GIT_EXTERNAL_DIFF: _diff, ...rest } = process.env;
  return { ...rest, GIT_TERMINAL_PROMPT: "0", GIT_OPTIONAL_LOCKS: "0", GIT_NO_LAZY_FETCH: "1", LC_ALL: "C" };
}

/**
 * A Git repository, read only: commits, trees and blobs. Nothing is checked out, so that no filter, hook or attribute of a
 * commit is obeyed and nothing is left behind.
 */
export class Repository {
  /** @param folder The folder that holds `stacks/` */
  constructor(private readonly folder: string) {}

  /** @throws CliError with exit code 2 where there is no such commit */
  async commit(flag: "--base" | "--head", ref: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(["rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`]);
    const oid = stdout.toString("utf8").trim();
    if (code === 0 && /^[0-9a-f]{40,64}$/.test(oid)) return oid;
    if (/not a git repository/i.test(stderr)) throw new CliError("rackwright pr compares two commits, and this folder is in no Git repository.", exitCodes.badInput);
    if (/dubious ownership/i.test(stderr)) throw new CliError("git does not read this repository, for it belongs to another user. Run as its owner, or add its folder to git's safe.directory.", exitCodes.badInput);
    throw new CliError(`${flag}: there is no commit ${JSON.stringify(scrub(ref))} in this repository. Fetch it first, such as with \`git fetch origin\`; a shallow clone has only what was asked for.`, exitCodes.badInput);
  }

  /**
   * The commit that the head's changes began at: what the head alone changes is what it differs in from there.
   * @throws CliError with exit code 2 where they have none, or where a shallow clone does not reach it
   */
  async mergeBase(base: string, head: string): Promise<string> {
    const { stdout } = await this.run(["merge-base", base, head]);
    const oid = stdout.toString("utf8").trim().split("\n")[0] ?? "";
    if (oid !== "") return oid;
    throw new CliError("--base and --head have no commit in common here. In a shallow clone fetch more of the history: `git fetch --unshallow origin`.", exitCodes.badInput);
  }

  /** Files below `stacks/` by their path below it. What stands in the place of the folder itself has the path "". */
  async stackFiles(commit: string): Promise<Map<string, TreeFile>> {
    const { code, stdout, stderr } = await this.run(["ls-tree", "-r", "-l", "-z", commit, "--", "stacks"]);
    if (code !== 0) throw new CliError(`git ls-tree failed: ${scrub(stderr.trim())}`, exitCodes.badInput);
    const files = new Map<string, TreeFile>();
    for (const entry of stdout.toString("utf8").split("\0")) {
      const match = /^(\d+) (\w+) ([0-9a-f]+) +(\d+|-)\tstacks(?:\/(.+))?$/s.exec(entry);
      if (match === null) continue;
      const [, mode = "", type, oid = "", size, path = ""] = match;
      files.set(path, { oid, kind: mode === "120000" ? "symlink" : type === "blob" ? "file" : "other", bytes: Number(size) || 0 });
    }
    return files;
  }

  /** @throws TypeError where it is not UTF-8 */
  async read({ oid }: TreeFile): Promise<string> {
    const { code, stdout, stderr } = await this.run(["cat-file", "blob", oid]);
    if (code !== 0) throw new CliError(`git cat-file failed: ${scrub(stderr.trim())}`, exitCodes.badInput);
    return new TextDecoder("utf-8", { fatal: true }).decode(stdout);
  }

  private async run(parameters: readonly string[]): Promise<{ code: number | null; stdout: Buffer; stderr: string }> {
    // A group of its own: Ctrl-C reaches this process alone, which ends in order.
    const child = spawn("git", ["--no-pager", "-c", "core.quotePath=false", ...parameters], { cwd: this.folder, env: gitEnvironment(), stdio: ["ignore", "pipe", "pipe"], detached: true });
    try {
      const [stdout, stderr, [code]] = await Promise.all([buffer(child.stdout), text(child.stderr), once(child, "close") as Promise<[number | null]>]);
      return { code, stdout, stderr };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new CliError("git is needed and is not on the PATH. Install it, then run this again.", exitCodes.unreachable);
      throw error;
    }
  }
}
