import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findPulumi } from "../../cli/engine-choice";
import { listEnvironments } from "../../components/environment";
import type { ControlPlane } from "../../rehearsal/control-plane/control-plane";
import { startControlPlane } from "../../rehearsal/control-plane/control-plane";
import { answerIngresses } from "../../rehearsal/control-plane/ingress";
import { controlPlaneTimeout } from "../support/control-plane";
import { full } from "../support/full";
import { ProjectCopy } from "../support/project-copy";
import { addNodes, embeddedBench, endState, pulumiBench } from "./end-state";
import type { BenchFolders, EndState } from "./end-state";
import { temporaryFolder } from "./harness";

const root = resolve(__dirname, "../..");
const recordings = join(__dirname, "recorded", "kubernetes");
const pulumi = findPulumi();
const shipped = listEnvironments(join(root, "stacks")).filter((name) => pulumi !== undefined || existsSync(join(recordings, `${name}.json`)));
const names = shipped.filter((name) => full || name === "sme-production");

let project: ProjectCopy;
beforeAll(() => {
  project = new ProjectCopy();
});
afterAll(() => project.remove());

const folders = (): BenchFolders => ({ folder: temporaryFolder(), programDir: project.folder });

/** A fresh control plane with the environment's nodes, for as long as the work takes. */
async function onFreshCluster<T>(name: string, work: (plane: ControlPlane) => Promise<T>): Promise<T> {
  const plane = await startControlPlane({ workDir: join(root, ".rackwright"), onProgress: (line) => process.stderr.write(`   ${line}\n`) });
  // Both engines wait for an ingress until its controller has given it an address.
  const endIngresses = answerIngresses(plane);
  try {
    await addNodes(name, plane, folders());
    return await work(plane);
  } finally {
    endIngresses();
    await plane.stop();
  }
}

interface Recorded extends EndState {
  changes: Record<string, number>;
}

/** From the CLI where it is installed, else as it was recorded; RACKWRIGHT_RECORD=1 renews the recording. */
async function reference(name: string): Promise<Recorded> {
  const file = join(recordings, `${name}.json`);
  if (pulumi === undefined) return JSON.parse(readFileSync(file, "utf8")) as Recorded;
  const recorded = await onFreshCluster(name, async (plane) => {
    const bench = await pulumiBench(name, plane, folders());
    const changes = await bench.up();
    return { changes, ...(await endState(await bench.exported(), plane)) };
  });
  if (process.env["RACKWRIGHT_RECORD"] === "1") {
    mkdirSync(recordings, { recursive: true });
    writeFileSync(file, `${JSON.stringify(recorded)}\n`);
  }
  return recorded;
}

describe(`every environment brought up on a real control plane, compared with the Pulumi CLI (${pulumi === undefined ? "recorded: there is no pulumi on the PATH" : "live"}${full ? "" : "; RACKWRIGHT_FULL=1 for all of them"})`, () => {
  it("covers the shipped environments", () => {
    expect(shipped).toEqual(["dev-test", "edge", "large-cluster", "medical-imaging", "quality-inspection", "sme-production"]);
  });

  it.each(names)("%s: the same resources, inputs and objects, and nothing left to do", async (name) => {
    const { ours, again, changed } = await onFreshCluster(name, async (plane) => {
      const bench = embeddedBench(name, plane, folders());
      const changes = await bench.up();
      const ours = { changes, ...(await endState(await bench.exported(), plane)) };
      const again = await bench.up();
      // That the comparison sees what is in the cluster: somebody changes one label there.
      await plane.call("PATCH", "/api/v1/namespaces/inference", { metadata: { labels: { "rackwright.dev/other": "yes" } } }, "application/merge-patch+json");
      const { objects } = await endState(await bench.exported(), plane);
      return { ours, again, changed: Object.keys(objects).filter((urn) => JSON.stringify(objects[urn]) !== JSON.stringify(ours.objects[urn])) };
    });
    expect(Object.keys(again)).toEqual(["same"]);
    expect(changed).toEqual([expect.stringMatching(/::namespace-inference$/)]);
    expect(Object.keys(ours.objects).length).toBeGreaterThan(20);
    expect(ours).toEqual(await reference(name));
  }, controlPlaneTimeout);
});

describe.runIf(pulumi !== undefined)("an environment that goes from one engine to the other (skipped where there is no pulumi on the PATH)", () => {
  const name = "sme-production";

  it("is taken over by the Pulumi CLI without a change", async () => {
    await onFreshCluster(name, async (plane) => {
      const ours = embeddedBench(name, plane, folders());
      await ours.up();
      const theirs = await pulumiBench(name, plane, folders());
      expect(await theirs.previewOf(await ours.exported())).toEqual([]);
    });
  }, controlPlaneTimeout);

  it("is taken over from the Pulumi CLI without a change", async () => {
    await onFreshCluster(name, async (plane) => {
      const theirs = await pulumiBench(name, plane, folders());
      await theirs.up();
      expect(await embeddedBench(name, plane, folders()).previewOf(await theirs.exported())).toEqual([]);
    });
  }, controlPlaneTimeout);
});
