import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ProjectCopy } from "../../support/project-copy";
import { labEnvironment, stackText } from "./fixture";
import { faults } from "./inert";

let project: ProjectCopy;
let temporary: string;
beforeAll(() => {
  project = new ProjectCopy();
  temporary = path.join(project.folder, "tmp");
  mkdirSync(temporary);
  git("init", "--quiet", "--initial-branch=main");
  project.writeStack("lab", stackText(labEnvironment()));
  commit("base");
  git("checkout", "--quiet", "-b", "change");
  const environment = structuredClone(labEnvironment());
  const warm = environment.servers["gpu-02"]?.tiers?.warm;
  if (warm === undefined) throw new Error("the lab has warm tiers");
  warm.level = "raid0";
  environment.site.description = "planted-token-value is in the description, and /home/planted/site";
  project.writeStack("lab", stackText(environment));
  commit("change");
  git("checkout", "--quiet", "main");
});
afterAll(() => project.remove());

function git(...parameters: string[]): void {
  execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.org", ...parameters], { cwd: project.folder, stdio: "ignore" });
}
function commit(message: string): void {
  git("add", "stacks");
  git("commit", "--quiet", "-m", message);
}

describe("rackwright pr", () => {
  it("writes one comment, a SARIF log, exits with 1 where a rule is broken, and leaves nothing behind", async () => {
    const sarif = path.join(project.folder, "out.sarif");
    const { code, stdout, stderr } = await project.run(["pr", "--base", "main", "--head", "change", "--sarif", sarif, "--json"], { env: { TMPDIR: temporary, DEPLOY_TOKEN: "planted-token-value" } });
    expect(code, stderr).toBe(1);
    const result = JSON.parse(stdout) as { ok: boolean; comment: string; environments: { environment: string; hazards: { kind: string }[]; checks: { policy: string; level: string; isNew: boolean }[] }[] };
    expect(result.ok).toBe(false);
    expect(result.environments.map(({ environment }) => environment)).toEqual(["lab"]);
    expect(result.environments[0]?.hazards.map(({ kind }) => kind)).toEqual(["destroys"]);
    expect(result.environments[0]?.checks.find(({ policy }) => policy === "warm-tier-survives-a-drive")).toMatchObject({ level: "mandatory", isNew: true });
    expect(result.comment.startsWith("<!-- rackwright:pull-request -->\n")).toBe(true);
    expect(faults(result.comment)).toEqual([]);
    const written = readFileSync(sarif, "utf8");
    expect(written).toContain("warm-tier-survives-a-drive");
    for (const output of [stdout, stderr, written]) for (const planted of ["planted-token-value", "/home/planted", project.folder, temporary]) expect(output).not.toContain(planted);
    expect(readdirSync(temporary).filter((name) => name.startsWith("rackwright-pr-"))).toEqual([]);
    expect(existsSync(path.join(project.folder, ".rackwright", "state"))).toBe(false);
  });

  it("exits with 2 and one line for what is no commit, no option, or no repository", async () => {
    const missing = await project.run(["pr", "--base", "main", "--head", "nowhere"]);
    expect([missing.code, missing.stdout, missing.stderr.trim().split("\n").length]).toEqual([2, "", 1]);
    expect(missing.stderr).toContain('--head: there is no commit "nowhere"');
    expect((await project.run(["pr", "--base", "main"])).code).toBe(2);
    const unwritable = await project.run(["pr", "--base", "main", "--head", "main", "--sarif", "/nowhere/x.sarif"]);
    expect([unwritable.code, unwritable.stderr]).toEqual([2, expect.stringContaining("--sarif: /nowhere/x.sarif cannot be written (ENOENT)")]);
  });

  it("exits with 0 where nothing changes", async () => {
    const same = await project.run(["pr", "--base", "main", "--head", "main"]);
    expect([same.code, same.stdout.includes("no environment changes")]).toEqual([0, true]);
  });

  it("leaves nothing behind when it is interrupted, and does not look as if it had ended well", async () => {
    const own = path.join(project.folder, "interrupted");
    mkdirSync(own);
    const child = spawn(path.join(project.folder, "rackwright"), ["pr", "--base", "main", "--head", "change"], { cwd: tmpdir(), env: { ...process.env, TMPDIR: own } });
    const output = Promise.all([text(child.stdout), text(child.stderr), once(child, "close") as Promise<[number | null]>]);
    const workspaces = (): string[] => readdirSync(own).filter((name) => name.startsWith("rackwright-pr-"));
    for (let waited = 0; workspaces().length === 0 && waited < 400; waited++) await sleep(100);
    expect(workspaces().length).toBeGreaterThan(0);
    child.kill("SIGINT");
    const [stdout, stderr, [code]] = await output;
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("Stopping");
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(workspaces()).toEqual([]);
  });
});
