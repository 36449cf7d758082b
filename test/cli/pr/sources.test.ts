import { existsSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CliError } from "../../../cli/exit";
import { renderComment } from "../../../cli/pr/comment";
import { Repository } from "../../../cli/pr/git";
import { planSource, type PlanningOptions } from "../../../cli/pr/plan-side";
import { reviewPullRequest, type PullRequest } from "../../../cli/pr/pull-request";
import { blocks } from "../../../cli/pr/review";
import type { Source } from "../../../cli/pr/sources";
import { labEnvironment, StackRepository, stackText } from "./fixture";
import { faults } from "./inert";

const file = "stacks/Pulumi.lab.yaml";
const text = stackText(labEnvironment());

/** Only what the files say: engines are for other tests. */
const plan = (source: Source, options: PlanningOptions) => planSource(source, { ...options, withPreview: false });

let repository: StackRepository;
beforeAll(() => {
  repository = new StackRepository();
  repository.write(file, text);
  repository.write("stacks/Pulumi.other.yaml", text);
  // Files that a checkout would run, and folders that a checkout would have in the way.
  repository.write("node_modules/x/index.js", "throw new Error('run');");
  repository.write("index.ts", "throw new Error('run');");
  repository.write(".gitattributes", "* filter=evil export-subst\n");
  repository.write(".git/hooks/post-checkout", "");
  repository.commit("base");
  repository.git("config", "filter.evil.smudge", `touch ${path.join(repository.folder, "was-run")}; cat`);
});
afterAll(() => repository.remove());

function reviewed(base: string, head: string): Promise<PullRequest> {
  return reviewPullRequest(new Repository(repository.folder), { base, head, logs: [], plan });
}

async function refusal(work: Promise<unknown>): Promise<CliError> {
  const error: unknown = await work.then(() => undefined, (reason: unknown) => reason);
  if (!(error instanceof CliError)) throw new Error(`expected a CliError, got ${String(error)}`);
  return error;
}

function commentOn(found: PullRequest): string {
  return renderComment({ ...found, base: "main", head: "head" });
}

describe("commits", () => {
  it.each(["--output=was-run", "-h", "--upload-pack=touch was-run", "$(touch was-run)", "main; touch was-run", "main..main", "nowhere", "", ":/base", "main:stacks", "refs/heads/\u0000x", "@{-1}@{9}"])("refuses %j as a ref, and runs nothing", async (ref) => {
    if (ref.includes("\0")) return;
    const error = await refusal(reviewed(ref === ":/base" ? "main^{tree}" : ref, "main"));
    expect(error.code).toBe(2);
    expect(error.message).toContain("--base: there is no commit");
    expect(existsSync(path.join(repository.folder, "was-run"))).toBe(false);
  });

  it("needs a repository, and git", async () => {
    const outside = await refusal(new Repository(tmpdir()).commit("--base", "main"));
    expect([outside.code, outside.message]).toEqual([2, expect.stringContaining("no Git repository")]);
    const before = process.env["PATH"];
    process.env["PATH"] = "/nowhere";
    try {
      const missing = await refusal(new Repository(repository.folder).commit("--base", "main"));
      expect([missing.code, missing.message]).toEqual([3, expect.stringContaining("git is needed")]);
    } finally {
      process.env["PATH"] = before;
    }
  });

  it("says what a shallow clone lacks", async () => {
    repository.git("checkout", "--quiet", "--orphan", "unrelated");
    repository.commit("unrelated");
    repository.git("checkout", "--quiet", "main");
    const error = await refusal(reviewed("main", "unrelated"));
    expect([error.code, error.message]).toEqual([2, expect.stringContaining("git fetch --unshallow")]);
  });

  it("compares from where the change began, so that what others merged since is not in it", async () => {
    repository.branch("feature", { [file]: text.replaceAll("qwen2.5-7b", "llama-3.1-8b") });
    repository.git("checkout", "--quiet", "-B", "trunk", "main");
    repository.write("stacks/Pulumi.other.yaml", text.replaceAll("192.0.2.", "198.51.100."));
    repository.commit("trunk");
    repository.git("checkout", "--quiet", "main");
    const found = await reviewed("trunk", "feature");
    expect(found.reviews.map(({ name, what }) => [name, what])).toEqual([["lab", "changed"]]);
    expect(found.unchanged).toBe(1);
  });

  it("names environments that come and go", async () => {
    repository.branch("moved", { [file]: undefined, "stacks/Pulumi.new.yaml": text });
    const found = await reviewed("main", "moved");
    expect(found.reviews.map(({ name, what }) => [name, what])).toEqual([["lab", "removed"], ["new", "added"]]);
    const comment = commentOn(found);
    expect(comment).toContain("### `lab` is removed");
    expect(comment).toContain("### `new` is added");
    expect(comment).toContain("**By hand** (`lab`): The file of `lab` goes");
    expect(faults(comment)).toEqual([]);
  });

  it("says that nothing changes", async () => {
    const found = await reviewed("main", "main");
    expect(commentOn(found)).toBe("<!-- rackwright:pull-request -->\n## Rackwright\n\nBetween `main` and `head` no environment changes.\n");
  });
});

