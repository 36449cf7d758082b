import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { loadStackFile, type Environment } from "../../components/environment";
import { planTrainingJob } from "../../components/training";
import { planWorkloads } from "../../components/inference";
import { full } from "../support/full";
import { Group, scripts } from "../training/group";

const groups: Group[] = [];
const folders: string[] = [];
afterAll(async () => {
  await Promise.all(groups.splice(0).map((each) => each.end()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
async function group(servers: number, settings: Record<string, string> = {}): Promise<Group> {
  const made = await Group.of(servers, settings);
  groups.push(made);
  return made;
}
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "rackwright-checkpoints-"));
  folders.push(made);
  return made;
}

const tool = (...args: string[]): { status: number | null; stderr: string } => spawnSync("python3", [join(scripts, "checkpoints.py"), ...args], { encoding: "utf8", env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" } });
const sha = (content: Buffer | string): string => createHash("sha256").update(content).digest("hex");
const starts = (made: Group): string[] => made.lines().filter((line) => / from /.test(line)).map((line) => line.replace(/ attempt=.*/, ""));

/** A whole checkpoint with a manifest, as the trainer of the group loads it. */
function whole(made: Group, rank: number, step: number): string {
  const directory = join(made.checkpoints(rank), `step-${step}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `rank-${rank}.txt`), String(step));
  expect(tool("complete", directory).status).toBe(0);
  return directory;
}

describe("a checkpoint's manifest", () => {
  it("names every file with its checksum, as sha256sum reads it, and stands before the marker does", () => {
    const directory = join(folder(), "step-12");
    mkdirSync(join(directory, "shards"), { recursive: true });
    writeFileSync(join(directory, "a name.pt"), "one");
    writeFileSync(join(directory, "shards", "0.pt"), "two");
    expect(tool("complete", directory).status).toBe(0);
    expect(readFileSync(join(directory, ".manifest.sha256"), "utf8")).toBe(`${sha("one")}  a name.pt\n${sha("two")}  shards/0.pt\n`);
    expect(spawnSync("sha256sum", ["--check", "--strict", ".manifest.sha256"], { cwd: directory }).status).toBe(0);
    expect(statSync(join(directory, ".complete")).mtimeMs).toBeGreaterThanOrEqual(statSync(join(directory, ".manifest.sha256")).mtimeMs);
    expect(readdirSync(directory).sort()).toEqual([".complete", ".manifest.sha256", "a name.pt", "shards"]);
    writeFileSync(join(directory, "a name.pt"), "three");
    expect(tool("complete", directory).status).toBe(0);
    expect(tool("verify", directory).status).toBe(0);
  });

  it("finds any byte that changed, any file that is gone or cut off, and any damage to itself", () => {
    const damage = fc.oneof(
      fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.integer({ min: 0, max: 7 }) }),
      fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
      fc.record({ kind: fc.constant("remove" as const) }),
    );
    const cases = fc.sample(fc.tuple(fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 4 }), fc.nat(), damage, fc.boolean()), full ? 400 : 30);
    const made = cases.map(([contents, ...rest]) => {
      const directory = join(folder(), "step-7");
      mkdirSync(directory);
      contents.forEach((content, index) => { writeFileSync(join(directory, `${index}.bin`), content); });
      return { directory, contents, rest };
    });
    const directories = made.map(({ directory }) => directory);
    expect(each("mark_complete", directories)).toEqual(directories.map(() => null));
    expect(each("manifest_fault", directories)).toEqual(directories.map(() => null));
    for (const { directory, contents, rest: [which, fault, ofManifest] } of made) {
      // A manifest that is gone judges nothing, and one cut at a line's end lists fewer files: those two are of a file of the checkpoint.
      const target = join(directory, ofManifest && fault.kind === "flip" ? ".manifest.sha256" : `${which % contents.length}.bin`);
      const bytes = readFileSync(target);
      if (fault.kind === "remove") rmSync(target);
      else if (fault.kind === "cut") writeFileSync(target, bytes.subarray(0, fault.at % bytes.length));
      else writeFileSync(target, bytes.map((byte, at) => (at === fault.at % bytes.length ? byte ^ (1 << fault.bit) : byte)));
    }
    const said = each("manifest_fault", directories);
    said.forEach((reason, index) => { expect([cases[index], reason]).toEqual([cases[index], expect.stringMatching(/checksum differs|missing or cannot be read|manifest is damaged/)]); });
  });
});

/** What a function of checkpoints.py returns for each of these folders. */
function each(name: string, directories: readonly string[]): (string | null)[] {
  const program = "import json, sys\nsys.path.insert(0, sys.argv[1])\nimport checkpoints\nprint(json.dumps([getattr(checkpoints, sys.argv[2])(folder) for folder in json.load(sys.stdin)]))";
  const { status, stdout, stderr } = spawnSync("python3", ["-c", program, scripts, name], { encoding: "utf8", input: JSON.stringify(directories) });
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as (string | null)[];
}

describe.concurrent("a job whose newest checkpoint is damaged", () => {
  it("goes on from the newest whose checksums hold, and says which it skipped and why", async () => {
    const made = await group(1);
    for (const step of [10, 20]) whole(made, 0, step);
    for (const step of [30, 40]) appendFileSync(join(whole(made, 0, step), "rank-0.txt"), " ");
    made.train(0, 30);
    expect((await made.ended(0)).code).toBe(0);
    expect(starts(made)).toEqual(["0 from 20"]);
    for (const step of [40, 30]) expect(made.said(0)).toContain(`skipping checkpoint step-${step}: rank-0.txt is not what was written: its checksum differs`);
    expect(made.said(0)).not.toContain("skipping checkpoint step-20");
  });

  it("meets anew where the damage is on one server alone, in one that the others would start from", async () => {
    const made = await group(2);
    for (const rank of [0, 1]) for (const step of [10, 20]) whole(made, rank, step);
    // Newer ones here, so that this server does not look at 20 before all have agreed on it.
    whole(made, 1, 30);
    appendFileSync(join(made.checkpoints(1), "step-20", "rank-1.txt"), " ");
    made.train(0, 20);
    made.train(1, 20);
    expect([(await made.ended(0)).code, (await made.ended(1)).code]).toEqual([0, 0]);
    expect(starts(made).filter((line) => line.endsWith("from 10")).sort()).toEqual(["0 from 10", "1 from 10"]);
    expect(made.said(1)).toContain("skipping checkpoint step-20: rank-1.txt is not what was written");
  });

  it("does not begin from nothing where none is left", async () => {
    const made = await group(1);
    made.train(0, 20);
    await made.ended(0);
    for (const name of made.names(0).filter((each) => each.startsWith("step-"))) appendFileSync(join(made.checkpoints(0), name, "rank-0.txt"), " ");
    made.train(0, 40);
    expect((await made.ended(0)).code).toBe(78);
    expect(made.said(0)).toMatch(/step-20 was whole on all servers once, and now no checkpoint is/);
  });
});

describe.concurrent("what is kept", () => {
  it("are the last ones, and each multiple of keepEverySteps for good", async () => {
    const made = await group(1, { RACKWRIGHT_CHECKPOINT_KEEP_EVERY_STEPS: "40" });
    made.train(0, 120);
    expect((await made.ended(0)).code).toBe(0);
    expect(made.names(0)).toEqual(expect.arrayContaining(["step-40", "step-80", "step-110", "step-120"]));
    for (const gone of ["step-10", "step-20", "step-30", "step-50", "step-60"]) expect(made.names(0)).not.toContain(gone);
  });

  it("is decided by steps, and by time where the environment bounds it", () => {
    const program = `
import sys; sys.path.insert(0, sys.argv[1])
from checkpoints import Cadence
now = [0.0]
def at(setting, times):
    now[0] = 0.0
    cadence = Cadence(setting, lambda: now[0])
    said = []
    for step, seconds in enumerate(times, 1):
        now[0] = seconds
        if cadence.due(step): said.append(step)
    return said
steps = {"RACKWRIGHT_CHECKPOINT_EVERY_STEPS": "4"}
both = dict(steps, RACKWRIGHT_CHECKPOINT_EVERY_MINUTES="0.5")
print(at(steps, range(0, 900, 100)), at(both, [10, 20, 29.9, 30, 59.9, 60, 90, 90]))
`;
    const run = spawnSync("python3", ["-c", program, scripts], { encoding: "utf8" });
    expect([run.stderr, run.stdout]).toEqual(["", "[4, 8] [4, 6, 7, 8]\n"]);
  });

  it("reaches the launcher as the environment says", () => {
    const loaded = loadStackFile(join(__dirname, "../../stacks/Pulumi.large-cluster.yaml"));
    if (!loaded.ok) throw new Error("large-cluster");
    const settings = (checkpoints: Partial<Environment["recovery"]["checkpoints"]>): Record<string, string> => {
      const environment = { ...loaded.environment, recovery: { ...loaded.environment.recovery, checkpoints: { ...loaded.environment.recovery.checkpoints, ...checkpoints } } };
      const [plan] = Object.values(planWorkloads(environment).training);
      const job = plan === undefined ? undefined : planTrainingJob(environment, plan).find(({ kind }) => kind === "Job");
      const pods = job?.["spec"] as { template: { spec: { containers: { env: { name: string; value: string }[] }[] } } };
      return Object.fromEntries((pods.template.spec.containers[0]?.env ?? []).filter(({ name }) => name.startsWith("RACKWRIGHT_CHECKPOINT_")).map(({ name, value }) => [name.slice("RACKWRIGHT_CHECKPOINT_".length), value]));
    };
    expect(settings({})).toEqual({ DIRECTORY: expect.stringMatching(/^\/checkpoints\//) as string, EVERY_STEPS: "1000", KEEP_LAST: "5" });
    expect(settings({ everyMinutes: 30, keepEverySteps: 10_000 })).toMatchObject({ EVERY_MINUTES: "30", KEEP_EVERY_STEPS: "10000" });
  });
});

describe("training that is killed with -9", () => {
  const run = (...args: string[]): Record<string, unknown> => {
    const { status, stdout, stderr } = spawnSync("python3", [join(__dirname, "resume_losses.py"), ...args], { encoding: "utf8", env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" } });
    expect([status, stderr]).toEqual([0, ""]);
    return JSON.parse(stdout) as Record<string, unknown>;
  };

  it("at step 1,500 goes on from 1,000 with the same losses in every bit, and skips a damaged checkpoint (a model in Python's own arithmetic)", () => {
    expect(run("--device", "plain")).toMatchObject({
      wentOnFrom: 1000, sameLosses: true, wentOnFromAfterDamage: 1000, sameLossesAfterDamage: true,
      said: ["rackwright: skipping checkpoint step-2000: state.pt is not what was written: its checksum differs", "rackwright: starting from step-1000"],
    });
  });

  const withTorch = full && existsSync("/usr/bin/torchrun");
  if (!withTorch) process.stdout.write("a real PyTorch is not killed here: set RACKWRIGHT_FULL=1 on a machine with Debian's python3-torch\n");
  // Torchrun of Debian's PyTorch 1.13 does not start under its Python 3.11: the program is started itself.
  it.runIf(withTorch)("does so with PyTorch", () => {
    const { status, stdout, stderr } = spawnSync("/usr/bin/python3", [join(__dirname, "resume_losses.py"), "--device", "cpu"], { encoding: "utf8", env: { ...process.env, PATH: `/usr/bin:${process.env["PATH"] ?? ""}`, PYTHONDONTWRITEBYTECODE: "1" } });
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    expect(JSON.parse(stdout)).toMatchObject({ wentOnFrom: 1000, sameLosses: true, wentOnFromAfterDamage: 1000, sameLossesAfterDamage: true, torch: expect.any(String) as string });
  }, 300_000);
});
