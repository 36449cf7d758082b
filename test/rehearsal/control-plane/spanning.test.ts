import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { clusterEngine } from "../../../cli/rehearsal-engines";
import { rehearseCluster } from "../../../rehearsal/cluster";
import { stack } from "../../cluster/environments";
import { controlPlaneTimeout } from "../../support/control-plane";
import { full } from "../../support/full";

const folder = mkdtempSync(join(tmpdir(), "rackwright-spanning-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A replica of 16 GPUs on two servers of eight, and training on the other two. */
const environment = stack("large-cluster", (input) => {
  input.services = { foundation: { model: "llama-3.1-405b", engine: "vllm", precision: "bf16", contextTokens: 4096, concurrency: 2, gpusPerReplica: 16, tensorParallel: 8, pipelineParallel: 2, accelerators: ["h100-80gb-sxm5"] } };
});
const loaded = { name: "large-cluster", environment, config: {}, secureKeys: [] };
const workDir = resolve(__dirname, "../../../.rackwright");

describe(`a rehearsal of a cluster with a replica that spans servers${full ? "" : " (RACKWRIGHT_FULL=1 to bring one up)"}`, () => {
  it.runIf(full)("brings the real program up, with the real LeaderWorkerSet controller, places every pod as planned and leaves nothing", async () => {
    const signal = new AbortController().signal;
    const lines: string[] = [];
    const verdict = await rehearseCluster(environment, { name: "large-cluster", workDir, signal, onProgress: (line) => lines.push(line), engine: (plane) => clusterEngine(loaded, plane, join(folder, "state.json"), { signal }) });
    expect(verdict.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(verdict.notMade).toEqual([]);
    expect(verdict.checks).toHaveLength(8);
    const placement = verdict.checks.find(({ name }) => name.includes("the planner said"))?.detail;
    expect(placement).toMatch(/inference\/foundation-\S+ on gpu-\d+ and gpu-\d+/);
    expect(placement).toMatch(/training\/domain-tuning on gpu-03 and gpu-04/);
    expect(readdirSync(workDir).filter((name) => name.startsWith("control-plane-") && lines.some((line) => line.includes(name)))).toEqual([]);
  }, controlPlaneTimeout);

  it("is not begun where the environment has no cluster, or cannot be placed", async () => {
    const options = { name: "large-cluster", workDir, engine: () => { throw new Error("nothing is to be started"); } };
    await expect(rehearseCluster({ ...environment, cluster: { ...environment.cluster, distribution: "none" } }, options)).rejects.toThrow("large-cluster has no cluster: cluster.distribution is none.");
    const tooMuch = { ...environment, services: { foundation: { ...environment.services["foundation"], replicas: 40 } } } as typeof environment;
    await expect(rehearseCluster(tooMuch, options)).rejects.toThrow("large-cluster cannot be placed; `rackwright plan large-cluster` says why.");
  });
});
