import { spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import type { NeededProgram } from "./packages";
import { pause, RehearsalError } from "./process";

export const slowDrivePrograms: readonly NeededProgram[] = [{ program: "nbdkit", package: "nbdkit" }];

/** A drive's backing file behind a server that takes its time. */
export interface SlowDrive {
  stop(): Promise<void>;
}

/** Reads are served in pieces of this size, each in the same time, so that a short read is as fast for its size as a long one. */
const pieceKiB = 64;
const upWithinMilliseconds = 10_000;

/**
 * Serves a backing file as a drive of its own speed: one request after the other, each taking the time that its size needs.
 * A limit on bytes per second alone would let a drive save up time while nobody asks it, and a load that keeps drives idle
 * would look as fast as one that does not. Writes are not slowed down.
 */
export async function slowDrive(file: string, socket: string, mebibytesPerSecond: number): Promise<SlowDrive> {
  const milliseconds = (pieceKiB * 1000) / 1024 / mebibytesPerSecond;
  const args = ["--foreground", "--exit-with-parent", "--unix", socket, "--filter=noparallel", "--filter=blocksize", "--filter=delay", "file", file, "serialize=requests", `maxdata=${pieceKiB}K`, `rdelay=${Math.round(milliseconds)}ms`];
  const child = spawn("nbdkit", args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  const state = { said: "", ended: false };
  child.stderr.setEncoding("utf8").on("data", (text: string) => (state.said += text));
  const exited = new Promise<void>((resolve) => {
    const end = (): void => {
      state.ended = true;
      resolve();
    };
    child.on("exit", end);
    child.on("error", (error) => {
      state.said += error.message;
      end();
    });
  });
  for (let waited = 0; !existsSync(socket); waited += 20) {
    if (state.ended || waited > upWithinMilliseconds) throw new RehearsalError(`nbdkit did not start: ${state.said.trim()}`);
    await pause(20);
  }
  return {
    stop: async () => {
      if (!state.ended) child.kill("SIGKILL");
      await exited;
      rmSync(socket, { force: true });
    },
  };
}
