import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll } from "vitest";
import { startControlPlane, type ControlPlane, type ControlPlaneOptions } from "../../rehearsal/control-plane/control-plane";

const workDir = resolve(__dirname, "../../.rackwright");
/** The first time on a machine, programs are built. */
export const controlPlaneTimeout = 20 * 60_000;

/**
 * A control plane for the tests of one file, started by the first that asks and stopped after the last. Call it at the top of
 * the file and what it returns in `beforeAll`, with {@link controlPlaneTimeout}.
 * @example const plane = controlPlane(); beforeAll(async () => { await plane(); }, controlPlaneTimeout);
 */
export function controlPlane(options: Pick<ControlPlaneOptions, "grace"> = {}): () => Promise<ControlPlane> {
  let started: Promise<ControlPlane> | undefined;
  afterAll(async () => {
    await (await started)?.stop();
  });
  return () => {
    mkdirSync(workDir, { recursive: true });
    started ??= startControlPlane({ workDir, onProgress: (line) => process.stderr.write(`   ${line}\n`), ...options });
    return started;
  };
}
