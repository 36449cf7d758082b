import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";
import { finished, pipeline } from "node:stream/promises";
import { text } from "node:stream/consumers";
import type { Readable, Writable } from "node:stream";
import { createGzip } from "node:zlib";
import * as path from "node:path";

/** What the project consists of: everything that a rebuild without a network runs, and nothing that a user put beside it. */
export const projectParts = [
  "rackwright", "index.ts", "Pulumi.yaml", "package.json", "package-lock.json", "tsconfig.json", "LICENSE", "README.md",
  "cli", "components", "engine", "policies", "rehearsal", "schemas", "scripts", "docs", "node_modules",
] as const;

/** Packs the project, without other environments' files, without state, and with its locked packages and its runtime. */
export async function packProject(root: string, environment: string, target: string, signal?: AbortSignal): Promise<void> {
  const parts = [...projectParts.filter((part) => existsSync(path.join(root, part))), `stacks/Pulumi.${environment}.yaml`];
  const tar = spawn("tar", ["--create", "--directory", root, "--exclude", "node_modules/.cache", "--exclude", "node_modules/.vite*", "--owner=0", "--group=0", "--sort=name", ...parts], { stdio: ["ignore", "pipe", "pipe"], ...(signal === undefined ? {} : { signal }) });
  await ended("tar", tar, pipeline(tar.stdout, createGzip({ level: 1 }), createWriteStream(target, { mode: 0o600 })));
}

/** Unpacks what a server sent into a folder. Paths that lead out of it are refused by tar itself. */
export async function unpack(from: Readable, folder: string): Promise<void> {
  const tar = spawn("tar", ["--extract", "--directory", folder, "--no-same-owner", "--no-same-permissions"], { stdio: ["pipe", "ignore", "pipe"] });
  await ended("tar", tar, feed(from, tar.stdin));
}

/** Gives a program its input to the end, also where it stops reading before that: tar knows where an archive ends. */
async function feed(from: Readable, to: Writable): Promise<void> {
  to.on("error", () => from.unpipe(to).resume());
  to.on("close", () => from.unpipe(to).resume());
  from.pipe(to);
  await finished(from);
}

/** Waits for a program and for what is moved through it. What the program says comes first: a broken pipe follows from that. */
async function ended(name: string, child: NodeJS.EventEmitter & { stderr: Readable }, moved: Promise<void>): Promise<void> {
  const [complaint, moving, closing] = await Promise.allSettled([text(child.stderr), moved, once(child, "close") as Promise<[number | null]>]);
  if (closing.status === "rejected") throw closing.reason as Error;
  const [code] = closing.value;
  if (code !== 0) throw new Error(`${name} failed: ${(complaint.status === "fulfilled" ? complaint.value : "").trim().split("\n").slice(-3).join(" | ") || String(code)}`);
  if (moving.status === "rejected") throw moving.reason as Error;
}
