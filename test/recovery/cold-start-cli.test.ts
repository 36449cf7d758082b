import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ProjectCopy } from "../support/project-copy";

const env = { PULUMI_CONFIG_PASSPHRASE: "correct horse battery staple" };
let project: ProjectCopy;
let cold: string;
let set: string;

beforeAll(async () => {
  project = new ProjectCopy();
  // A site of no servers yet: what is saved is the project and the environment, which takes no SSH.
  project.writeStack("empty", stringify({ config: { "rackwright:environment": { site: { name: "empty" }, servers: {}, cluster: { distribution: "none", controlPlane: [] }, monitoring: { enabled: false } } } }));
  cold = mkdtempSync(join(tmpdir(), "rackwright-cold-"));
  const saved = await project.run(["cold-start", "empty", "--save", cold, "--json"], { env });
  expect(saved.code, saved.stderr).toBe(1);
  set = (JSON.parse(saved.stdout) as { folder: string }).folder;
}, 120_000);
afterAll(() => {
  project.remove();
  rmSync(cold, { recursive: true, force: true });
});

describe("rackwright cold-start", { timeout: 120_000 }, () => {
  it("saves into a folder that is there, says what is missing and why, and verifies what it saved", async () => {
    expect(readdirSync(join(cold, "empty")).filter((name) => !name.startsWith("."))).toHaveLength(1);
    expect(existsSync(join(set, "project.tar.gz"))).toBe(true);
    const verified = await project.run(["cold-start", "empty", "--verify", cold], { env });
    expect(verified.code, verified.stderr).toBe(1);
    expect(verified.stdout).toMatch(/is what was saved at .*, signed by SHA256:/);
    // The copy of the project that tests use shares its packages by a link.
    expect(verified.stdout).toMatch(/project +node_modules +it is a link/);
    expect(verified.stdout).toMatch(/state +state +the environment is not up/);
  });

  it.each([
    [["cold-start", "empty"], "say one of --save FOLDER, --verify FOLDER and --from FOLDER"],
    [["cold-start", "empty", "--save", "/tmp", "--verify", "/tmp"], "say one of --save FOLDER"],
    [["cold-start", "empty", "--save", "/no/such/tier"], "there is no such folder. It is not made: where the cold tier is not mounted"],
    [["cold-start", "empty", "--verify", "/proc/self/fd"], "there is no set of empty"],
    [["cold-start", "empty", "--from", "COLD", "--without", "gpus"], "--without gpus: must be one of project, state, package, host-key, k3s, image, manifest, data"],
    [["cold-start", "empty", "--from", "COLD", "--host-key", "gpu-01"], "--host-key gpu-01: must be NAME=KEY"],
    [["cold-start", "empty", "--from", "COLD", "--server", "gpu-01"], "empty has no server gpu-01"],
    [["cold-start", "emty", "--save", "/tmp"], "Did you mean empty?"],
  ])("%j ends with 2 and says what to do", async (words, message) => {
    const ran = await project.run(words.map((word) => (word === "COLD" ? cold : word)), { env });
    expect([ran.code, ran.stdout]).toEqual([2, ""]);
    expect(ran.stderr).toContain(message);
    expect(ran.stderr).not.toMatch(/^ +at /m);
  });

  it("asks for the passphrase, and refuses a wrong one", async () => {
    const without = await project.run(["cold-start", "empty", "--verify", cold]);
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining("so a passphrase is needed")]);
    const wrong = await project.run(["cold-start", "empty", "--verify", cold], { env: { PULUMI_CONFIG_PASSPHRASE: "wrong" } });
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("give the one that the set was saved under")]);
  });

  it("puts the environment's file back where there is none, and goes by the one that is there", async () => {
    const file = join(project.folder, "stacks/Pulumi.empty.yaml");
    const saved = readFileSync(file);
    rmSync(file);
    const back = await project.run(["cold-start", "empty", "--from", cold, "--without", "state"], { env });
    expect(back.stderr).toContain("stacks/Pulumi.empty.yaml was put back from the set.");
    expect(readFileSync(file)).toEqual(saved);
    appendFileSync(file, "# changed since\n");
    const other = await project.run(["cold-start", "empty", "--from", cold, "--without", "state"], { env });
    expect(other.stderr).toContain("the one here is gone by");
    expect(readFileSync(file, "utf8")).toContain("# changed since");
  });

  it("refuses a set that was changed, with exit code 1 and every file", async () => {
    appendFileSync(join(set, "environment.yaml"), "#");
    rmSync(join(set, "start.sh"));
    mkdirSync(join(set, "more"));
    const ran = await project.run(["cold-start", "empty", "--from", cold], { env });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/environment\.yaml has \d+ bytes, \d+ were saved[\s\S]*start\.sh is missing[\s\S]*Nothing was changed/);
  });
});