describe("files of a commit", () => {
  const cases: [string, () => void, string][] = [
    ["a stack file that is a link", () => symlinkSync("/etc/passwd", path.join(repository.folder, "stacks/Pulumi.bad.yaml")), "stacks/Pulumi.bad.yaml`: file is a symbolic link, which is not followed"],
    ["an environment's file that is a link", () => {
      repository.write("stacks/Pulumi.bad.yaml", "config:\n  rackwright:environmentFile: bad/environment.yaml\n");
      repository.write("stacks/bad/x", "");
      symlinkSync("/etc/passwd", path.join(repository.folder, "stacks/bad/environment.yaml"));
    }, "stacks/bad/environment.yaml`: file is a symbolic link, which is not followed"],
    ["an environment's file outside", () => repository.write("stacks/Pulumi.bad.yaml", "config:\n  rackwright:environmentFile: ../../../etc/passwd.yaml\n"), "must be a file below the folder of the stack files"],
    ["an environment's file that is not there", () => repository.write("stacks/Pulumi.bad.yaml", "config:\n  rackwright:environmentFile: nowhere.yaml\n"), "does not exist"],
    ["bytes that are no text", () => writeFileSync(path.join(repository.folder, "stacks/Pulumi.bad.yaml"), Buffer.from([0xff, 0xfe, 0x00])), "is not UTF-8 text"],
    ["a file of eight megabytes", () => writeFileSync(path.join(repository.folder, "stacks/Pulumi.bad.yaml"), Buffer.alloc(8 * 1024 * 1024 + 1, 32)), "more than the 8 MiB that are read"],
    ["a secret in plain text", () => repository.write("stacks/Pulumi.bad.yaml", "config:\n  rackwright:sshPrivateKey: planted-secret-value\n  rackwright:environment: {}\n"), "is a secret in plain text"],
  ];
  it.each(cases)("refuses %s in the comment", async (_what, write, message) => {
    repository.git("checkout", "--quiet", "-B", "bad", "main");
    write();
    repository.commit("bad");
    repository.git("checkout", "--quiet", "--force", "main");
    const found = await reviewed("main", "bad");
    const comment = commentOn(found);
    expect(comment).toContain(message);
    expect(found.reviews.some(blocks)).toBe(true);
    expect(comment).not.toContain("root:x:0");
    expect(comment).not.toContain("planted-secret-value");
    expect(faults(comment)).toEqual([]);
  });

  it("takes an environment in a file of its own, from each commit its own", async () => {
    repository.git("checkout", "--quiet", "-B", "own-base", "main");
    repository.write("stacks/Pulumi.own.yaml", "config:\n  rackwright:environmentFile: own/environment.yaml\n");
    repository.write("stacks/own/environment.yaml", stackText(labEnvironment()).replace(/^config:\n {2}rackwright:environment:\n/, "").replace(/^ {4}/gm, ""));
    repository.commit("own");
    repository.git("checkout", "--quiet", "-B", "own-head");
    repository.write("stacks/own/environment.yaml", stackText(labEnvironment()).replace(/^config:\n {2}rackwright:environment:\n/, "").replace(/^ {4}/gm, "").replaceAll("qwen2.5-7b", "llama-3.1-8b"));
    repository.commit("own");
    repository.git("checkout", "--quiet", "main");
    const found = await reviewed("own-base", "own-head");
    expect(found.reviews.map(({ name, problems }) => [name, problems])).toEqual([["own", []]]);
    expect(commentOn(found)).toContain("Qwen2.5 7B in bf16 on vllm");
  });

  it("never runs what a commit holds, and leaves nothing behind", () => {
    expect(existsSync(path.join(repository.folder, "was-run"))).toBe(false);
    expect(repository.git("worktree", "list").split("\n")).toHaveLength(1);
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`rackwright-pr-${process.pid}-`))).toEqual([]);
  });

  it("refuses a link in the place of the folder by finding no environment there", async () => {
    repository.git("checkout", "--quiet", "-B", "linked", "main");
    repository.git("rm", "--quiet", "-r", "stacks");
    symlinkSync("/etc", path.join(repository.folder, "stacks"));
    repository.commit("linked");
    repository.git("checkout", "--quiet", "--force", "main");
    const found = await reviewed("main", "linked");
    expect(found.reviews.map(({ what }) => what)).toEqual(["removed", "removed"]);
  });
});
