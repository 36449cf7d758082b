import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findPulumi } from "../../cli/engine-choice";
import { listEnvironments, loadStackFile } from "../../components/environment";
import { exportStack, preview, up } from "../../engine";
import type { EngineEvent } from "../../engine";
import { ProjectCopy } from "../support/project-copy";
import { PulumiCli } from "../support/pulumi-cli";
import { fixtures, PASSPHRASE, temporaryFolder } from "./harness";
import { reduceEvents } from "./reduce";
import type { Reduced } from "./reduce";

const root = join(__dirname, "../..");
const recordings = join(__dirname, "recorded", "environments");
const pulumi = findPulumi();

let project: ProjectCopy;
let cli: PulumiCli;
beforeAll(() => {
  project = new ProjectCopy();
  const backend = join(project.folder, "backend");
  mkdirSync(backend);
  cli = new PulumiCli(project.folder, backend, PASSPHRASE);
});
afterAll(() => project.remove());

interface Step {
  type: string;
  new?: { outputs?: unknown } | null;
}

/**
 * Without what a change of a host script changes (its hash, and the hash of the folder that holds it), and without outputs
 * of Kubernetes objects: while the kubeconfig is not known the CLI says none of them, and the embedded engine the inputs.
 */
function comparable(reduced: Reduced): Reduced {
  const text = JSON.stringify(reduced).replace(/--revision [0-9a-f]+/g, "--revision <revision>").replace(/"hash":"[0-9a-f]{64}"/g, '"hash":"<hash>"');
  const copy = JSON.parse(text) as Reduced;
  for (const step of copy.steps as unknown as Step[]) if (step.type.startsWith("kubernetes:")) delete step.new?.outputs;
  return copy;
}

async function embedded(name: string): Promise<Reduced> {
  const loaded = loadStackFile(join(project.folder, "stacks", `Pulumi.${name}.yaml`));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const events: EngineEvent[] = [];
  const result = await preview({
    project: "rackwright",
    stack: name,
    programDir: project.folder,
    config: loaded.config,
    stateFile: join(temporaryFolder(), "state.json"),
    policyPackDir: join(project.folder, "policies"),
    onEvent: (event) => { events.push(event); },
  });
  // A program that does not run would otherwise show as a difference from the recording alone.
  expect(result.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return comparable(reduceEvents(events));
}

/** From the CLI where it is installed, else as it was recorded; RACKWRIGHT_RECORD=1 renews the recording. */
async function reference(name: string): Promise<Reduced> {
  const file = join(recordings, `${name}.json`);
  if (pulumi === undefined) return JSON.parse(readFileSync(file, "utf8")) as Reduced;
  await cli.run(["stack", "init", name, "--no-select"]);
  const reduced = comparable(reduceEvents(await cli.preview(name, ["--policy-pack", "policies"])));
  if (process.env["RACKWRIGHT_RECORD"] === "1") {
    mkdirSync(recordings, { recursive: true });
    writeFileSync(file, `${JSON.stringify(reduced, null, 1)}\n`);
  }
  return reduced;
}

const names = listEnvironments(join(root, "stacks")).filter((name) => pulumi !== undefined || existsSync(join(recordings, `${name}.json`)));

describe(`every environment, compared with the Pulumi CLI (${pulumi === undefined ? "recorded: there is no pulumi on the PATH" : "live"})`, () => {
  it("covers the shipped environments", () => {
    expect(names).toEqual(expect.arrayContaining(["dev-test", "edge", "large-cluster", "medical-imaging", "quality-inspection", "sme-production"]));
  });

  it.each(names)("%s: the same URNs, inputs and violations", async (name) => {
    const [ours, theirs] = [await embedded(name), await reference(name)];
    expect(ours.steps.length).toBeGreaterThan(10);
    expect(ours).toEqual(theirs);
  });
});

describe.runIf(pulumi !== undefined)("a state of the embedded engine, taken over by the Pulumi CLI (skipped where there is no pulumi on the PATH)", () => {
  it("previews without changes", async () => {
    const folder = temporaryFolder();
    const resources = [{ name: "first", args: { create: "echo one" } }, { name: "second", args: { create: "echo two", triggers: ["a"] }, component: "group" }];
    const config = { "options:resources": JSON.stringify(resources) };
    const stateFile = join(folder, "state.json");
    const result = await up({ project: "options", stack: "handover", programDir: join(fixtures, "options"), config, stateFile, passphrase: PASSPHRASE });
    expect(result.ok, JSON.stringify(result.diagnostics)).toBe(true);

    // A copy, for the CLI writes the stack's file beside the program.
    const program = join(folder, "program");
    cpSync(join(fixtures, "options"), program, { recursive: true });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    writeFileSync(join(program, "Pulumi.handover.yaml"), JSON.stringify({ config }));
    const real = new PulumiCli(program, folder, PASSPHRASE);
    await real.run(["stack", "init", "handover", "--no-select"]);
    await real.run(["stack", "import", "--stack", "handover"], { stdin: exportStack(stateFile) });
    await real.run(["preview", "--stack", "handover", "--non-interactive", "--expect-no-changes"]);
  });
});
